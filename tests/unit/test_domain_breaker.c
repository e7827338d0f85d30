/* The circuit breaker: when it opens, whom it lets through, and which reports count. */
#include "domain/breaker.h"

#include <string.h>

#include "unit.h"

enum { T0 = 1000000 };

static struct breaker breaker;
static int64_t generation, retry_after_s;

static void set_up(void)
{
    breaker = (struct breaker){0};
    generation = retry_after_s = 0;
}

static bool allow(int64_t now_ms)
{
    return breaker_allow(&breaker, now_ms, &generation, &retry_after_s) == BREAKER_ALLOWS;
}

static void let_fail(int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++) {
        ck_assert(allow(now_ms));
        breaker_report(&breaker, now_ms, generation, BREAKER_FAILURE, 0);
    }
}

START_TEST(five_failures_in_a_row_open_it_for_thirty_seconds)
{
    let_fail(BREAKER_FAILURES - 1, T0);
    ck_assert_int_eq(breaker.state, BREAKER_CLOSED);
    let_fail(1, T0);
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
    ck_assert(!allow(T0));
    ck_assert_int_eq(retry_after_s, 30);
    ck_assert(!allow(T0 + 29999));
    ck_assert_int_eq(retry_after_s, 1);
    ck_assert(allow(T0 + 30000));
}
END_TEST

START_TEST(a_success_in_between_begins_the_count_anew)
{
    let_fail(BREAKER_FAILURES - 1, T0);
    breaker_report(&breaker, T0, generation, BREAKER_SUCCESS, 0);
    let_fail(BREAKER_FAILURES - 1, T0);
    ck_assert_int_eq(breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(what_says_nothing_neither_counts_nor_forgives)
{
    let_fail(BREAKER_FAILURES - 1, T0);
    breaker_report(&breaker, T0, generation, BREAKER_NEITHER, 0);
    let_fail(1, T0);
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
}
END_TEST

START_TEST(one_whose_time_is_over_is_half_open_for_who_looks)
{
    breaker = (struct breaker){.state = BREAKER_OPEN, .until_ms = 1000};

    ck_assert_int_eq(breaker_state_at(&breaker, 999), BREAKER_OPEN);
    ck_assert_int_eq(breaker_state_at(&breaker, 1000), BREAKER_HALF_OPEN);
    breaker = (struct breaker){.state = BREAKER_CLOSED};
    ck_assert_int_eq(breaker_state_at(&breaker, 1000), BREAKER_CLOSED);
}
END_TEST

START_TEST(half_open_lets_one_through_whose_success_closes_it)
{
    let_fail(BREAKER_FAILURES, T0);
    ck_assert(allow(T0 + 30000));
    ck_assert_int_eq(breaker.state, BREAKER_HALF_OPEN);
    int64_t trial = generation;
    ck_assert(!allow(T0 + 30001));
    ck_assert_int_eq(retry_after_s, 30);
    breaker_report(&breaker, T0 + 31000, trial, BREAKER_SUCCESS, 0);
    ck_assert_int_eq(breaker.state, BREAKER_CLOSED);
    ck_assert(allow(T0 + 31000));
}
END_TEST

START_TEST(a_trial_that_fails_opens_it_again)
{
    let_fail(BREAKER_FAILURES, T0);
    ck_assert(allow(T0 + 30000));
    breaker_report(&breaker, T0 + 31000, generation, BREAKER_FAILURE, 0);
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
    ck_assert(!allow(T0 + 60999));
    ck_assert(allow(T0 + 61000));
}
END_TEST

START_TEST(a_trial_that_says_nothing_makes_room_for_the_next)
{
    let_fail(BREAKER_FAILURES, T0);
    ck_assert(allow(T0 + 30000));
    int64_t first = generation;
    breaker_report(&breaker, T0 + 30010, first, BREAKER_NEITHER, 0);
    ck_assert(allow(T0 + 30010));
    ck_assert_int_ne(generation, first);
    ck_assert(!allow(T0 + 30010));
}
END_TEST

START_TEST(a_trial_that_is_never_heard_of_is_not_waited_for_ever)
{
    let_fail(BREAKER_FAILURES, T0);
    ck_assert(allow(T0 + 30000));
    int64_t lost = generation;
    ck_assert(!allow(T0 + 30000 + BREAKER_TRIAL_MS - 1));
    ck_assert(allow(T0 + 30000 + BREAKER_TRIAL_MS));
    breaker_report(&breaker, T0 + 99000, lost, BREAKER_SUCCESS, 0); /* too late */
    ck_assert_int_eq(breaker.state, BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(what_was_begun_before_a_change_decides_nothing)
{
    ck_assert(allow(T0));
    int64_t early = generation;
    let_fail(BREAKER_FAILURES, T0);
    breaker_report(&breaker, T0, early, BREAKER_SUCCESS, 0);
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
    ck_assert(allow(T0 + 30000));
    breaker_report(&breaker, T0 + 30000, early, BREAKER_FAILURE, 0);
    ck_assert_int_eq(breaker.state, BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(two_changes_within_a_millisecond_are_told_apart)
{
    let_fail(BREAKER_FAILURES, T0);
    int64_t opened = breaker.generation;
    breaker.until_ms = T0;
    ck_assert(allow(T0));
    ck_assert_int_gt(generation, opened);
}
END_TEST

START_TEST(a_clock_set_back_does_not_keep_it_shut)
{
    let_fail(BREAKER_FAILURES, T0 + 10000000);
    ck_assert(allow(T0));
}
END_TEST

START_TEST(it_is_read_as_it_was_written)
{
    char text[BREAKER_TEXT_SIZE];
    let_fail(3, T0);
    breaker.rest_until_ms = T0 + 7;
    for (int i = 0; i < 3; i++) {
        breaker.state = (enum breaker_state)i;
        breaker_write(&breaker, text);
        struct breaker read = breaker_read(text, strlen(text));
        ck_assert_int_eq(read.state, breaker.state);
        ck_assert_int_eq(read.failures, 3);
        ck_assert_int_eq(read.until_ms, breaker.until_ms);
        ck_assert_int_eq(read.generation, breaker.generation);
        ck_assert_int_eq(read.rest_until_ms, breaker.rest_until_ms);
    }
}
END_TEST

START_TEST(a_text_that_is_as_long_as_its_room_is_a_closed_one)
{
    char text[BREAKER_TEXT_SIZE]; /* all of it: there is no place for an end */

    memset(text, '0', sizeof text);
    memcpy(text, "open 0 2 3 ", 11);
    ck_assert_int_eq(breaker_read(text, sizeof text).state, BREAKER_CLOSED);
    ck_assert_int_eq(breaker_read(text, sizeof text - 1).state, BREAKER_OPEN);
}
END_TEST

START_TEST(anything_else_is_a_closed_one)
{
    static const char *const texts[] = {
        "",
        "open",
        "open 1 2",
        "open 1 2 3", /* as before there were rests */
        "ajar 0 2 3 0",
        "open -1 2 3 0",
        "open 5 2 3 0",
        "open x 2 3 0",
        "open 0 2 3 0 more",
        "open 0 2 3 0 and much, much more than any that was written, so that it has no room "
        "in the text of one"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++)
        ck_assert_int_eq(breaker_read(texts[i], strlen(texts[i])).state, BREAKER_CLOSED);
}
END_TEST

/* ---- rests (B5) ---- */

static enum breaker_verdict verdict(int64_t now_ms)
{
    return breaker_allow(&breaker, now_ms, &generation, &retry_after_s);
}

static void say_busy(int64_t now_ms, int64_t rest_s)
{
    breaker_report(&breaker, now_ms, breaker.generation, BREAKER_BUSY, rest_s);
}

START_TEST(a_429_makes_it_rest_as_long_as_told_and_opens_nothing)
{
    for (int i = 0; i < 2 * BREAKER_FAILURES; i++) say_busy(T0, 7);
    ck_assert_int_eq(breaker.state, BREAKER_CLOSED);
    ck_assert_int_eq(verdict(T0), BREAKER_RESTS);
    ck_assert_int_eq(retry_after_s, 7);
    ck_assert_int_eq(verdict(T0 + 6001), BREAKER_RESTS);
    ck_assert_int_eq(retry_after_s, 1);
    ck_assert_int_eq(verdict(T0 + 7000), BREAKER_ALLOWS);
    ck_assert(breaker_at_rest(&breaker, T0 + 7000));
}
END_TEST

START_TEST(it_rests_for_a_second_untold_and_a_minute_at_most)
{
    static const int64_t told[][2] = {{-1, 1}, {0, 1}, {1, 1}, {60, 60}, {61, 60}, {86400, 60}};
    for (size_t i = 0; i < UNIT_COUNT(told); i++) {
        breaker = (struct breaker){0};
        say_busy(T0, told[i][0]);
        ck_assert_int_eq(verdict(T0), BREAKER_RESTS);
        ck_assert_int_eq(retry_after_s, told[i][1]);
        ck_assert_int_eq(breaker_rest_s(told[i][0]), told[i][1]);
    }
}
END_TEST

START_TEST(of_two_rests_the_longer_counts)
{
    say_busy(T0, 9);
    say_busy(T0 + 1000, 2);
    ck_assert_int_eq(verdict(T0 + 8999), BREAKER_RESTS);
    ck_assert_int_eq(verdict(T0 + 9000), BREAKER_ALLOWS);
}
END_TEST

START_TEST(a_rest_neither_counts_nor_forgives)
{
    let_fail(BREAKER_FAILURES - 1, T0);
    say_busy(T0, 1);
    let_fail(1, T0 + 1000);
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
}
END_TEST

START_TEST(a_trial_that_is_told_to_rest_makes_room_for_one_after_it)
{
    let_fail(BREAKER_FAILURES, T0);
    ck_assert(allow(T0 + 30000));
    say_busy(T0 + 30000, 5);
    ck_assert_int_eq(verdict(T0 + 30000), BREAKER_RESTS);
    ck_assert_int_eq(verdict(T0 + 35000), BREAKER_ALLOWS);
    ck_assert_int_eq(breaker.state, BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(a_rest_is_heard_of_whenever_its_request_began)
{
    ck_assert(allow(T0));
    int64_t early = generation;
    let_fail(BREAKER_FAILURES, T0);
    breaker_report(&breaker, T0 + 29000, early, BREAKER_BUSY, 9);
    ck_assert_int_eq(verdict(T0 + 29000), BREAKER_IS_OPEN);
    ck_assert_int_eq(verdict(T0 + 30000), BREAKER_RESTS);
    ck_assert_int_eq(retry_after_s, 8);
}
END_TEST

START_TEST(a_clock_set_back_does_not_let_it_rest_on)
{
    say_busy(T0 + 10000000, 9);
    ck_assert_int_eq(verdict(T0), BREAKER_ALLOWS);
    ck_assert_int_eq(verdict(T0 + 10000000), BREAKER_ALLOWS); /* a rest that is over stays so */
}
END_TEST

START_TEST(at_rest_there_is_nothing_to_remember)
{
    ck_assert(breaker_at_rest(&breaker, T0));
    let_fail(1, T0);
    ck_assert(!breaker_at_rest(&breaker, T0));
    breaker_report(&breaker, T0, generation, BREAKER_SUCCESS, 0);
    ck_assert(breaker_at_rest(&breaker, T0));
    say_busy(T0, 1);
    ck_assert(!breaker_at_rest(&breaker, T0));
    let_fail(BREAKER_FAILURES, T0 + 1000);
    ck_assert(allow(T0 + 31000));
    breaker_report(&breaker, T0 + 31000, generation, BREAKER_SUCCESS, 0);
    ck_assert(!breaker_at_rest(&breaker, T0 + 31000)); /* it has changed: older reports must not count */
}
END_TEST

UNIT_SUITE(domain_breaker)
{
    Suite *suite = suite_create("domain_breaker");
    tcase_add_checked_fixture(
        UNIT_CASE(suite, "rule", five_failures_in_a_row_open_it_for_thirty_seconds,
                  a_success_in_between_begins_the_count_anew, what_says_nothing_neither_counts_nor_forgives,
                  one_whose_time_is_over_is_half_open_for_who_looks, half_open_lets_one_through_whose_success_closes_it,
                  a_trial_that_fails_opens_it_again, a_trial_that_says_nothing_makes_room_for_the_next,
                  a_trial_that_is_never_heard_of_is_not_waited_for_ever, what_was_begun_before_a_change_decides_nothing,
                  two_changes_within_a_millisecond_are_told_apart, a_clock_set_back_does_not_keep_it_shut,
                  it_is_read_as_it_was_written, a_text_that_is_as_long_as_its_room_is_a_closed_one,
                  anything_else_is_a_closed_one),
        set_up, NULL);
    tcase_add_checked_fixture(UNIT_CASE(suite, "rest", a_429_makes_it_rest_as_long_as_told_and_opens_nothing,
                                        it_rests_for_a_second_untold_and_a_minute_at_most,
                                        of_two_rests_the_longer_counts, a_rest_neither_counts_nor_forgives,
                                        a_trial_that_is_told_to_rest_makes_room_for_one_after_it,
                                        a_rest_is_heard_of_whenever_its_request_began,
                                        a_clock_set_back_does_not_let_it_rest_on, at_rest_there_is_nothing_to_remember),
                              set_up, NULL);
    return suite;
}
