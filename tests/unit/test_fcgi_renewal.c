/* Leases are renewed in steps, all of them within a round. (F) */
#include "fcgi/renewal.h"

#include <stdlib.h>

#include "tests/fakes/fake_admission.h"
#include "unit.h"

static struct fake_admission admission;
static struct renewal renewal;
static struct chat_policy policy;
static struct manual_clock hands;
static int before;

static void begin(size_t count)
{
    struct admission_ticket *tickets = calloc(count ? count : 1, sizeof *tickets);

    for (size_t i = 0; i < count; i++) tickets[i].leased = true;
    before = admission.renewed;
    renewal_begin(&renewal, tickets, count);
}

static int step(bool rest)
{
    int renewed = admission.renewed;

    renewal_step(&renewal, &admission.admission, rest);
    return admission.renewed - renewed;
}

static void set_up(void)
{
    renewal = (struct renewal){.count = 0};
    manual_clock_init(&hands, 1000);
    fake_admission_init(&admission, &policy, &hands.clock);
}
static void tear_down(void)
{
    renewal_end(&renewal);
    fake_admission_fini(&admission);
}

START_TEST(many_leases_go_in_small_steps_that_end_in_time)
{
    int steps = 0;

    begin(1000);
    for (; !renewal_is_over(&renewal); steps++) ck_assert_int_le(step(false), 1000 / RENEWAL_STEPS + 1);
    ck_assert_int_eq(admission.renewed - before, 1000);
    ck_assert_int_gt(steps, RENEWAL_STEPS / 2);
    ck_assert_int_le(steps, RENEWAL_STEPS);
}
END_TEST

START_TEST(few_and_none_are_over_at_once)
{
    begin(1);
    ck_assert_int_eq(step(false), 1);
    ck_assert(renewal_is_over(&renewal));
    begin(0);
    ck_assert_int_eq(step(false), 0);
    ck_assert(renewal_is_over(&renewal));
}
END_TEST

START_TEST(the_rest_goes_at_once_where_the_process_will_be_busy)
{
    begin(1000);
    step(false);
    ck_assert_int_eq(step(true), 1000 - 1000 / RENEWAL_STEPS - 1);
    ck_assert(renewal_is_over(&renewal));
}
END_TEST

START_TEST(a_store_that_is_away_ends_the_round)
{
    begin(1000);
    admission.renew_error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_int_eq(step(false), 0);
    ck_assert(renewal_is_over(&renewal));
    admission.renew_error = CHAT_OK;
    begin(2); /* and the next begins anew */
    ck_assert_int_eq(step(false) + step(false), 2);
}
END_TEST

UNIT_SUITE(fcgi_renewal)
{
    Suite *suite = suite_create("fcgi_renewal");
    TCase *tcase =
        UNIT_CASE(suite, "renewal", many_leases_go_in_small_steps_that_end_in_time, few_and_none_are_over_at_once,
                  the_rest_goes_at_once_where_the_process_will_be_busy, a_store_that_is_away_ends_the_round);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
