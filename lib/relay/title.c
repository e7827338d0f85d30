/*
 * A session's title, written by a model beside the first answer. One thread of its own asks (lib/loop/jobs.h), the
 * plain blocking way: nobody waits for a title, and a slow one must not hold up what saves answers.
 */
#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "usecases/title_prompt.h"
#include "usecases/use_ledger.h"

enum { TITLE_TIMEOUT_MS = 15000, TITLE_ANSWER_MAX_BYTES = 4096 };

struct title_job {
    struct job job; /* first */
    struct relay *relay;
    char answer_id[UUID_TEXT_SIZE], session_id[UUID_TEXT_SIZE];
    char user_id[USER_ID_SIZE], day[QUOTA_DAY_SIZE]; /* whom it is counted for, and when */
    struct token_usage usage;                        /* -1: not told */
    struct title_body body, plain_body;
    size_t asked_bytes, thought_bytes; /* of the last request, and of its thoughts */
    struct decoder *decoder;
    struct buf text;
    char *stored; /* the title that the session has now; NULL: none of this job's */
};

static void take_text(void *context, const char *text, size_t len)
{
    buf_append(&((struct title_job *)context)->text, text, len);
}

static void drop_thought(void *context, const char *text, size_t len)
{
    (void)text;
    ((struct title_job *)context)->thought_bytes += len;
}

static struct delta_sink sink_of(struct title_job *title)
{
    return (struct delta_sink){.content = take_text, .reasoning = drop_thought, .context = title};
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct title_job *title = context;
    struct delta_sink sink = sink_of(title);
    const struct provider *provider = title->relay->settings.provider;
    enum chat_error error = provider->ops->decoder_feed(title->decoder, bytes, size * count, &sink);
    return error == CHAT_OK ? size * count : 0;
}

/* What the model has shown. A title that takes too long says little: it was given little time. */
static enum breaker_outcome outcome_of(struct relay *relay, CURLcode result, long status,
                                       const struct provider_end *end, const char *retry_after, int64_t *rest_s)
{
    const struct provider *provider = relay->settings.provider;
    if (result == CURLE_OPERATION_TIMEDOUT) return BREAKER_NEITHER;
    if (status == 200) return end->outcome;
    if (status == 0) return BREAKER_FAILURE;
    struct provider_refusal refusal =
        provider->ops->refusal(provider, (int)status, "", 0, retry_after, clock_wall_ms(relay->settings.clock));
    *rest_s = refusal.retry_after_s;
    return refusal.outcome;
}

/* NULL: it has none. Borrowed from the handle. */
static const char *retry_after_of(CURL *easy)
{
    struct curl_header *header;
    return curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

/* *refused: the request itself was not to the provider's liking. *rest_s: how long the model rests, seconds. */
static bool ask(struct title_job *title, const struct title_body *body, enum breaker_outcome *outcome, int64_t *rest_s,
                bool *refused)
{
    struct relay *relay = title->relay;
    const struct provider *provider = relay->settings.provider;
    CURL *easy = curl_easy_init();
    long status = 0;
    CURLcode result = CURLE_OK;
    title->asked_bytes = body->len;
    title->decoder = provider->ops->decoder_new(provider);
    bool fine = easy && title->decoder && upstream_set_options(relay, easy, body->text, body->len) &&
                curl_easy_setopt(easy, CURLOPT_HTTPHEADER, relay->headers) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TITLE_TIMEOUT_MS) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_WRITEDATA, title) == CURLE_OK;
    bool asked = fine;
    if (asked) result = curl_easy_perform(easy);
    fine = asked && result == CURLE_OK;
    if (asked) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    struct provider_end end = {.error = CHAT_ERR_UPSTREAM_ERROR, .usage = USAGE_UNKNOWN};
    struct delta_sink sink = sink_of(title);
    if (title->decoder) {
        provider->ops->decoder_end(title->decoder, &sink, &end);
        provider->ops->decoder_free(title->decoder);
    }
    *rest_s = -1;
    *outcome = asked ? outcome_of(relay, result, status, &end, retry_after_of(easy), rest_s) : BREAKER_NEITHER;
    title->usage = status == 200 ? end.usage : (struct token_usage){0};
    *refused = status == 400 || status == 422;
    if (easy) curl_easy_cleanup(easy);
    return fine && status == 200 && end.error == CHAT_OK && !title->text.failed;
}

/* false: none was written, or its model can't be asked now. */
static bool ask_where_allowed(struct title_job *title, const struct chat_ports *ports)
{
    struct breaker_ticket ticket;
    enum breaker_outcome outcome;
    int64_t wait_s, rest_s;
    if (ports->breaker->ops->allow(ports->breaker, ports->policy->title_model, &ticket, &wait_s) != CHAT_OK) {
        title->usage = (struct token_usage){0};
        return false;
    }
    bool refused, fine = ask(title, &title->body, &outcome, &rest_s, &refused);
    if (refused && title->plain_body.text) fine = ask(title, &title->plain_body, &outcome, &rest_s, &refused);
    ports->breaker->ops->report(ports->breaker, &ticket, outcome, rest_s);
    return fine;
}

/* false: there is no title in what the model wrote. */
static bool store(struct title_job *title, const struct chat_ports *ports)
{
    struct arena arena;
    arena_init(&arena);
    const char *text = title_from_answer(title->text.data, title->text.len, &arena);
    bool taken = false;
    if (text &&
        ports->sessions->ops->set_model_title(ports->sessions, title->session_id, text, clock_wall_ms(ports->clock),
                                              &taken) == CHAT_OK &&
        taken) {
        title->stored = strdup(text);
        if (!title->stored) abort();
    }
    arena_fini(&arena);
    return text != NULL;
}

/* It costs like an answer, whatever becomes of it. */
static void count(const struct title_job *title, const struct chat_ports *ports)
{
    const char *model = ports->policy->title_model;
    struct token_usage usage = title->usage;
    if (usage.prompt_tokens < 0 && usage.completion_tokens < 0)
        usage = (struct token_usage){
            .prompt_tokens = (int64_t)(title->asked_bytes + 3) / 4,
            .completion_tokens = (int64_t)(title->text.len + title->thought_bytes + 3) / 4,
            .total_tokens = -1,
        };
    if (usage.prompt_tokens <= 0 && usage.completion_tokens <= 0) return; /* it was never asked */
    int64_t cost = cost_micro_usd(ports->prices, model, &usage);
    metrics_usage(model, usage.prompt_tokens, usage.completion_tokens, cost);
    use_ledger_add(ports->ledger, title->user_id, title->day, model, 0, &usage, cost);
}

static void run_title(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct title_job *title = (struct title_job *)job;
    bool fine = ask_where_allowed(title, ports);
    count(title, ports);
    if (!fine || !store(title, ports))
        log_write(LOG_WARN, "title_not_written", LOG_STR("session_id", title->session_id));
    buf_fini(&title->text);
    free(title->body.text);
    free(title->plain_body.text);
}

/* Who reads the answer is told. */
static void done(struct job *job)
{
    struct title_job *title = (struct title_job *)job;
    struct live *live = title->stored ? live_find(title->relay, title->answer_id) : NULL;
    if (live && !live->mirror) {
        live->session.title = arena_strdup(&live->strings, title->stored);
        live->session.title_source = TITLE_MODEL;
        live_title(live, title->stored);
    }
    free(title->stored);
    free(title);
}

void title_start(struct relay *relay, const struct answer_spec *spec)
{
    struct title_job *title = spec->title.text && relay->settings.titles ? calloc(1, sizeof *title) : NULL;
    if (!title) {
        free(spec->title.text);
        free(spec->plain_title.text);
        return;
    }
    title->job.run = run_title;
    title->job.done = done;
    title->job.loop = &relay->loop;
    title->relay = relay;
    title->body = spec->title;
    title->plain_body = spec->plain_title;
    memcpy(title->answer_id, spec->answer->id, UUID_TEXT_SIZE);
    memcpy(title->session_id, spec->session->id, UUID_TEXT_SIZE);
    memcpy(title->user_id, spec->ticket.user_id, sizeof title->user_id);
    memcpy(title->day, spec->ticket.day, sizeof title->day);
    buf_init(&title->text, TITLE_ANSWER_MAX_BYTES);
    job_pool_submit(relay->settings.titles, &title->job);
}
