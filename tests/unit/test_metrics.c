/* What is counted, and the sum over processes that come and go. */
#include "metrics/metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static struct metrics_values sum;
static int workers;

static uint64_t chunks(void)
{
    metrics_sum(&sum, &workers);
    return sum.counters.chunks;
}

/* A worker in that slot, that counts and ends; its slot is still its own. */
static void run_worker(int fd, int slot, uint64_t count)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (!metrics_join(fd, slot)) _exit(1);
        metrics_add(&metrics->counters.chunks, count);
        metrics_move(&metrics->gauges.answers_live, 3);
        metrics_usage("llama", 10, 2, 7);
        metrics_usage("nameless", -1, 5, 0);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(a_duration_falls_into_the_bucket_that_it_doesnt_pass)
{
    struct metrics_histogram histogram = {0};

    metrics_observe(&histogram, metrics_bucket_ms(0));
    metrics_observe(&histogram, metrics_bucket_ms(0) + 1);
    metrics_observe(&histogram, metrics_bucket_ms(METRICS_BUCKETS - 1) + 1);
    metrics_observe(&histogram, -1);
    ck_assert_uint_eq(histogram.buckets[0], 2);
    ck_assert_uint_eq(histogram.buckets[1], 1);
    ck_assert_uint_eq(histogram.buckets[METRICS_BUCKETS], 1);
    ck_assert_uint_eq(histogram.sum_ms,
                      (uint64_t)(2 * metrics_bucket_ms(0) + 1 + metrics_bucket_ms(METRICS_BUCKETS - 1) + 1));
    for (int i = 1; i < METRICS_BUCKETS; i++) ck_assert_int_gt(metrics_bucket_ms(i), metrics_bucket_ms(i - 1));
}
END_TEST

START_TEST(what_has_no_row_or_no_known_status_has_the_last_place)
{
    struct metrics_counters before = metrics->counters;

    metrics_request(-1, 200, 1);
    metrics_request(METRICS_ROUTES + 5, 299, 1);
    metrics_request(0, 299, 1);
    ck_assert_uint_eq(metrics->counters.requests[METRICS_ROUTES - 1][0], before.requests[METRICS_ROUTES - 1][0] + 1);
    ck_assert_uint_eq(metrics->counters.requests[METRICS_ROUTES - 1][METRICS_STATUSES - 1],
                      before.requests[METRICS_ROUTES - 1][METRICS_STATUSES - 1] + 1);
    ck_assert_uint_eq(metrics->counters.requests[0][METRICS_STATUSES - 1],
                      before.requests[0][METRICS_STATUSES - 1] + 1);
    ck_assert_int_eq(metrics_status(METRICS_STATUSES - 1), 0);
}
END_TEST

START_TEST(workers_that_come_and_go_are_one_view)
{
    int fd = metrics_region();

    ck_assert_int_ge(fd, 0);
    ck_assert(!metrics_join(fd, METRICS_SLOTS));
    ck_assert(!metrics_join(fd, -1));
    ck_assert(metrics_join(fd, 1));
    metrics_add(&metrics->counters.chunks, 2);
    run_worker(fd, 0, 5);
    ck_assert_uint_eq(chunks(), 7);
    ck_assert_int_eq(workers, 2);
    ck_assert_int_eq(sum.gauges.answers_live, 3);

    metrics_leave(fd, 0); /* killed: what it counted stays, what it had open does not */
    ck_assert_uint_eq(chunks(), 7);
    ck_assert_int_eq(workers, 1);
    ck_assert_int_eq(sum.gauges.answers_live, 0);

    run_worker(fd, 0, 1); /* the next one goes on where it stopped */
    ck_assert_uint_eq(chunks(), 8);
    ck_assert_int_eq(sum.gauges.answers_live, 3);
    run_worker(fd, 7, 1);
    ck_assert_uint_eq(chunks(), 9);
    ck_assert_int_eq(workers, 3);
    ck_assert_uint_eq(sum.counters.workers_lost, 0);
    metrics_lost(fd, 7); /* (E8) also of one that never got so far as to join */
    metrics_lost(fd, 9);
    metrics_lost(fd, 9);
    metrics_lost(fd, METRICS_SLOTS);
    metrics_lost(-1, 0);
    ck_assert_uint_eq(chunks(), 9);
    ck_assert_uint_eq(sum.counters.workers_lost, 3);
    close(fd);
}
END_TEST

START_TEST(models_are_summed_by_name)
{
    int fd = metrics_region();

    ck_assert(metrics_join(fd, 0));
    metrics_usage("other-first", 1, 1, 1); /* another order in this slot */
    run_worker(fd, 1, 0);
    run_worker(fd, 2, 0);
    metrics_sum(&sum, &workers);
    for (int i = 0; i < METRICS_MODELS; i++) {
        const struct metrics_model *model = &sum.models[i];

        if (strcmp(model->name, "llama") == 0) {
            ck_assert_uint_eq(model->prompt_tokens, 20);
            ck_assert_uint_eq(model->cost_micro_usd, 14);
        } else if (strcmp(model->name, "nameless") == 0) {
            ck_assert_uint_eq(model->prompt_tokens, 0);
            ck_assert_uint_eq(model->completion_tokens, 10);
        }
    }
    ck_assert_str_eq(sum.models[0].name, "other-first");
    ck_assert_str_eq(sum.models[1].name, "llama");
    ck_assert_str_eq(sum.models[2].name, "nameless");
    close(fd);
}
END_TEST

START_TEST(more_models_than_places_are_others)
{
    char name[32];
    int fd = metrics_region();

    ck_assert(metrics_join(fd, 0));
    for (int i = 0; i < METRICS_MODELS + 5; i++) {
        snprintf(name, sizeof name, "model-%d", i);
        metrics_usage(name, 1, 0, 0);
    }
    metrics_usage(NULL, 1, 0, 0);
    metrics_sum(&sum, &workers);
    ck_assert_str_eq(sum.models[METRICS_MODELS - 1].name, "other");
    ck_assert_uint_eq(sum.models[METRICS_MODELS - 1].prompt_tokens, 7);
    close(fd);
}
END_TEST

/* (E5) The newest word of any worker is all workers'. */
START_TEST(what_the_provider_said_of_the_account_is_known_to_all_and_told_once)
{
    int fd = metrics_region(), status;

    ck_assert(metrics_join(fd, 0));
    ck_assert_int_eq(metrics_account(), ACCOUNT_UNKNOWN);
    ck_assert(!metrics_tell_account(ACCOUNT_FINE)); /* no news */
    pid_t child = fork();
    if (child == 0) _exit(metrics_join(fd, 1) && metrics_tell_account(ACCOUNT_REFUSED) ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(metrics_account(), ACCOUNT_REFUSED);
    ck_assert(!metrics_tell_account(ACCOUNT_REFUSED));
    ck_assert(metrics_tell_account(ACCOUNT_FINE));
    ck_assert_int_eq(metrics_account(), ACCOUNT_FINE);
    close(fd);
}
END_TEST

UNIT_SUITE(metrics)
{
    Suite *suite = suite_create("metrics");

    UNIT_CASE(suite, "metrics", a_duration_falls_into_the_bucket_that_it_doesnt_pass,
              what_has_no_row_or_no_known_status_has_the_last_place, workers_that_come_and_go_are_one_view,
              models_are_summed_by_name, more_models_than_places_are_others,
              what_the_provider_said_of_the_account_is_known_to_all_and_told_once);
    return suite;
}
