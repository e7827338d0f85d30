#include "usecases/take_place.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct place place;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error take(void)
{
    return take_place(&chat.ports, &chat.alice, "0190a1b2-0000-7000-8000-000000000001", &problem, &place);
}

START_TEST(it_takes_a_place_a_lease_and_a_unit)
{
    ck_assert_int_eq(take(), CHAT_OK);
    ck_assert_int_eq(chat.answers.reserved, 1);
    ck_assert(place.ticket.leased && place.ticket.daily_counted);
    ck_assert_str_eq(place.ticket.user_id, chat.alice.user_id);
    ck_assert_int_eq(place.quota.daily_used, 1);
}
END_TEST

START_TEST(without_a_place_nothing_is_counted)
{
    struct quota after;
    chat.answers.refuse = CHAT_ERR_OVERLOADED;
    ck_assert_int_eq(take(), CHAT_ERR_OVERLOADED);
    ck_assert_int_gt(problem.retry_after_s, 0);
    ck_assert_int_eq(chat.ports.admission->ops->peek(chat.ports.admission, &chat.alice, &after), CHAT_OK);
    ck_assert_int_eq(after.daily_used, 0);
}
END_TEST

START_TEST(an_open_breaker_refuses_before_anything_is_counted)
{
    chat.breaker.rule =
        (struct breaker){.state = BREAKER_OPEN, .until_ms = clock_wall_ms(&chat.clock.clock) + 7000, .generation = 1};
    ck_assert_int_eq(take(), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(problem.retry_after_s, 7);
    ck_assert_int_eq(chat.answers.reserved, 0);
    ck_assert_int_eq(chat.admission.admitted, 0);
}
END_TEST

START_TEST(a_breaker_at_rest_costs_no_step_of_its_own)
{
    ck_assert_int_eq(take(), CHAT_OK);
    ck_assert_int_eq(chat.breaker.allowed, 0);
    ck_assert(place.breaker.asked && !place.breaker.trial);
    for (int i = 0; i < BREAKER_FAILURES; i++)
        chat.ports.breaker->ops->report(chat.ports.breaker, &place.breaker, BREAKER_FAILURE);
    ck_assert_int_eq(take(), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(chat.admission.admitted, 1);
}
END_TEST

START_TEST(failures_on_its_books_are_asked_about)
{
    chat.breaker.rule.failures = 1;
    ck_assert_int_eq(take(), CHAT_OK);
    ck_assert_int_eq(chat.breaker.allowed, 1);
    ck_assert_int_eq(chat.admission.admitted, 1);
}
END_TEST

START_TEST(a_trial_that_a_limit_stops_is_given_up)
{
    chat.breaker.rule = (struct breaker){.state = BREAKER_OPEN, .until_ms = 1, .generation = 1};
    chat.admission.refuse = CHAT_ERR_RATE_LIMITED;
    ck_assert_int_eq(take(), CHAT_ERR_RATE_LIMITED);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 1);
    chat.admission.refuse = CHAT_OK;
    ck_assert_int_eq(take(), CHAT_OK);
    ck_assert_int_eq(take(), CHAT_ERR_API_UNAVAILABLE);
}
END_TEST

START_TEST(a_limit_gives_the_place_back_and_says_where_the_user_stands)
{
    while (take() == CHAT_OK) problem = (struct problem){0};
    ck_assert(problem.has_quota);
    int held = chat.answers.reserved;
    ck_assert_int_ne(take(), CHAT_OK);
    ck_assert_int_eq(chat.answers.reserved, held);
    ck_assert_int_gt(problem.retry_after_s, 0);
}
END_TEST

UNIT_SUITE(usecases_take_place)
{
    Suite *suite = suite_create("usecases_take_place");
    tcase_add_checked_fixture(
        UNIT_CASE(suite, "limits", it_takes_a_place_a_lease_and_a_unit, without_a_place_nothing_is_counted,
                  an_open_breaker_refuses_before_anything_is_counted, a_breaker_at_rest_costs_no_step_of_its_own,
                  failures_on_its_books_are_asked_about, a_trial_that_a_limit_stops_is_given_up,
                  a_limit_gives_the_place_back_and_says_where_the_user_stands),
        set_up, tear_down);
    return suite;
}
