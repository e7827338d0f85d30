#include "usecases/take_place.h"

#include "metrics/metrics.h"
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

static enum chat_error take_for(const struct wanted_model *wanted)
{
    return take_place(&chat.ports, &chat.alice, wanted, "0190a1b2-0000-7000-8000-000000000001", &problem, &place);
}

static enum chat_error take(void)
{
    return take_for(&(struct wanted_model){.name = "llama"});
}

static struct breaker open_for(int64_t ms)
{
    return (struct breaker){.state = BREAKER_OPEN, .until_ms = clock_wall_ms(&chat.clock.clock) + ms, .generation = 1};
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
    ck_assert_int_eq(admission_peek(chat.ports.admission, &chat.alice, &after), CHAT_OK);
    ck_assert_int_eq(after.daily_used, 0);
}
END_TEST

START_TEST(an_open_breaker_refuses_before_anything_is_counted)
{
    chat.breaker.rule = open_for(7000);
    ck_assert_int_eq(take(), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(problem.retry_after_s, 7);
    ck_assert(!problem.has_quota); /* it has nothing to do with limits */
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
        shared_breaker_report(chat.ports.breaker, &place.breaker, BREAKER_FAILURE, 0);
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

/* So many units that the counter has grown by. */
static uint64_t taken_by(const struct caller *caller, const char *answer_id, int units)
{
    const uint64_t before = metrics->counters.quota[QUOTA_TAKEN]; /* of earlier tests, where they run in one process */
    const struct wanted_model wanted = {.name = "llama", .units = units};

    ck_assert_int_eq(take_place(&chat.ports, caller, &wanted, answer_id, &problem, &place), CHAT_OK);
    return metrics->counters.quota[QUOTA_TAKEN] - before;
}

START_TEST(units_of_the_day_are_counted_as_they_are_taken)
{
    ck_assert_uint_eq(taken_by(&chat.alice, "0190a1b2-0000-7000-8000-000000000001", 0), 1);
    ck_assert_uint_eq(taken_by(&chat.alice, "0190a1b2-0000-7000-8000-000000000002", 3), 3);
    ck_assert_uint_eq(taken_by(&chat.admin, "0190a1b2-0000-7000-8000-000000000003", 1), 0); /* has no day's limit */
}
END_TEST

START_TEST(a_look_that_is_refused_is_counted_as_a_refusal)
{
    const uint64_t *refused = &metrics->counters.admissions[ADMISSION_RATE_LIMITED], before = *refused;

    ck_assert_int_eq(look_for_place(&chat.ports, &chat.alice, &problem), CHAT_OK);
    ck_assert_uint_eq(*refused, before);
    chat.policy.rate_limit_per_minute = 0;
    ck_assert_int_eq(look_for_place(&chat.ports, &chat.alice, &problem), CHAT_ERR_RATE_LIMITED);
    ck_assert_uint_eq(*refused, before + 1);
}
END_TEST

START_TEST(a_model_that_rests_refuses_at_once_with_the_time_left_and_where_the_user_stands)
{
    chat.breaker.rule.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 4500;
    ck_assert_int_eq(take(), CHAT_ERR_UPSTREAM_RATE_LIMITED);
    ck_assert_int_eq(problem.retry_after_s, 5);
    ck_assert(problem.has_quota);
    ck_assert_int_eq(problem.quota.daily_used, 0);
    ck_assert_int_eq(chat.answers.reserved, 0);
    ck_assert_int_eq(chat.admission.admitted, 0);
}
END_TEST

START_TEST(the_fallback_is_asked_in_place_of_a_model_out_of_reach)
{
    chat.policy.fallback_model = "the-spare";
    for (int i = 0; i < 2; i++) {
        chat.breaker.rule = i ? open_for(7000) : (struct breaker){0};
        if (!i) chat.breaker.rule.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 4500;
        ck_assert_int_eq(take(), CHAT_OK);
        ck_assert_str_eq(place.breaker.model, "the-spare");
        ck_assert(place.breaker.asked);
    }
}
END_TEST

START_TEST(where_the_fallback_is_out_of_reach_too_the_wanted_ones_time_counts)
{
    chat.policy.fallback_model = "the-spare";
    chat.breaker.rule = open_for(7000);
    chat.breaker.spare.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 50000;
    ck_assert_int_eq(take(), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(problem.retry_after_s, 7);
}
END_TEST

START_TEST(one_models_trouble_leaves_the_others_alone)
{
    chat.policy.models[chat.policy.model_count++] = "spare";
    chat.breaker.rule = open_for(7000);
    ck_assert_int_eq(take_for(&(struct wanted_model){.name = "spare"}), CHAT_OK);
    ck_assert_int_eq(chat.breaker.allowed, 0); /* in one step */
    ck_assert_str_eq(place.breaker.model, "spare");
}
END_TEST

static const char *is_spare(const struct chat_ports *ports, void *context)
{
    (void)ports;
    ++*(int *)context;
    return "spare";
}

START_TEST(a_model_that_is_not_known_yet_is_looked_for_only_where_a_breaker_is_not_at_rest)
{
    int looked = 0;
    const struct wanted_model wanted = {.find = is_spare, .context = &looked};
    chat.policy.models[chat.policy.model_count++] = "spare";
    ck_assert_int_eq(take_for(&wanted), CHAT_OK);
    ck_assert_int_eq(looked, 0);
    ck_assert_ptr_null(place.breaker.model);
    chat.breaker.rule = open_for(7000);
    ck_assert_int_eq(take_for(&wanted), CHAT_OK);
    ck_assert_int_eq(looked, 1);
    ck_assert_str_eq(place.breaker.model, "spare");
}
END_TEST

START_TEST(a_model_that_nobody_knows_is_the_default)
{
    chat.breaker.rule = open_for(7000);
    ck_assert_int_eq(take_for(&(struct wanted_model){.name = NULL}), CHAT_ERR_API_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_take_place)
{
    Suite *suite = suite_create("usecases_take_place");
    tcase_add_checked_fixture(
        UNIT_CASE(suite, "limits", it_takes_a_place_a_lease_and_a_unit, without_a_place_nothing_is_counted,
                  an_open_breaker_refuses_before_anything_is_counted, a_breaker_at_rest_costs_no_step_of_its_own,
                  failures_on_its_books_are_asked_about, a_trial_that_a_limit_stops_is_given_up,
                  a_limit_gives_the_place_back_and_says_where_the_user_stands,
                  units_of_the_day_are_counted_as_they_are_taken, a_look_that_is_refused_is_counted_as_a_refusal),
        set_up, tear_down);
    tcase_add_checked_fixture(UNIT_CASE(suite, "models",
                                        a_model_that_rests_refuses_at_once_with_the_time_left_and_where_the_user_stands,
                                        the_fallback_is_asked_in_place_of_a_model_out_of_reach,
                                        where_the_fallback_is_out_of_reach_too_the_wanted_ones_time_counts,
                                        one_models_trouble_leaves_the_others_alone,
                                        a_model_that_is_not_known_yet_is_looked_for_only_where_a_breaker_is_not_at_rest,
                                        a_model_that_nobody_knows_is_the_default),
                              set_up, tear_down);
    return suite;
}
