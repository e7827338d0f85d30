/*
 * A completion, passed through: what the decoder has found sound goes to the client, event by event; a broken one never
 * does. Nothing is stored. A client that leaves ends it at once.
 */
#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "usecases/leave_place.h"
#include "usecases/use_ledger.h"

enum {
    COMMENT_MS = 15000,       /* of silence */
    SHOW_BYTES = 32 << 10,    /* of what one call of curl brings; so much is sent before more is looked at */
    PAUSE_BYTES = 64 << 10,   /* wait for the client: the provider is not read on */
    RESUME_BYTES = 16 << 10,  /* and from here on again */
    TELL_AT_LATEST_MS = 2000, /* the client doesn't wait longer for its lease to end */
    FRAME_MAX_BYTES = 512 << 10,
    WHOLE_MAX_BYTES = 8 << 20,
    SETTLE_TRIES_MAX = 10,
    SETTLE_RETRY_MS = 1000,
};

enum pass_phase {
    PASS_PAUSING, /* before another try */
    PASS_ASKING,  /* request sent, nothing of the body yet */
    PASS_RECEIVING,
    PASS_ENDING, /* the provider is done with; the lease ends, then the client is told */
};

struct pass {
    struct job job; /* first: the settling job */
    struct post post;
    struct watch *watch; /* on the client; NULL once it is let go */
    struct pass *next, *previous;
    struct turn_end breaking, burial;
    struct relay *relay;
    enum pass_phase phase;
    struct completion_client *client;
    struct transfer transfer;
    struct timer timer;
    struct arena strings;
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    enum breaker_outcome outcome; /* what this one says of its model, so far */
    int64_t rest_s;               /* of BREAKER_BUSY */
    struct upstream_change change;
    const char *request_id;
    struct trace trace;
    struct upstream_ask ask;
    bool stream;

    struct buf frame; /* the last ones; not streamed: the whole body */
    struct passed passed;
    size_t text_bytes, other_bytes; /* of all choices, for the estimate; the second by the decoder */
    bool opened;                    /* the client has got bytes */
    bool broken;                    /* it is ended at the turn's end, outside of curl's callbacks */
    bool whole;                     /* [DONE] has come */
    bool blocked;                   /* bytes wait for the client */
    bool lagging;                   /* so many that the provider has to wait too */
    bool paused;                    /* curl doesn't read on: its next piece came while lagging */
    enum chat_error broken_error, error;
    bool client_left;
    bool account_refused;
    struct token_usage usage;
    bool tokens_estimated;
    bool took_tokens; /* the provider says so itself */
    const char *problem;
    const char *says, *param; /* to the client, in place of the code's own words; NULL */
    const char *finish_reason;
    int settle_tries;
    int64_t started_ms, asked_ms, resume_at_ms, shown_ms, settle_at_ms;
    struct patience patience; /* while blocked */
    int64_t paused_ms;        /* since when */
    int64_t ended_ms, retry_after_s;
    bool told, gone;
    bool settle_running; /* a job has it: settled and stand are the job's */
    bool settled;
    struct settled stand; /* where the user stands then */
};

struct client_watch {
    struct watch watch; /* first */
    struct pass *pass;
};

/* ---- making ---- */

static void run_settle(struct job *job, const void *context);
static void settled(struct job *job);
static void end_broken(struct turn_end *item);
static void free_buried(struct turn_end *item);
static void on_timer(void *owner);
static bool on_changed(void *owner, const struct breaker_ticket *taken);

static struct pass *make(struct relay *relay, const struct completion_spec *spec, struct completion_client *client)
{
    struct pass *pass = calloc(1, sizeof *pass);
    if (!pass) abort();
    pass->job = (struct job){.run = run_settle, .done = settled, .loop = &relay->loop};
    pass->breaking.run = end_broken;
    pass->burial.run = free_buried;
    pass->timer.owner = pass;
    pass->timer.fire = on_timer;
    pass->relay = relay;
    pass->client = client;
    arena_init_small(&pass->strings);
    pass->ticket = spec->ticket;
    pass->breaker = spec->breaker;
    pass->outcome = BREAKER_NEITHER;
    pass->change = (struct upstream_change){.owner = pass, .on_changed = on_changed};
    pass->request_id = arena_strdup(&pass->strings, spec->request_id);
    pass->trace = spec->trace;
    pass->ask = (struct upstream_ask){
        .body = spec->body, .body_len = spec->body_len, .model = arena_strdup(&pass->strings, spec->model)};
    if (spec->breaker.model && strcmp(spec->breaker.model, spec->model) != 0 && /* the fallback */
        !upstream_change_model(relay, spec->breaker.model, &pass->ask))
        abort(); /* out of memory: the gate has found the name */
    pass->stream = spec->stream;
    pass->passed = (struct passed){.out = &relay->shown, .usage = spec->usage};
    pass->usage = (struct token_usage)USAGE_UNKNOWN;
    buf_init(&pass->frame, pass->stream ? FRAME_MAX_BYTES : WHOLE_MAX_BYTES);
    return pass;
}

static void set_subject(const struct pass *pass, struct log_subject *subject)
{
    *subject = (struct log_subject){.request_id = pass->request_id,
                                    .trace_id = pass->trace.trace_id,
                                    .span_id = pass->trace.span_id,
                                    .user_id = pass->ticket.user_id};
    log_set_subject(subject);
}

/* ---- the end ---- */

static void arm(struct pass *pass);

static void let_client_go(struct pass *pass)
{
    if (!pass->client) return;
    loop_unwatch(&pass->relay->loop, pass->watch);
    pass->watch = NULL;
    pass->client->ops->close(pass->client);
    pass->client = NULL;
}

static void count_text(void *context, const char *text, size_t len)
{
    struct pass *pass = context;
    (void)text;
    pass->text_bytes += len;
}

static void count_usage(struct pass *pass)
{
    struct token_usage *usage = &pass->usage;
    if (!pass->transfer.is_answer) return;
    pass->tokens_estimated = usage->prompt_tokens < 0 || usage->completion_tokens < 0;
    if (usage->prompt_tokens < 0) usage->prompt_tokens = (int64_t)(pass->ask.body_len + 2) / 3;
    if (usage->completion_tokens < 0)
        usage->completion_tokens = (int64_t)(pass->text_bytes + pass->other_bytes + 3) / 4;
}

/* What goes out with the end of a stream that is whole. */
static void compose_last(struct pass *pass)
{
    const struct provider_ops *ops = pass->relay->settings.provider->ops;
    buf_reset(&pass->frame);
    if (pass->passed.usage) ops->decoder_last(pass->transfer.decoder, &pass->usage, &pass->frame);
    buf_append_str(&pass->frame, "data: [DONE]\n\n");
}

/* On a job thread: the lease ends, the day's unit goes back where nothing was shown. */
static void run_settle(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct pass *pass = (struct pass *)job;
    struct log_subject subject;
    set_subject(pass, &subject);
    bool refund = pass->error != CHAT_OK && !pass->opened && !pass->client_left && !pass->took_tokens;
    struct leaving leaving = {&pass->ticket, &pass->breaker, pass->outcome, pass->rest_s, pass->settle_tries > 0};
    pass->settled = leave_place(ports, &leaving, refund, &pass->stand) == CHAT_OK;
    if (pass->settle_tries++ == 0) {
        int64_t cost = cost_micro_usd(ports->prices, pass->ask.model, &pass->usage);
        metrics_add(&metrics->counters.completions[pass->client_left ? COMPLETIONS_CLIENT_LEFT
                                                   : pass->error     ? COMPLETIONS_FAILED
                                                                     : COMPLETIONS_OK],
                    1);
        metrics_usage(pass->ask.model, pass->usage.prompt_tokens, pass->usage.completion_tokens, cost);
        use_ledger_add(ports->ledger, pass->ticket.user_id, pass->ticket.day, pass->ask.model, 1, &pass->usage, cost);
        log_write(pass->error ? LOG_WARN : LOG_INFO, "completion_ended", LOG_STR("model", pass->ask.model),
                  LOG_STR("code", pass->error ? error_code(pass->error) : NULL), LOG_STR("problem", pass->problem),
                  LOG_BOOL("stream", pass->stream), LOG_BOOL("client_left", pass->client_left),
                  LOG_INT("prompt_tokens", pass->usage.prompt_tokens),
                  LOG_INT("cached_tokens", pass->usage.cached_tokens),
                  LOG_INT("completion_tokens", pass->usage.completion_tokens),
                  LOG_BOOL("tokens_estimated", pass->tokens_estimated), LOG_INT("cost_micro_usd", cost),
                  LOG_INT("tries", pass->ask.count));
    }
    if (!pass->settled && pass->settle_tries >= SETTLE_TRIES_MAX) {
        log_write(LOG_ERROR, "completion_not_settled", LOG_BOOL("refund", refund));
        pass->settled = true;
    }
    log_set_subject(NULL);
}

static void settle(struct pass *pass)
{
    pass->settle_running = true;
    job_pool_submit(pass->relay->jobs, &pass->job);
}

static void take_out(struct pass *pass)
{
    struct relay *relay = pass->relay;
    pass->gone = true;
    metrics_move(&metrics->gauges.completions_live, -1);
    if (pass->previous)
        pass->previous->next = pass->next;
    else
        relay->passes = pass->next;
    if (pass->next) pass->next->previous = pass->previous;
    timer_clear(&relay->loop.timers, &pass->timer);
}

static void bury_if_over(struct pass *pass)
{
    if (pass->gone || pass->phase < PASS_ENDING || pass->client || pass->settle_running || !pass->settled) return;
    if (pass->change.under_way) return;
    take_out(pass);
    loop_at_turn_end(&pass->relay->loop, LOOP_FREE, &pass->burial);
}

/* What the decoder has to say in the end. */
static struct provider_end take_end(struct pass *pass)
{
    struct delta_sink sink = {.content = count_text, .reasoning = count_text, .context = pass};
    struct provider_end told;
    pass->relay->settings.provider->ops->decoder_end(pass->transfer.decoder, &sink, &told);
    pass->usage = told.usage;
    pass->took_tokens = message_took_tokens(&told.usage);
    pass->other_bytes = told.other_bytes;
    pass->finish_reason = told.finish_reason;
    if (!pass->problem && told.error != CHAT_OK) pass->problem = told.problem;
    return told;
}

/* What is said of the model by the end, where that says more than what came before it. */
static void take_outcome(struct pass *pass, enum breaker_outcome outcome)
{
    if (outcome != BREAKER_NEITHER) pass->outcome = outcome;
}

/* From here on the client is looked at: it may take its time as long as it takes something. */
static void set_blocked(struct pass *pass)
{
    if (pass->blocked) return;
    pass->blocked = true;
    patience_begin(&pass->patience, pass->relay->loop.now_ms);
    pass->client->ops->took(pass->client);
    loop_watch(&pass->relay->loop, pass->watch, EPOLLRDHUP | EPOLLOUT);
    arm(pass);
}

/* What ends it for the client. */
static void tell(struct pass *pass)
{
    if (pass->told || !pass->client) return;
    pass->told = true;
    const struct problem problem = {.error = pass->error,
                                    .message = pass->says,
                                    .param = pass->param,
                                    .retry_after_s = pass->retry_after_s,
                                    .tried_out = pass->ask.count > 1,
                                    .account_refused = pass->account_refused,
                                    .finish_reason = pass->finish_reason};
    enum listener_state state = LISTENER_READY;
    /* told at the latest moment, while the job still settles: what it writes isn't looked at */
    const struct quota *quota = !pass->settle_running && pass->stand.known ? &pass->stand.quota : NULL;
    if (pass->error == CHAT_OK && pass->stream) {
        pass->client->ops->cork(pass->client);
        state = pass->client->ops->frames(pass->client, pass->frame.data, pass->frame.len);
    } else if (pass->error == CHAT_OK)
        state = pass->client->ops->whole(pass->client, pass->frame.data, pass->frame.len);
    if (state != LISTENER_GONE) state = pass->client->ops->end(pass->client, &problem, quota, &pass->relay->scratch);
    if (state == LISTENER_BLOCKED)
        set_blocked(pass);
    else
        let_client_go(pass);
}

static void settled(struct job *job)
{
    struct pass *pass = (struct pass *)job;
    pass->settle_running = false;
    pass->settle_at_ms = pass->relay->loop.now_ms + SETTLE_RETRY_MS;
    if (pass->settled) tell(pass);
    bury_if_over(pass);
    arm(pass);
}

/* The provider is done with; never within a callback of curl. The client is told once the lease has ended. */
static void end(struct pass *pass, enum chat_error error, int64_t retry_after_s)
{
    struct relay *relay = pass->relay;
    if (pass->phase >= PASS_ENDING) return;
    if (pass->transfer.decoder) take_end(pass);
    bool empty = error == CHAT_OK && pass->stream && !pass->opened && !pass->client_left;
    pass->phase = PASS_ENDING;
    pass->error = empty ? CHAT_ERR_UPSTREAM_INVALID_RESPONSE : error;
    if (empty) pass->outcome = BREAKER_SUCCESS; /* it ended as it should */
    pass->retry_after_s = upstream_retry_after_s(pass->error, retry_after_s);
    pass->ended_ms = pass->relay->loop.now_ms;
    count_usage(pass);
    if (pass->error == CHAT_OK && pass->stream && !pass->client_left) compose_last(pass);
    /* a connection whose answer is whole may be used again: its own end is awaited */
    if (pass->error != CHAT_OK || pass->client_left) upstream_close(relay, &pass->transfer);
    settle(pass);
    if (pass->client_left) let_client_go(pass);
    arm(pass);
}

static void leave(struct pass *pass)
{
    if (pass->phase < PASS_ENDING) pass->client_left = true;
    end(pass, CHAT_OK, 0);
    let_client_go(pass);
    bury_if_over(pass);
}

/* To be ended later in this turn. */
static void break_off(struct pass *pass, enum chat_error error, bool client_left)
{
    if (pass->broken) return;
    pass->broken = true;
    pass->broken_error = error;
    pass->client_left = client_left;
    loop_at_turn_end(&pass->relay->loop, LOOP_SETTLE, &pass->breaking);
}

static void end_broken(struct turn_end *item)
{
    struct pass *pass = LOOP_OWNER(item, struct pass, breaking);
    end(pass, pass->broken_error, 0);
    bury_if_over(pass);
}

/* ---- the client ---- */

static void take_state(struct pass *pass, enum listener_state state)
{
    if (state == LISTENER_GONE)
        break_off(pass, CHAT_OK, true);
    else if (state == LISTENER_BLOCKED) {
        set_blocked(pass);
        pass->lagging = pass->lagging || pass->client->ops->pending(pass->client) >= PAUSE_BYTES;
    }
}

/* curl calls on_body for what it holds before this returns; so never within a callback of curl. The time that the
 * provider was not read is the client's: no limit of the provider's counts it. */
static void resume(struct pass *pass)
{
    struct relay *relay = pass->relay;
    pass->lagging = false;
    if (!pass->paused || pass->phase >= PASS_ENDING || pass->transfer.over) return;
    pass->paused = false;
    pass->started_ms += relay->loop.now_ms - pass->paused_ms;
    pass->transfer.last_data_ms = relay->loop.now_ms;
    CURLcode result = curl_easy_pause(pass->transfer.easy, CURLPAUSE_CONT);
    pass_show(relay);
    if (result != CURLE_OK && !pass->broken) break_off(pass, CHAT_ERR_UPSTREAM_ERROR, false);
    arm(pass);
}

static void on_client(struct watch *watch, uint32_t events)
{
    struct pass *pass = ((struct client_watch *)watch)->pass;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        leave(pass);
        return;
    }
    if (!(events & EPOLLOUT)) return;
    enum listener_state state = pass->client->ops->writable(pass->client);
    if (state == LISTENER_GONE) {
        leave(pass);
        return;
    }
    if (pass->client->ops->took(pass->client)) patience_begin(&pass->patience, pass->relay->loop.now_ms);
    if (state == LISTENER_READY) {
        pass->blocked = false;
        loop_watch(&pass->relay->loop, watch, EPOLLRDHUP);
    }
    if (state == LISTENER_READY && pass->told) {
        let_client_go(pass);
        bury_if_over(pass);
    } else if (pass->lagging && pass->client->ops->pending(pass->client) <= RESUME_BYTES)
        resume(pass);
}

/* ---- the provider's bytes ---- */

/* libcurl calls on_body for each chunk of the framing; what one reading of the socket brought is sent in one piece. */
void pass_show(struct relay *relay)
{
    struct pass *pass = relay->showing;
    const struct buf *out = &relay->shown;
    relay->showing = NULL;
    if (!pass || (out->len == 0 && !out->failed)) return;
    if (out->failed) {
        break_off(pass, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, false);
        return;
    }
    bool first = !pass->opened;
    pass->opened = true;
    if (!pass->broken || pass->whole) pass->outcome = BREAKER_SUCCESS;
    upstream_trial_passed(relay, &pass->breaker);
    pass->shown_ms = relay->loop.now_ms;
    if (first) arm(pass); /* from here on silence is bridged */
    take_state(pass, pass->client->ops->frames(pass->client, out->data, out->len));
}

static void take_stream(struct pass *pass, const char *bytes, size_t len)
{
    struct relay *relay = pass->relay;
    const struct provider_ops *ops = relay->settings.provider->ops;
    struct delta_sink sink = {.content = count_text, .reasoning = count_text, .context = pass, .passed = &pass->passed};
    if (relay->showing != pass) {
        pass_show(relay);
        relay->showing = pass;
        buf_reset(&relay->shown);
    }
    enum chat_error error = ops->decoder_feed(pass->transfer.decoder, bytes, len, &sink);
    if (pass->passed.events) pass->transfer.last_data_ms = relay->loop.now_ms; /* comments count for nothing */
    metrics_add(&metrics->counters.chunks, pass->passed.events);
    pass->passed.events = 0;
    if (error != CHAT_OK) {
        take_outcome(pass, take_end(pass).outcome);
        upstream_count(error, false);
        break_off(pass, error, false);
    } else if (ops->decoder_done(pass->transfer.decoder)) {
        pass->whole = true;
        break_off(pass, CHAT_OK, false);
    }
}

static size_t on_body(char *bytes, size_t size, size_t count, void *owner)
{
    struct pass *pass = owner;
    struct transfer *transfer = &pass->transfer;
    size_t len = size * count;
    if (pass->broken || pass->phase >= PASS_ENDING) return pass->whole ? len : 0;
    if (pass->relay->showing == pass && pass->relay->shown.len >= SHOW_BYTES) pass_show(pass->relay);
    if (pass->lagging) {
        if (!pass->paused) pass->paused_ms = pass->relay->loop.now_ms;
        pass->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!transfer->checked) upstream_check(pass->relay, transfer, pass->stream);
    if (pass->phase == PASS_ASKING) {
        pass->phase = PASS_RECEIVING;
        transfer->first_byte_ms = transfer->last_data_ms = pass->relay->loop.now_ms;
        arm(pass);
    }
    if (!transfer->is_answer) return upstream_keep_refusal(transfer, bytes, len);
    if (!pass->stream) {
        transfer->last_data_ms = pass->relay->loop.now_ms;
        return buf_append(&pass->frame, bytes, len) ? len : 0;
    }
    take_stream(pass, bytes, len);
    return pass->broken && !pass->whole ? 0 : len;
}

/* ---- asking ---- */

static void on_over(void *owner);

static void ask(struct pass *pass)
{
    struct upstream_request request = {.ask = &pass->ask,
                                       .trace = &pass->trace,
                                       .id_name = "request_id",
                                       .id = pass->request_id,
                                       .owner = pass,
                                       .on_body = on_body,
                                       .on_over = on_over};
    pass->phase = PASS_ASKING;
    pass->asked_ms = pass->relay->loop.now_ms;
    if (!upstream_ask(pass->relay, &pass->transfer, &request)) end(pass, CHAT_ERR_OVERLOADED, 0);
}

/* The provider refuses what the caller wrote: then that is the caller's to put right. */
static enum chat_error for_caller(int status, enum chat_error error)
{
    return (status == 400 || status == 422) && error == CHAT_ERR_UPSTREAM_ERROR ? CHAT_ERR_INVALID_REQUEST : error;
}

/* Who wrote the request is told what the provider has against it. */
static void take_reason(struct pass *pass, const struct provider_reason *reason)
{
    if (reason->message[0]) pass->says = arena_strdup(&pass->strings, reason->message);
    if (reason->param[0]) pass->param = arena_strdup(&pass->strings, reason->param);
}

static void end_failed(struct pass *pass, const struct upstream_failure *failure)
{
    enum chat_error error = for_caller(failure->status, failure->error);
    if (error == CHAT_ERR_INVALID_REQUEST) take_reason(pass, failure->reason);
    if (failure->account) pass->says = upstream_account_sentence(failure);
    pass->account_refused = failure->account;
    end(pass, error, upstream_retry_after_s(failure->error, failure->retry_after_s));
}

static void pause(struct pass *pass, int64_t wait_ms)
{
    pass->phase = PASS_PAUSING;
    pass->resume_at_ms = wait_ms == UPSTREAM_WAIT_FOR_CHANGE ? INT64_MAX : pass->relay->loop.now_ms + wait_ms;
    arm(pass);
}

/* Nothing of an answer has come. */
static void fail_or_retry(struct pass *pass, const struct upstream_failure *failure)
{
    upstream_close(pass->relay, &pass->transfer);
    int64_t wait_ms = upstream_retry(pass->relay, &pass->transfer, failure, &pass->ask, &pass->breaker, &pass->change);
    if (wait_ms < 0)
        end_failed(pass, failure);
    else
        pause(pass, wait_ms);
}

static bool on_changed(void *owner, const struct breaker_ticket *taken)
{
    struct pass *pass = owner;
    if (pass->phase != PASS_PAUSING) { /* it has ended meanwhile */
        bury_if_over(pass);
        return false;
    }
    pass->outcome = BREAKER_NEITHER; /* the first model's is told */
    if (!taken || !upstream_fall_back(pass->relay, &pass->transfer, &pass->change, &pass->ask)) {
        end_failed(pass, &pass->change.failure);
        return false;
    }
    pass->breaker = *taken;
    pause(pass, pass->change.wait_ms);
    return true;
}

/* ---- the provider's end ---- */

/* [DONE] would have ended it before. Without it a finish_reason is enough where the connection ended as it should: cut
 * off, the other choices of `n` could lack their ends. */
static void stream_over(struct pass *pass)
{
    struct provider_end told = take_end(pass);
    bool finished = told.finish_reason && pass->transfer.result == CURLE_OK;
    if (finished) pass->outcome = BREAKER_SUCCESS;
    if (!finished) {
        if (!pass->problem) pass->problem = "cut off";
        upstream_count(CHAT_ERR_UPSTREAM_INVALID_RESPONSE, false);
        pass->outcome = BREAKER_FAILURE;
    }
    end(pass, finished ? CHAT_OK : CHAT_ERR_UPSTREAM_INVALID_RESPONSE, 0);
}

static void whole_over(struct pass *pass)
{
    const struct provider *provider = pass->relay->settings.provider;
    struct provider_end told = {.error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
                                .outcome = pass->frame.failed ? BREAKER_NEITHER : BREAKER_FAILURE,
                                .problem = "cut, or over its bound"};
    if (pass->transfer.result == CURLE_OK && !pass->frame.failed) provider->ops->whole(provider, &pass->frame, &told);
    pass->problem = told.problem;
    pass->outcome = told.outcome;
    upstream_count(told.error, false);
    if (told.error == CHAT_OK) {
        pass->usage = told.usage;
        pass->other_bytes = told.other_bytes;
        pass->opened = true; /* in a moment */
    }
    end(pass, told.error, 0);
}

static void on_over(void *owner)
{
    struct pass *pass = owner;
    if (pass->phase >= PASS_ENDING || pass->broken) return;
    if (pass->transfer.is_answer && pass->stream)
        stream_over(pass);
    else if (pass->transfer.is_answer)
        whole_over(pass);
    else {
        struct upstream_failure failure = upstream_failure(pass->relay, &pass->transfer);
        pass->outcome = failure.outcome;
        pass->rest_s = failure.retry_after_s;
        fail_or_retry(pass, &failure);
    }
}

/* ---- deadlines ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t upstream_deadline(const struct pass *pass)
{
    const struct provider *provider = pass->relay->settings.provider;
    int64_t at_ms = pass->started_ms + provider->total_timeout_ms;
    if (pass->paused && pass->phase == PASS_RECEIVING) return INT64_MAX; /* the client is waited for */
    /* the first byte of a whole answer comes with its last */
    if (!pass->stream && (pass->phase == PASS_ASKING || pass->phase == PASS_RECEIVING)) return at_ms;
    switch (pass->phase) {
    case PASS_PAUSING: return sooner(at_ms, pass->resume_at_ms);
    case PASS_ASKING: return sooner(at_ms, pass->asked_ms + provider->first_byte_timeout_ms);
    case PASS_RECEIVING: return sooner(at_ms, pass->transfer.last_data_ms + provider->idle_timeout_ms);
    case PASS_ENDING: break;
    }
    return INT64_MAX;
}

static void arm(struct pass *pass)
{
    int64_t at_ms = upstream_deadline(pass);
    if (pass->gone) return;
    if (pass->phase >= PASS_ENDING && !pass->told && pass->client)
        at_ms = sooner(at_ms, pass->ended_ms + TELL_AT_LATEST_MS);
    if (pass->blocked && pass->client) at_ms = sooner(at_ms, patience_next_ms(&pass->patience));
    if (pass->opened && pass->phase == PASS_RECEIVING && !pass->blocked)
        at_ms = sooner(at_ms, pass->shown_ms + COMMENT_MS);
    if (pass->phase >= PASS_ENDING && !pass->settle_running && !pass->settled)
        at_ms = sooner(at_ms, pass->settle_at_ms);
    if (at_ms == INT64_MAX || (pass->timer.slot && pass->timer.at_ms <= at_ms)) return;
    timer_set(&pass->relay->loop.timers, &pass->timer, at_ms);
}

/* One that is behind, and takes nothing any more, is let go. */
static void look_at_client(struct pass *pass)
{
    int64_t now_ms = pass->relay->loop.now_ms;
    if (!pass->blocked || !pass->client || now_ms < patience_next_ms(&pass->patience)) return;
    if (!patience_over(&pass->patience, pass->client->ops->took(pass->client), now_ms)) return;
    pass->client->ops->let_go(pass->client, &pass->relay->scratch);
    leave(pass);
}

static void on_timer(void *owner)
{
    struct pass *pass = owner;
    int64_t now_ms = pass->relay->loop.now_ms;
    if (pass->phase == PASS_PAUSING && now_ms >= pass->resume_at_ms)
        ask(pass);
    else if (now_ms >= upstream_deadline(pass)) {
        pass->problem = pass->phase == PASS_ASKING ? "no first byte in time" : "silent, or too long in all";
        upstream_count(CHAT_ERR_UPSTREAM_TIMEOUT, false);
        pass->outcome = BREAKER_FAILURE;
        end(pass, CHAT_ERR_UPSTREAM_TIMEOUT, 0);
    }
    if (pass->phase >= PASS_ENDING && now_ms - pass->ended_ms >= TELL_AT_LATEST_MS) tell(pass);
    if (pass->opened && pass->phase == PASS_RECEIVING && now_ms - pass->shown_ms >= COMMENT_MS && !pass->blocked) {
        pass->shown_ms = now_ms;
        take_state(pass, pass->client->ops->comment(pass->client));
    }
    if (pass->phase >= PASS_ENDING && !pass->settle_running && !pass->settled && now_ms >= pass->settle_at_ms)
        settle(pass);
    look_at_client(pass);
    bury_if_over(pass);
    arm(pass);
}

/* ---- the loop's ---- */

static void start(struct post *post)
{
    struct pass *pass = LOOP_OWNER(post, struct pass, post);
    struct relay *relay = pass->relay;
    struct client_watch *watch = calloc(1, sizeof *watch);
    if (!watch) abort();
    pass->started_ms = pass->shown_ms = relay->loop.now_ms;
    metrics_move(&metrics->gauges.completions_live, 1);
    pass->next = relay->passes;
    if (relay->passes) relay->passes->previous = pass;
    relay->passes = pass;
    watch->watch = (struct watch){.on_event = on_client, .fd = pass->client->ops->fd(pass->client)};
    watch->pass = pass;
    pass->watch = &watch->watch;
    if (!loop_watch(&relay->loop, pass->watch, EPOLLRDHUP)) {
        leave(pass);
        return;
    }
    ask(pass);
    arm(pass);
}

void pass_begin(struct relay *relay, const struct completion_spec *spec, struct completion_client *client)
{
    struct pass *pass = make(relay, spec, client);
    pass->post.run = start;
    loop_post(&relay->loop, &pass->post);
}

void pass_shut_down(struct relay *relay)
{
    struct pass *next;
    for (struct pass *pass = relay->passes; pass; pass = next) {
        next = pass->next;
        end(pass, CHAT_ERR_SHUTTING_DOWN, 0);
        bury_if_over(pass);
    }
}

const struct admission_ticket *pass_ticket(const struct relay *relay, const struct pass **at)
{
    const struct pass *pass = *at ? (*at)->next : relay->passes;
    while (pass && !pass->ticket.leased) pass = pass->next;
    *at = pass;
    return pass ? &pass->ticket : NULL;
}

static void free_pass(struct pass *pass)
{
    struct relay *relay = pass->relay;
    upstream_close(relay, &pass->transfer);
    buf_fini(&pass->frame);
    arena_fini(&pass->strings);
    free(pass->ask.body);
    free(pass);
    relay_give_place(relay);
}

static void free_buried(struct turn_end *item)
{
    free_pass(LOOP_OWNER(item, struct pass, burial));
}

void pass_close_left(struct relay *relay)
{
    while (relay->passes) {
        struct pass *pass = relay->passes;
        let_client_go(pass);
        take_out(pass);
        free_pass(pass);
    }
}
