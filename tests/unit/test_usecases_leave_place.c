#include "usecases/leave_place.h"

#include "metrics/metrics.h"
#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/take_place.h"

static struct fake_chat chat;
static struct problem problem;
static struct place place;
static struct leaving leaving;
static struct settled stand;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
    ck_assert_int_eq(take_place(&chat.ports, &chat.alice, &(struct wanted_model){.name = "llama"},
                                "0190a1b2-0000-7000-8000-000000000001", &problem, &place),
                     CHAT_OK);
    leaving = (struct leaving){.ticket = &place.ticket, .breaker = &place.breaker, .outcome = BREAKER_SUCCESS};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static int reports(void)
{
    return fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS) + fake_breaker_reports(&chat.breaker, BREAKER_FAILURE) +
           fake_breaker_reports(&chat.breaker, BREAKER_NEITHER) + fake_breaker_reports(&chat.breaker, BREAKER_BUSY);
}

START_TEST(the_lease_ends_and_it_is_known_where_the_user_stands)
{
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 1);
    ck_assert(stand.known);
    ck_assert_int_eq(stand.quota.daily_used, 1);
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 1);
}
END_TEST

START_TEST(a_refund_is_in_what_is_known)
{
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, true, &stand), CHAT_OK);
    ck_assert_int_eq(stand.quota.daily_used, 0);
}
END_TEST

START_TEST(a_unit_is_counted_as_given_back_once_it_is)
{
    const uint64_t *given_back = &metrics->counters.quota[QUOTA_GIVEN_BACK], before = *given_back;

    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 1);
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, true, &stand), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_uint_eq(*given_back, before);
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, true, &stand), CHAT_OK);
    ck_assert_uint_eq(*given_back, before + 1);
    place.ticket.daily_counted = false; /* an admin's */
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, true, &stand), CHAT_OK);
    ck_assert_uint_eq(*given_back, before + 1);
}
END_TEST

START_TEST(a_breaker_at_rest_hears_of_failures_alone)
{
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(reports(), 0);
    leaving = (struct leaving){.ticket = &place.ticket, .breaker = &place.breaker, .outcome = BREAKER_FAILURE};
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
}
END_TEST

START_TEST(a_success_clears_what_others_put_on_the_books_meanwhile)
{
    chat.breaker.rule.failures = BREAKER_FAILURES - 1;
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
    ck_assert_int_eq(chat.breaker.rule.failures, 0);
}
END_TEST

START_TEST(without_the_limits_it_is_told_all_the_same_and_once)
{
    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 1);
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(reports(), 1);
    chat.breaker.rule.failures = 1;
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(reports(), 1);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 1);
}
END_TEST

START_TEST(who_decided_without_the_store_is_told_without_it)
{
    place.breaker.shared = false;
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
}
END_TEST

START_TEST(a_model_is_told_to_rest_at_once)
{
    leaving.outcome = BREAKER_BUSY;
    leaving.rest_s = 7;
    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 1);
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, true, &stand), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(chat.breaker.rest_s, 7);
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, true, &stand), CHAT_OK);
    ck_assert_int_eq(reports(), 1);
}
END_TEST

/* A mutant took it for "at rest" (F). */
START_TEST(where_nothing_is_known_of_the_breaker_it_is_told)
{
    place.ticket.leased = place.ticket.daily_counted = false; /* decided without Redis: nothing to settle */
    ck_assert_int_eq(leave_place(&chat.ports, &leaving, false, &stand), CHAT_OK);
    ck_assert(!stand.known);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
}
END_TEST

UNIT_SUITE(usecases_leave_place)
{
    Suite *suite = suite_create("usecases_leave_place");
    tcase_add_checked_fixture(
        UNIT_CASE(suite, "leaving", the_lease_ends_and_it_is_known_where_the_user_stands, a_refund_is_in_what_is_known,
                  a_unit_is_counted_as_given_back_once_it_is, a_breaker_at_rest_hears_of_failures_alone,
                  a_success_clears_what_others_put_on_the_books_meanwhile,
                  without_the_limits_it_is_told_all_the_same_and_once, who_decided_without_the_store_is_told_without_it,
                  a_model_is_told_to_rest_at_once, where_nothing_is_known_of_the_breaker_it_is_told),
        set_up, tear_down);
    return suite;
}
