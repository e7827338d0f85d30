#include "upstream/question.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "upstream/retry.h"
#include "upstream/tally.h"
#include "upstream/warm.h"

enum { WHOLE_MAX_BYTES = 8 << 20 };

enum question_phase {
    QUESTION_PAUSING,   /* before a try: until resume_at_ms */
    QUESTION_ASKING,    /* request sent, nothing of the body yet */
    QUESTION_RECEIVING, /* body bytes have come */
    QUESTION_OVER,
};

struct question {
    const struct question_ops *ops;
    void *owner;
    struct delta_sink sink;
    struct tries tries;
    struct transfer transfer; /* of the newest try */
    struct timer timer;
    struct turn_end settling; /* what had to wait for the reading to end */
    enum question_phase phase;
    bool streamed;
    bool shown;            /* question_fine was called in this try */
    bool paused;           /* nothing is read until question_resume */
    bool done;             /* the end marker has come: what follows is dropped, so that the connection serves again */
    enum chat_error error; /* how it ends, once facts.ending is set */
    const char *problem;   /* the same, for the log; static, NULL */
    const char *broken;    /* why the owner can't use what came (question_break); NULL */
    struct buf whole;      /* not streamed: the answer's body */
    const struct trace *trace;
    int64_t started_ms, asked_ms, resume_at_ms, last_data_ms, paused_ms;
};

static struct upstream *upstream_of(const struct question *question)
{
    return question->tries.upstream;
}

static const struct provider *provider_of(const struct question *question)
{
    return upstream_of(question)->settings.provider;
}

static int64_t now_of(const struct question *question)
{
    return upstream_of(question)->settings.loop->now_ms;
}

const struct question_facts *question_facts(const struct question *question)
{
    return &question->tries.facts;
}

const struct buf *question_whole(const struct question *question)
{
    return &question->whole;
}

void question_last(const struct question *question, const struct token_usage *usage, struct buf *out)
{
    provider_decoder_last(provider_of(question), question->transfer.decoder, usage, out);
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
    struct timers *timers = &upstream_of(question)->settings.loop->timers;
    int64_t at_ms = deadline(question);
    if (at_ms == INT64_MAX || (question->timer.slot && question->timer.at_ms <= at_ms)) return;
    if (!timer_set(timers, &question->timer, at_ms)) abort();
}

/* ---- the end ---- */

/* Not within a reading. The body goes with the transfer, which sends it. */
static void close_transfer(struct question *question)
{
    transfer_close(&question->transfer);
    free(question->tries.body);
    question->tries.body = NULL;
}

static void set_over(struct question *question)
{
    question->phase = QUESTION_OVER;
    question->tries.facts.ending = true;
    retry_forget(&question->tries);
    timer_clear(&upstream_of(question)->settings.loop->timers, &question->timer);
}

/* Ends it, and says so. */
static void end_as(struct question *question, const struct question_end *end)
{
    struct transfer *transfer = &question->transfer;
    set_over(question);
    question->ops->over(question->owner, end);
    if (transfer->decoder) provider_decoder_free(provider_of(question), transfer->decoder);
    transfer->decoder = NULL;
    /* a connection whose answer is whole may be used again: its own end is awaited */
    if (end->error != CHAT_OK || transfer->phase == TRANSFER_OVER) close_transfer(question);
}

/* What the decoder still holds, and what it has to say in the end. */
static void hear_out(struct question *question)
{
    if (!question->transfer.decoder) return;
    provider_decoder_end(provider_of(question), question->transfer.decoder, &question->sink,
                         &question->tries.facts.told);
}

void question_stop(struct question *question)
{
    if (question->phase == QUESTION_OVER) return;
    if (!question->tries.facts.ending) hear_out(question);
    set_over(question);
    question->done = false;
    if (question->transfer.reading)
        loop_at_turn_end(upstream_of(question)->settings.loop, LOOP_SETTLE, &question->settling);
    else
        close_transfer(question);
}

static void time_out(struct question *question)
{
    bool first_byte = question->phase == QUESTION_ASKING;
    log_write(LOG_WARN, "upstream_timeout", LOG_STR(question->tries.id_name, question->tries.id),
              LOG_STR("phase", first_byte ? "first_byte" : "idle_or_total"));
    tally_failure(CHAT_ERR_UPSTREAM_TIMEOUT, false);
    hear_out(question);
    question->tries.facts.outcome = BREAKER_FAILURE; /* whatever text came with it */
    end_as(question,
           &(struct question_end){.error = CHAT_ERR_UPSTREAM_TIMEOUT,
                                  .problem = first_byte ? "no first byte in time" : "silent, or too long in all"});
}

static void end_failed(struct question *question, const struct failure *failure)
{
    static const char account[] = "The model provider refuses this service's key or account: its operator has to act.";
    end_as(question,
           &(struct question_end){.error = failure->error,
                                  .status = failure->status,
                                  .reason = failure->reason,
                                  .retry_after_s = tally_retry_after_s(failure->error, failure->retry_after_s),
                                  .account_refused = failure->account,
                                  .says = failure->account ? account : NULL,
                                  .problem = failure->problem});
}

/* Asks once more after wait_ms, or as RETRY_NEVER and RETRY_WHEN_CHANGED say (retry.h). */
static void go_on(struct question *question, const struct failure *failure, int64_t wait_ms)
{
    if (wait_ms == RETRY_NEVER) {
        end_failed(question, failure);
        return;
    }
    question->phase = QUESTION_PAUSING;
    question->tries.facts.ending = question->done = question->paused = false;
    question->broken = NULL;
    question->resume_at_ms = wait_ms == RETRY_WHEN_CHANGED ? INT64_MAX : now_of(question) + wait_ms;
    arm(question);
}

static void on_changed(struct tries *tries, const struct failure *failure, int64_t wait_ms)
{
    go_on(LOOP_OWNER(tries, struct question, tries), failure, wait_ms);
}

/* A try has failed and nothing was shown. */
static void fail_or_retry(struct question *question, const struct failure *failure)
{
    transfer_close(&question->transfer);
    go_on(question, failure, retry_next_try(&question->tries, failure));
}

/* The question has come to an end that is known: ends it, or asks a shorter one. Not within a reading. */
static void finish(struct question *question)
{
    if (question->error == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED && !question->shown) {
        fail_or_retry(question, &(struct failure){.error = question->error,
                                                  .status = 200,
                                                  .outcome = BREAKER_NEITHER,
                                                  .retry_after_s = -1,
                                                  .problem = question->problem});
        return;
    }
    if (question->error && question->streamed)
        log_write(LOG_WARN, "upstream_stream_broken", LOG_STR(question->tries.id_name, question->tries.id),
                  LOG_STR("code", error_code(question->error)), LOG_STR("problem", question->problem),
                  LOG_INT("curl", question->transfer.phase == TRANSFER_OVER ? (int)question->transfer.result : 0));
    end_as(question, &(struct question_end){.error = question->error,
                                            .retry_after_s = tally_retry_after_s(question->error, -1),
                                            .problem = question->problem});
}

/* At a turn's end. */
static void settle(struct turn_end *item)
{
    struct question *question = LOOP_OWNER(item, struct question, settling);
    if (question->phase == QUESTION_OVER)
        close_transfer(question);
    else if (question->tries.facts.ending)
        finish(question);
}

/* ---- what the provider's bytes mean ---- */

static void conclude(struct question *question, enum chat_error error, const char *problem)
{
    question->tries.facts.ending = true;
    question->error = question->broken ? CHAT_ERR_UPSTREAM_INVALID_RESPONSE : error;
    question->problem = question->broken ? question->broken : problem;
    tally_failure(question->error, false);
}

/* If the stream's end says something of the model, that is what the breaker hears. */
static void take_outcome(struct question *question)
{
    if (question->tries.facts.told.outcome != BREAKER_NEITHER)
        question->tries.facts.outcome = question->tries.facts.told.outcome;
}

/* The decoder has the last word. */
static void conclude_stream(struct question *question)
{
    hear_out(question);
    take_outcome(question);
    conclude(question, question->tries.facts.told.error, question->tries.facts.told.problem);
}

/* Of a stream that is passed on, and in which nothing was wrong: whatever its text, the provider has to have ended it.
 * Without [DONE] a finish_reason is enough where the connection ended as it should: cut off, the other choices of `n`
 * could lack their ends. */
static void conclude_passed(struct question *question, bool finished)
{
    const struct provider_end *told = &question->tries.facts.told;
    hear_out(question);
    finished = finished || (told->finish_reason && question->transfer.result == CURLE_OK);
    question->tries.facts.outcome = finished ? BREAKER_SUCCESS : BREAKER_FAILURE;
    conclude(question, finished ? CHAT_OK : CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
             told->error == CHAT_OK && !finished ? "cut off" : told->problem);
}

static void conclude_whole(struct question *question)
{
    const struct provider *provider = provider_of(question);
    struct provider_end *told = &question->tries.facts.told;
    *told = (struct provider_end){.error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
                                  .outcome = question->whole.failed ? BREAKER_NEITHER : BREAKER_FAILURE,
                                  .usage = USAGE_UNKNOWN,
                                  .problem = "cut, or over its bound"};
    if (question->transfer.result == CURLE_OK && !question->whole.failed)
        provider_whole(provider, &question->whole, told);
    question->tries.facts.outcome = told->outcome;
    conclude(question, told->error, told->problem);
}

/* Within a reading. */
static void take_piece(struct question *question, const char *bytes, size_t len)
{
    const struct provider *provider = provider_of(question);
    struct decoder *decoder = question->transfer.decoder;
    enum chat_error error = provider_decoder_feed(provider, decoder, bytes, len, &question->sink);
    if (question->ops->bytes) question->ops->bytes(question->owner);
    if (question->tries.facts.ending) return; /* stopped */
    question->done = !error && !question->broken && provider_decoder_done(provider, decoder);
    if (question->sink.passed && question->done)
        conclude_passed(question, true);
    else if (error || question->broken || question->done)
        conclude_stream(question);
    else
        return;
    /* the end marker counts, not the end of the connection, which may come later or never */
    loop_at_turn_end(upstream_of(question)->settings.loop, LOOP_SETTLE, &question->settling);
}

static void read_done(void *owner)
{
    struct question *question = owner;
    if (question->ops->read_done) question->ops->read_done(question->owner);
}

/* Of what follows the end marker nothing is shown. */
static bool room(void *owner)
{
    struct question *question = owner;
    if (question->tries.facts.ending || !question->ops->room || question->ops->room(question->owner)) return true;
    if (question->tries.facts.ending) return true; /* stopped */
    question->paused_ms = now_of(question);
    question->paused = true;
    return false;
}

static void begin_receiving(struct question *question)
{
    question->phase = QUESTION_RECEIVING;
    question->tries.facts.answered = question->transfer.is_answer;
    question->last_data_ms = now_of(question);
    arm(question);
}

static enum piece on_body(void *owner, const char *bytes, size_t len)
{
    struct question *question = owner;
    struct transfer *transfer = &question->transfer;
    if (question->tries.facts.ending) return question->done ? PIECE_TAKEN : PIECE_ENOUGH;
    if (!transfer->checked) transfer_check(transfer, question->streamed);
    if (question->phase == QUESTION_ASKING) begin_receiving(question);
    if (!transfer->is_answer) return transfer_keep_refusal(transfer, bytes, len);
    if (!question->streamed) return buf_append(&question->whole, bytes, len) ? PIECE_TAKEN : PIECE_ENOUGH;
    take_piece(question, bytes, len);
    return question->tries.facts.ending && !question->done ? PIECE_ENOUGH : PIECE_TAKEN;
}

/* The connection is over; of a stream no end marker has come. */
static void conclude_over(struct question *question)
{
    if (!question->streamed)
        conclude_whole(question);
    else if (question->sink.passed)
        conclude_passed(question, false);
    else
        conclude_stream(question);
}

static void on_over(void *owner)
{
    struct question *question = owner;
    if (question->phase == QUESTION_OVER) {
        close_transfer(question);
        return;
    }
    if (!question->tries.facts.ending && !question->tries.facts.answered) {
        struct failure failure = transfer_failure(&question->transfer);
        question->tries.facts.outcome = failure.outcome;
        question->tries.facts.rest_s = failure.retry_after_s;
        fail_or_retry(question, &failure);
        return;
    }
    if (!question->tries.facts.ending) conclude_over(question);
    finish(question);
}

/* ---- what its owner says ---- */

/* The body of a request that is sent, and that no try will send again. */
static void release_body(struct question *question)
{
    if (!question->tries.body || !transfer_is_sent(&question->transfer)) return;
    free(question->tries.body);
    question->tries.body = NULL;
}

void question_fine(struct question *question)
{
    question->shown = true;
    release_body(question);
    /* what came before the end is shown after it, and the end has the last word */
    if (!question->tries.facts.ending || question->done) question->tries.facts.outcome = BREAKER_SUCCESS;
    retry_trial_passed(&question->tries);
}

void question_alive(struct question *question)
{
    question->last_data_ms = now_of(question);
}

void question_break(struct question *question, const char *problem)
{
    if (!question->broken) question->broken = problem;
}

void question_resume(struct question *question)
{
    if (!question->paused || question->phase == QUESTION_OVER || question->transfer.phase == TRANSFER_OVER) return;
    question->paused = false;
    question->started_ms += now_of(question) - question->paused_ms;
    question->last_data_ms = now_of(question);
    transfer_resume(&question->transfer);
    arm(question);
}

/* ---- its life ---- */

static void ask(struct question *question)
{
    struct upstream *upstream = upstream_of(question);
    const struct transfer_spec spec = {.method = "POST",
                                       .target = upstream->completions_target,
                                       .body = question->tries.body,
                                       .body_len = question->tries.facts.body_len,
                                       .trace = question->trace,
                                       .id_name = question->tries.id_name,
                                       .id = question->tries.id,
                                       .owner = question,
                                       .room = room,
                                       .on_body = on_body,
                                       .read_done = read_done,
                                       .on_over = on_over};
    question->phase = QUESTION_ASKING;
    question->asked_ms = now_of(question);
    question->shown = question->tries.facts.answered = false;
    question->tries.facts.tries++;
    metrics_add(&metrics->counters.upstream_requests, 1);
    warm_asked(upstream);
    if (!transfer_ask(upstream, &question->transfer, &spec))
        end_as(question, &(struct question_end){.error = CHAT_ERR_OVERLOADED});
    arm(question);
}

void question_ask(struct question *question)
{
    question->started_ms = now_of(question);
    ask(question);
}

static void on_timer(void *owner)
{
    struct question *question = owner;
    if (question->tries.facts.ending) return;
    if (question->phase == QUESTION_PAUSING && now_of(question) >= question->resume_at_ms)
        ask(question);
    else if (now_of(question) >= deadline(question))
        time_out(question);
    else
        arm(question);
}

struct question *question_new(struct upstream *upstream, const struct question_spec *spec)
{
    struct question *question = must_calloc(1, sizeof *question);
    *question = (struct question){.ops = spec->ops,
                                  .owner = spec->owner,
                                  .sink = spec->sink,
                                  .streamed = spec->streamed,
                                  .trace = spec->trace,
                                  .tries = {.upstream = upstream,
                                            .body = spec->body,
                                            .cut = spec->cut,
                                            .id_name = spec->id_name,
                                            .id = spec->id,
                                            .changed = on_changed},
                                  .timer = {.owner = question, .fire = on_timer},
                                  .settling.run = settle};
    question->tries.facts = (struct question_facts){.model = spec->model,
                                                    .body_len = spec->body_len,
                                                    .told.usage = USAGE_UNKNOWN,
                                                    .breaker = spec->breaker,
                                                    .outcome = BREAKER_NEITHER};
    buf_init(&question->whole, WHOLE_MAX_BYTES);
    const char *model = spec->breaker.model; /* the fallback's, maybe */
    if (model && strcmp(model, spec->model) != 0 && !retry_change_model(&question->tries, model))
        abort(); /* out of memory: the gate has found the name */
    return question;
}

void question_free(struct question *question)
{
    if (!question) return;
    assert(!question->settling.due);
    retry_forget(&question->tries);
    timer_clear(&upstream_of(question)->settings.loop->timers, &question->timer);
    close_transfer(question);
    buf_fini(&question->whole);
    free(question);
}
