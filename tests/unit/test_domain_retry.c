/* What is asked next after a request to the provider has failed with nothing shown. */
#include "domain/retry.h"

#include "unit.h"

static const struct retry_failure unreachable = {.retryable = true, .retry_after_s = -1};
static const struct retry_failure busy = {.retryable = true, .of_model = true, .retry_after_s = -1};
static const struct retry_failure gone = {.of_model = true, .retry_after_s = -1};
static const struct retry_failure refused = {.retry_after_s = -1};

static struct retry next(int asked, bool has_fallback, struct retry_failure failure)
{
    return retry_next(asked, has_fallback, false, &failure, 0);
}

static struct retry_failure busy_for(int64_t retry_after_s)
{
    struct retry_failure failure = busy;
    failure.retry_after_s = retry_after_s;
    return failure;
}

START_TEST(what_may_pass_is_tried_twice_more_each_time_later)
{
    ck_assert_int_eq(next(1, false, busy).what, RETRY_SAME);
    ck_assert_int_eq(next(2, false, busy).what, RETRY_SAME);
    ck_assert_int_eq(next(3, false, busy).what, RETRY_NONE);
    ck_assert_int_eq(next(1, false, unreachable).wait_ms, 200);
    ck_assert_int_eq(next(2, false, unreachable).wait_ms, 400);
}
END_TEST

START_TEST(waits_differ_by_up_to_half)
{
    for (unsigned random = 0; random < 1000; random++) {
        int64_t wait_ms = retry_next(1, false, false, &unreachable, random).wait_ms;
        ck_assert(wait_ms >= 200 && wait_ms <= 300);
    }
    ck_assert_int_eq(retry_next(1, false, false, &unreachable, 100).wait_ms, 300);
}
END_TEST

START_TEST(a_refusal_that_stays_one_is_not_tried_again)
{
    ck_assert_int_eq(next(1, false, refused).what, RETRY_NONE);
    ck_assert_int_eq(next(1, true, refused).what, RETRY_NONE);
    ck_assert_int_eq(next(1, false, gone).what, RETRY_NONE);
}
END_TEST

START_TEST(the_wait_asked_for_is_kept_up_to_five_seconds)
{
    ck_assert_int_eq(next(1, false, busy_for(5)).wait_ms, 5000);
    ck_assert_int_eq(next(1, false, busy_for(6)).what, RETRY_NONE);
    ck_assert_int_eq(next(1, false, busy_for(0)).wait_ms, 200);
}
END_TEST

START_TEST(for_a_model_that_is_not_there_the_fallback_is_asked_at_once)
{
    struct retry retry = next(1, true, gone);
    ck_assert_int_eq(retry.what, RETRY_FALLBACK);
    ck_assert_int_eq(retry.wait_ms, 0);
}
END_TEST

START_TEST(the_last_retry_of_a_busy_model_asks_the_fallback)
{
    ck_assert_int_eq(next(1, true, busy).what, RETRY_SAME);
    ck_assert_int_eq(next(2, true, busy).what, RETRY_FALLBACK);
    ck_assert_int_eq(next(2, true, busy_for(3)).wait_ms, 3000);
    ck_assert_int_eq(next(3, true, busy).what, RETRY_NONE);
    ck_assert_int_eq(next(3, true, gone).what, RETRY_NONE);
}
END_TEST

START_TEST(where_a_model_is_busy_for_too_long_the_fallback_does_not_wait_for_it)
{
    struct retry retry = next(1, true, busy_for(60));
    ck_assert_int_eq(retry.what, RETRY_FALLBACK);
    ck_assert_int_eq(retry.wait_ms, 200);
}
END_TEST

START_TEST(another_model_does_not_help_where_nobody_answers)
{
    ck_assert_int_eq(next(2, true, unreachable).what, RETRY_SAME);
    ck_assert_int_eq(next(3, true, unreachable).what, RETRY_NONE);
}
END_TEST

/* (chat-outgrows-model) */
START_TEST(a_prompt_that_is_too_long_is_asked_shorter_at_once)
{
    const struct retry_failure too_long = {.too_long = true, .retry_after_s = -1};

    struct retry retry = retry_next(1, true, true, &too_long, 0);
    ck_assert_int_eq(retry.what, RETRY_SHORTER);
    ck_assert_int_eq(retry.wait_ms, 0);
    ck_assert_int_eq(retry_next(2, false, true, &too_long, 0).what, RETRY_SHORTER);
    ck_assert_int_eq(retry_next(3, false, true, &too_long, 0).what, RETRY_NONE);
    ck_assert_int_eq(retry_next(1, true, false, &too_long, 0).what, RETRY_NONE);
    ck_assert_int_eq(retry_next(1, false, true, &busy, 0).what, RETRY_SAME);
}
END_TEST

UNIT_SUITE(domain_retry)
{
    Suite *suite = suite_create("domain_retry");
    UNIT_CASE(suite, "same model", what_may_pass_is_tried_twice_more_each_time_later, waits_differ_by_up_to_half,
              a_refusal_that_stays_one_is_not_tried_again, the_wait_asked_for_is_kept_up_to_five_seconds);
    UNIT_CASE(suite, "shorter", a_prompt_that_is_too_long_is_asked_shorter_at_once);
    UNIT_CASE(suite, "fallback", for_a_model_that_is_not_there_the_fallback_is_asked_at_once,
              the_last_retry_of_a_busy_model_asks_the_fallback,
              where_a_model_is_busy_for_too_long_the_fallback_does_not_wait_for_it,
              another_model_does_not_help_where_nobody_answers);
    return suite;
}
