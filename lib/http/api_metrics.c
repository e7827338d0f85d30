/* GET /metrics: the sum over all workers in Prometheus' text format 0.0.4. */
#include "http/api.h"
#include "http/routes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "metrics/metrics.h"

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP chat_%s %s\n# TYPE chat_%s %s\n", name, help, name, type);
}

static void number(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, "chat_%s %" PRId64 "\n", name, value);
}

static void gauge(struct buf *out, const char *name, int64_t value, const char *help)
{
    head(out, name, "gauge", help);
    number(out, name, value);
}

static void gauge_of_ms(struct buf *out, const char *name, int64_t ms, const char *help)
{
    head(out, name, "gauge", help);
    buf_printf(out, "chat_%s %.3f\n", name, (double)ms / 1000);
}

static void counter(struct buf *out, const char *name, uint64_t value, const char *help)
{
    head(out, name, "counter", help);
    number(out, name, (int64_t)value);
}

/* Writes one series for each value of the label, even if nothing has been counted, so that rules find them from the
 * start.
 */
static void counters(struct buf *out, const char *name, const char *label, const char *const *values, int count,
                     const uint64_t *numbers, const char *help)
{
    head(out, name, "counter", help);
    for (int i = 0; i < count; i++)
        buf_printf(out, "chat_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, values[i], numbers[i]);
}

/* labels: "" or pairs, comma at the end. */
static void histogram(struct buf *out, const char *name, const char *labels, const struct metrics_histogram *from)
{
    uint64_t sum = 0;
    for (int i = 0; i <= METRICS_BUCKETS; i++) {
        char bound[32] = "+Inf";
        sum += from->buckets[i];
        if (i < METRICS_BUCKETS) snprintf(bound, sizeof bound, "%g", (double)metrics_bucket_ms(i) / 1000);
        buf_printf(out, "chat_%s_bucket{%sle=\"%s\"} %" PRIu64 "\n", name, labels, bound, sum);
    }
    int len = (int)strlen(labels);
    const char *open = len ? "{" : "", *close = len ? "}" : "";
    if (len) len--; /* the comma */
    buf_printf(out, "chat_%s_sum%s%.*s%s %.3f\n", name, open, len, labels, close, (double)from->sum_ms / 1000);
    buf_printf(out, "chat_%s_count%s%.*s%s %" PRIu64 "\n", name, open, len, labels, close, sum);
}

/* ---- families ---- */

static int route_count(void)
{
    int count = 0;
    while (route_table()[count].method) count++;
    return count;
}

/* Writes {method="GET",route="/…", of a row; METRICS_ROUTES - 1 stands for paths that no row has. */
static void route_labels(char *out, size_t size, int at)
{
    bool known = at < route_count();
    snprintf(out, size, "method=\"%s\",route=\"%s\",", known ? route_table()[at].method : "other",
             known ? route_table()[at].path : "other");
}

static bool was_asked(const struct metrics_counters *counted, int route)
{
    for (int i = 0; i < METRICS_STATUSES; i++)
        if (counted->requests[route][i]) return true;
    return false;
}

static void requests(struct buf *out, const struct metrics_counters *counted)
{
    char labels[192];
    head(out, "http_requests_total", "counter", "Requests answered, by route and status (499: the client left first).");
    for (int route = 0; route < METRICS_ROUTES; route++) {
        route_labels(labels, sizeof labels, route);
        for (int i = 0; i < METRICS_STATUSES; i++) {
            if (!counted->requests[route][i]) continue;
            char status[8] = "other";
            if (metrics_status(i)) snprintf(status, sizeof status, "%d", metrics_status(i));
            buf_printf(out, "chat_http_requests_total{%sstatus=\"%s\"} %" PRIu64 "\n", labels, status,
                       counted->requests[route][i]);
        }
    }
    head(out, "http_request_duration_seconds", "histogram", "From taking a request to its last byte; streams whole.");
    for (int route = 0; route < METRICS_ROUTES; route++) {
        if (!was_asked(counted, route)) continue;
        route_labels(labels, sizeof labels, route);
        histogram(out, "http_request_duration_seconds", labels, &counted->request_time[route]);
    }
}

/* A model's name in a label: quotes and backslashes escaped. */
static void model_label(struct buf *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '"' || *name == '\\') buf_append_char(out, '\\');
        buf_append_char(out, *name == '\n' ? ' ' : *name);
    }
}

static void models(struct buf *out, const struct metrics_model models[METRICS_MODELS])
{
    head(out, "tokens_total", "counter", "Tokens of answers and completions, estimated where the provider told none.");
    for (int i = 0; i < METRICS_MODELS; i++) {
        if (!models[i].name[0]) continue;
        buf_printf(out, "chat_tokens_total{direction=\"prompt\",model=\"");
        model_label(out, models[i].name);
        buf_printf(out, "\"} %" PRIu64 "\nchat_tokens_total{direction=\"completion\",model=\"",
                   models[i].prompt_tokens);
        model_label(out, models[i].name);
        buf_printf(out, "\"} %" PRIu64 "\n", models[i].completion_tokens);
    }
    head(out, "cost_usd_total", "counter", "What they cost by the configured prices, in US dollars.");
    for (int i = 0; i < METRICS_MODELS; i++) {
        if (!models[i].name[0]) continue;
        buf_printf(out, "chat_cost_usd_total{model=\"");
        model_label(out, models[i].name);
        buf_printf(out, "\"} %.6f\n", (double)models[i].cost_micro_usd / 1e6);
    }
}

static void breakers(struct buf *out, const struct chat_ports *ports)
{
    static const enum breaker_state states[] = {BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN};
    const char *names[POLICY_MAX_ASKED];
    struct breaker stand[POLICY_MAX_ASKED];
    size_t count = policy_asked(ports->policy, names);
    int64_t now_ms = clock_wall_ms(ports->clock);
    shared_breaker_look(ports->breaker, names, count, stand);
    head(out, "breaker_state", "gauge", "The circuit breaker before each model: 1 for the state it is in.");
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof states / sizeof states[0]; k++) {
            buf_printf(out, "chat_breaker_state{model=\"");
            model_label(out, names[i]);
            buf_printf(out, "\",state=\"%s\"} %d\n", breaker_state_name(states[k]),
                       breaker_state_at(&stand[i], now_ms) == states[k]);
        }
    }
    head(out, "model_resting", "gauge", "1 while the model is not asked, after a 429 of the provider.");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "chat_model_resting{model=\"");
        model_label(out, names[i]);
        buf_printf(out, "\"} %d\n", breaker_rests(&stand[i], now_ms));
    }
}

static void stores(struct buf *out, struct http_call *call)
{
    struct admission *admission = call->ports->admission;
    bool postgres = call->app->check_postgres(call->stores) == CHAT_OK;
    bool redis = admission_ping(admission) == CHAT_OK;
    head(out, "store_up", "gauge", "Whether the store answered the worker that was asked for these figures.");
    buf_printf(out, "chat_store_up{store=\"postgres\"} %d\nchat_store_up{store=\"redis\"} %d\n", postgres, redis);
}

#define COUNTERS(out, name, label, values, numbers, help) \
    counters(out, name, label, values, (int)(sizeof(values) / sizeof((values)[0])), numbers, help)

static void what_was_counted(struct buf *out, const struct metrics_counters *counted)
{
    static const char *const admissions[ADMISSION_RESULTS] = {
        [ADMISSION_ADMITTED] = "admitted",
        [ADMISSION_RATE_LIMITED] = "rate_limited",
        [ADMISSION_QUOTA_EXCEEDED] = "quota_exceeded",
        [ADMISSION_TOO_MANY_STREAMS] = "too_many_streams",
        [ADMISSION_QUOTA_UNAVAILABLE] = "quota_unavailable",
        [ADMISSION_API_UNAVAILABLE] = "api_unavailable",
        [ADMISSION_MODEL_RESTS] = "upstream_rate_limited",
        [ADMISSION_OVERLOADED] = "overloaded",
        [ADMISSION_SHUTTING_DOWN] = "shutting_down",
    };
    static const char *const quota[QUOTA_CHANGES] = {[QUOTA_TAKEN] = "taken", [QUOTA_GIVEN_BACK] = "given_back"};
    static const char *const upstream[UPSTREAM_KINDS] = {
        [UPSTREAM_TIMEOUT] = "timeout",
        [UPSTREAM_RATE_LIMITED] = "rate_limited",
        [UPSTREAM_INVALID] = "invalid_response",
        [UPSTREAM_ACCOUNT] = "account_refused",
        [UPSTREAM_OTHER] = "error",
    };
    static const char *const answers[ANSWER_RESULTS] = {
        [ANSWERS_COMPLETE] = "complete",
        [ANSWERS_STOPPED] = "stopped",
        [ANSWERS_INTERRUPTED] = "interrupted",
        [ANSWERS_FAILED] = "failed",
    };
    static const char *const completions[COMPLETION_RESULTS] = {
        [COMPLETIONS_OK] = "complete", [COMPLETIONS_FAILED] = "failed", [COMPLETIONS_CLIENT_LEFT] = "client_left"};
    static const char *const ratings[RATINGS] = {[RATED_UP] = "up", [RATED_DOWN] = "down", [RATED_NONE] = "none"};
    static const char *const cohorts[COHORTS] = {[COHORT_ON] = "on", [COHORT_OFF] = "off", [COHORT_ADMIN] = "admin"};

    head(out, "time_to_first_token_seconds", "histogram", "From asking the provider to its first text, answers.");
    histogram(out, "time_to_first_token_seconds", "", &counted->first_token);
    counter(out, "upstream_chunks_total", counted->chunks, "Pieces of text that the provider sent.");
    counter(out, "upstream_reads_total", counted->upstream_reads, "Readings of the provider's connections.");
    counter(out, "upstream_text_bytes_total", counted->chunk_bytes, "Their bytes, of answers.");
    counter(out, "upstream_requests_total", counted->upstream_requests, "Requests to the provider, retries included.");
    counter(out, "stream_writes_total", counted->stream_writes, "Writes to clients of streams.");
    counter(out, "stream_bytes_total", counted->stream_bytes, "Their bytes, before TLS.");
    COUNTERS(out, "upstream_errors_total", "kind", upstream, counted->upstream_errors,
             "Requests to the provider that failed, retries included.");
    COUNTERS(out, "admissions_total", "result", admissions, counted->admissions,
             "Sends and completions that asked for a place, and what limits and breaker said.");
    COUNTERS(out, "quota_units_total", "change", quota, counted->quota, "Units of daily quotas.");
    COUNTERS(out, "answers_total", "status", answers, counted->answers, "Answers that ended, by their final status.");
    COUNTERS(out, "completions_total", "result", completions, counted->completions, "Completions that ended.");
    COUNTERS(out, "feedback_total", "rating", ratings, counted->feedback, "Ratings given or taken back.");
    COUNTERS(out, "feature_checks_total", "cohort", cohorts, counted->cohorts,
             "Requests to chat by whether the rollout has it on for the user.");
    counter(out, "redis_calls_late_total", counted->redis_late, "Calls of Redis without an answer after 40 ms.");
    counter(out, "redis_calls_given_up_total", counted->redis_given_up,
            "Calls that ended without an answer: Redis was silent to all of the worker, or for 400 ms to this call.");
    counter(out, "redis_calls_repeated_total", counted->redis_repeated,
            "Requests to the limits that Redis got too late to count, and that were sent again.");
    counter(out, "workers_lost_total", counted->workers_lost,
            "Worker processes that ended unasked, and were replaced.");
}

static void what_is_now(struct buf *out, const struct metrics_gauges *now, int workers)
{
    gauge(out, "workers", workers, "Worker processes that live, draining ones too.");
    gauge(out, "answers_live", now->answers_live, "Answers under way.");
    gauge(out, "answers_detached", now->answers_detached, "Of them, those that nobody is attached to here.");
    gauge(out, "answers_followed", now->attached_elsewhere,
          "Answers that are followed from another worker than theirs.");
    gauge(out, "readers", now->readers, "Clients that came to an answer that was there already, or wait for one.");
    gauge_of_ms(out, "pace_seconds", workers ? now->pace_ms / workers : 0,
                "Between two readings of a fast stream, now; the mean of all workers.");
    gauge(out, "completions_live", now->completions_live, "Completions under way.");
    gauge(out, "requests_running", now->requests_running, "Request threads at work.");
    gauge(out, "request_threads", now->request_threads, "Request threads there are.");
    gauge(out, "stream_places", now->stream_places, "Answers and completions that may be under way at once.");
    gauge(out, "job_threads", now->job_threads, "Job threads there are, for titles too.");
    gauge(out, "jobs_queued", now->jobs_queued, "Jobs that wait or run: saving, settling, titles.");
}

enum chat_error api_metrics(struct http_call *call)
{
    struct metrics_values *sum = arena_alloc(call->arena, sizeof *sum);
    int workers;
    metrics_sum(sum, &workers);
    struct buf *out = &call->out;
    buf_reset(out);
    requests(out, &sum->counters);
    what_was_counted(out, &sum->counters);
    models(out, sum->models);
    what_is_now(out, &sum->gauges, workers);
    breakers(out, call->ports);
    stores(out, call);
    head(out, "build_info", "gauge", "The version that answers.");
    buf_printf(out, "chat_build_info{version=\"%s\"} 1\n", call->app->version ? call->app->version : "unknown");
    return call_send(call, 200, "text/plain; version=0.0.4; charset=utf-8");
}
