#include "upstream/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { WHOLE_MAX_BYTES = 8 << 20 };

static const struct provider *provider_of(const struct question *question)
{
    return question->upstream->settings.provider;
}

static int64_t now_of(const struct question *question)
{
    return question->upstream->settings.loop->now_ms;
}

const struct question_facts *question_facts(const struct question *question)
{
    return &question->facts;
}

const struct buf *question_whole(const struct question *question)
{
    return &question->whole;
}

void question_last(const struct question *question, const struct token_usage *usage, struct buf *out)
{
    provider_of(question)->ops->decoder_last(question->transfer.decoder, usage, out);
}

/* ---- deadlines ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const struct question *question)
{
    const struct provider *provider = provider_of(question);
    int64_t at_ms = question->started_ms + provider->total_timeout_ms;
    if (question->phase == QUESTION_OVER || question->paused) return INT64_MAX; /* paused: its owner is waited for */
    if (question->phase == QUESTION_PAUSING) return sooner(at_ms, question->resume_at_ms);
    if (!question->streamed) return at_ms; /* the first byte of a whole answer comes with its last */
    if (question->phase == QUESTION_ASKING) return sooner(at_ms, question->asked_ms + provider->first_byte_timeout_ms);
    return sooner(at_ms, question->last_data_ms + provider->idle_timeout_ms);
}

/* After whatever brings a deadline forward; one that moves away is looked at again when the timer fires. */
static void arm(struct question *question)
{
    struct timers *timers = &question->upstream->settings.loop->timers;
    int64_t at_ms = deadline(question);
    if (at_ms == INT64_MAX || (question->timer.slot && question->timer.at_ms <= at_ms)) return;
    if (!timer_set(timers, &question->timer, at_ms)) abort();
}

/* ---- the end ---- */

/* Not while libcurl calls. The body goes with the transfer that sends it. */
static void close_transfer(struct question *question)
{
    transfer_close(question->upstream, &question->transfer);
    free(question->body);
    question->body = NULL;
}

static void set_over(struct question *question)
{
    question->phase = QUESTION_OVER;
    question->facts.ending = true;
    retry_forget(question);
    timer_clear(&question->upstream->settings.loop->timers, &question->timer);
}

void question_end(struct question *question, const struct question_end *end)
{
    struct transfer *transfer = &question->transfer;
    set_over(question);
    question->ops->over(question->owner, end);
    if (transfer->decoder) provider_of(question)->ops->decoder_free(transfer->decoder);
    transfer->decoder = NULL;
    /* a connection whose answer is whole may be used again: its own end is awaited */
    if (end->error != CHAT_OK || transfer->over) close_transfer(question);
}

/* What the decoder still holds, and what it has to say in the end. */
static void hear_out(struct question *question)
{
    if (!question->transfer.decoder) return;
    provider_of(question)->ops->decoder_end(question->transfer.decoder, &question->sink, &question->facts.told);
}

void question_stop(struct question *question)
{
    struct upstream *upstream = question->upstream;
    if (question->phase == QUESTION_OVER) return;
    if (!question->facts.ending) hear_out(question);
    set_over(question);
    question->done = false;
    if (upstream->reading == question) upstream->reading = NULL;
    if (upstream->calling)
        loop_at_turn_end(upstream->settings.loop, LOOP_SETTLE, &question->settling);
    else
        close_transfer(question);
}

static void time_out(struct question *question)
{
    bool first_byte = question->phase == QUESTION_ASKING;
    log_write(LOG_WARN, "upstream_timeout", LOG_STR(question->id_name, question->id),
              LOG_STR("phase", first_byte ? "first_byte" : "idle_or_total"));
    question->facts.outcome = BREAKER_FAILURE;
    upstream_count(CHAT_ERR_UPSTREAM_TIMEOUT, false);
    hear_out(question);
    question_end(question, &(struct question_end){.error = CHAT_ERR_UPSTREAM_TIMEOUT,
                                                  .problem = first_byte ? "no first byte in time"
                                                                        : "silent, or too long in all"});
}

/* How it ends is known. */
static void finish(struct question *question)
{
    if (question->error == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED && !question->shown) {
        question_failed(question, &(struct failure){.error = question->error,
                                                    .status = 200,
                                                    .outcome = BREAKER_NEITHER,
                                                    .retry_after_s = -1,
                                                    .problem = question->problem});
        return;
    }
    if (question->error && question->streamed)
        log_write(LOG_WARN, "upstream_stream_broken", LOG_STR(question->id_name, question->id),
                  LOG_STR("code", error_code(question->error)), LOG_STR("problem", question->problem),
                  LOG_INT("curl", question->transfer.over ? (int)question->transfer.result : 0));
    question_end(question, &(struct question_end){.error = question->error,
                                                  .retry_after_s = upstream_retry_after_s(question->error, -1),
                                                  .problem = question->problem});
}

/* At a turn's end, outside of libcurl's callbacks. */
static void settle(struct turn_end *item)
{
    struct question *question = LOOP_OWNER(item, struct question, settling);
    if (question->phase == QUESTION_OVER)
        close_transfer(question);
    else if (question->facts.ending)
        finish(question);
}

/* ---- what the provider's bytes mean ---- */

static void conclude(struct question *question, enum chat_error error, const char *problem)
{
    question->facts.ending = true;
    question->error = question->broken ? CHAT_ERR_UPSTREAM_INVALID_RESPONSE : error;
    question->problem = question->broken ? question->broken : problem;
    upstream_count(question->error, false);
}

/* What is said of the model by the end, where that says more than what came before it. */
static void take_outcome(struct question *question)
{
    if (question->facts.told.outcome != BREAKER_NEITHER) question->facts.outcome = question->facts.told.outcome;
}

/* The decoder has the last word. */
static void conclude_stream(struct question *question)
{
    hear_out(question);
    take_outcome(question);
    conclude(question, question->facts.told.error, question->facts.told.problem);
}

/* Of a stream that is passed on, and in which nothing was wrong: whatever its text, the provider has to have ended it.
 * Without [DONE] a finish_reason is enough where the connection ended as it should: cut off, the other choices of `n`
 * could lack their ends. */
static void conclude_passed(struct question *question, bool finished)
{
    const struct provider_end *told = &question->facts.told;
    hear_out(question);
    finished = finished || (told->finish_reason && question->transfer.result == CURLE_OK);
    question->facts.outcome = finished ? BREAKER_SUCCESS : BREAKER_FAILURE;
    conclude(question, finished ? CHAT_OK : CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
             told->error == CHAT_OK && !finished ? "cut off" : told->problem);
}

static void conclude_whole(struct question *question)
{
    const struct provider *provider = provider_of(question);
    struct provider_end *told = &question->facts.told;
    *told = (struct provider_end){.error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
                                  .outcome = question->whole.failed ? BREAKER_NEITHER : BREAKER_FAILURE,
                                  .usage = USAGE_UNKNOWN,
                                  .problem = "cut, or over its bound"};
    if (question->transfer.result == CURLE_OK && !question->whole.failed)
        provider->ops->whole(provider, &question->whole, told);
    question->facts.outcome = told->outcome;
    conclude(question, told->error, told->problem);
}

/* Within a callback of libcurl. */
static void take_piece(struct question *question, const char *bytes, size_t len)
{
    const struct provider_ops *ops = provider_of(question)->ops;
    struct decoder *decoder = question->transfer.decoder;
    enum chat_error error = ops->decoder_feed(decoder, bytes, len, &question->sink);
    if (question->ops->bytes) question->ops->bytes(question->owner);
    if (question->facts.ending) return; /* stopped */
    question->done = !error && !question->broken && ops->decoder_done(decoder);
    if (question->sink.passed && question->done)
        conclude_passed(question, true);
    else if (error || question->broken || question->done)
        conclude_stream(question);
    else
        return;
    /* the end marker counts, not the end of the connection, which may come later or never */
    loop_at_turn_end(question->upstream->settings.loop, LOOP_SETTLE, &question->settling);
}

/* Whose pieces come now. false: no room for them. */
static bool begin_piece(struct question *question)
{
    struct upstream *upstream = question->upstream;
    if (question->ops->read_done && upstream->reading != question) {
        question_read_done(upstream);
        upstream->reading = question;
    }
    if (!question->ops->room || question->ops->room(question->owner)) return true;
    if (!question->paused) question->paused_ms = now_of(question);
    question->paused = true;
    return false;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *owner)
{
    struct question *question = owner;
    struct transfer *transfer = &question->transfer;
    size_t len = size * count;
    if (question->facts.ending) return question->done ? len : 0;
    if (!begin_piece(question)) return question->facts.ending ? 0 : CURL_WRITEFUNC_PAUSE;
    if (question->facts.ending) return 0; /* stopped */
    if (!transfer->checked) transfer_check(question->upstream, transfer, question->streamed);
    if (question->phase == QUESTION_ASKING) {
        question->phase = QUESTION_RECEIVING;
        question->facts.answered = transfer->is_answer;
        question->last_data_ms = now_of(question);
        arm(question);
    }
    if (!transfer->is_answer) return transfer_keep_refusal(transfer, bytes, len);
    if (!question->streamed) return buf_append(&question->whole, bytes, len) ? len : 0;
    take_piece(question, bytes, len);
    return question->facts.ending && !question->done ? 0 : len;
}

static void on_over(void *owner)
{
    struct question *question = owner;
    if (question->phase == QUESTION_OVER) {
        close_transfer(question);
        return;
    }
    if (!question->facts.ending && !question->facts.answered) {
        struct failure failure = transfer_failure(question->upstream, &question->transfer);
        question->facts.outcome = failure.outcome;
        question->facts.rest_s = failure.retry_after_s;
        question_failed(question, &failure);
        return;
    }
    if (question->facts.ending)
        ;
    else if (!question->streamed)
        conclude_whole(question);
    else if (question->sink.passed)
        conclude_passed(question, false);
    else
        conclude_stream(question);
    finish(question);
}

void question_read_done(struct upstream *upstream)
{
    struct question *question = upstream->reading;
    upstream->reading = NULL;
    if (question) question->ops->read_done(question->owner);
}

/* ---- what its owner says ---- */

void question_fine(struct question *question)
{
    question->shown = true;
    /* what came before the end is shown after it, and the end has the last word */
    if (!question->facts.ending || question->done) question->facts.outcome = BREAKER_SUCCESS;
    retry_trial_passed(question);
}

void question_alive(struct question *question)
{
    question->last_data_ms = now_of(question);
}

void question_break(struct question *question, const char *problem)
{
    if (!question->broken) question->broken = problem;
}

/* libcurl calls on_body for what it holds before curl_easy_pause returns. */
void question_resume(struct question *question)
{
    struct upstream *upstream = question->upstream;
    if (!question->paused || question->phase == QUESTION_OVER || question->transfer.over) return;
    question->paused = false;
    question->started_ms += now_of(question) - question->paused_ms;
    question->last_data_ms = now_of(question);
    upstream->calling = true;
    CURLcode result = curl_easy_pause(question->transfer.easy, CURLPAUSE_CONT);
    question_read_done(upstream);
    upstream->calling = false;
    if (result != CURLE_OK && !question->facts.ending) {
        hear_out(question);
        question->facts.ending = true;
        question->error = CHAT_ERR_UPSTREAM_ERROR;
        question->problem = question->facts.told.problem;
        loop_at_turn_end(upstream->settings.loop, LOOP_SETTLE, &question->settling);
    }
    arm(question);
}

/* ---- its life ---- */

static void ask(struct question *question)
{
    struct upstream *upstream = question->upstream;
    const struct transfer_spec spec = {.body = question->body,
                                       .body_len = question->facts.body_len,
                                       .trace = question->trace,
                                       .id_name = question->id_name,
                                       .id = question->id,
                                       .owner = question,
                                       .on_body = on_body,
                                       .on_over = on_over};
    question->phase = QUESTION_ASKING;
    question->asked_ms = now_of(question);
    question->shown = question->facts.answered = false;
    question->facts.tries++;
    metrics_add(&metrics->counters.upstream_requests, 1);
    warm_asked(upstream);
    if (!transfer_ask(upstream, &question->transfer, &spec))
        question_end(question, &(struct question_end){.error = CHAT_ERR_OVERLOADED});
    arm(question);
}

void question_ask(struct question *question)
{
    question->started_ms = now_of(question);
    ask(question);
}

void question_pause(struct question *question, int64_t wait_ms)
{
    question->phase = QUESTION_PAUSING;
    question->facts.ending = question->done = question->paused = false;
    question->broken = NULL;
    question->resume_at_ms = wait_ms < 0 ? INT64_MAX : now_of(question) + wait_ms;
    arm(question);
}

static void on_timer(void *owner)
{
    struct question *question = owner;
    if (question->facts.ending) return;
    if (question->phase == QUESTION_PAUSING && now_of(question) >= question->resume_at_ms)
        ask(question);
    else if (now_of(question) >= deadline(question))
        time_out(question);
    else
        arm(question);
}

struct question *question_new(struct upstream *upstream, const struct question_spec *spec)
{
    struct question *question = malloc(sizeof *question);
    if (!question) abort();
    *question = (struct question){.upstream = upstream,
                                  .ops = spec->ops,
                                  .owner = spec->owner,
                                  .sink = spec->sink,
                                  .streamed = spec->streamed,
                                  .body = spec->body,
                                  .cut = spec->cut,
                                  .trace = spec->trace,
                                  .id_name = spec->id_name,
                                  .id = spec->id,
                                  .timer = {.owner = question, .fire = on_timer},
                                  .settling.run = settle};
    question->facts = (struct question_facts){.model = spec->model,
                                              .body_len = spec->body_len,
                                              .told.usage = USAGE_UNKNOWN,
                                              .breaker = spec->breaker,
                                              .outcome = BREAKER_NEITHER};
    buf_init(&question->whole, WHOLE_MAX_BYTES);
    const char *model = spec->breaker.model; /* the fallback's, maybe */
    if (model && strcmp(model, spec->model) != 0 && !retry_change_model(question, model))
        abort(); /* out of memory: the gate has found the name */
    return question;
}

void question_free(struct question *question)
{
    if (!question) return;
    assert(!question->settling.due);
    retry_forget(question);
    timer_clear(&question->upstream->settings.loop->timers, &question->timer);
    close_transfer(question);
    buf_fini(&question->whole);
    free(question);
}
