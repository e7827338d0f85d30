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
    SETTLE_TRIES_MAX = 10,
    SETTLE_RETRY_MS = 1000,
};

enum pass_phase {
    PASS_ASKED,
    PASS_ENDING, /* the provider is done with; the lease ends, then the client is told */
};

struct pass {
    struct job job; /* first: the settling job */
    struct post post;
    struct watch *watch; /* on the client; NULL once it is let go */
    struct pass *next, *previous;
    struct turn_end burial;
    struct relay *relay;
    enum pass_phase phase;
    struct completion_client *client;
    struct question *question;
    struct timer timer;
    struct arena strings;
    struct admission_ticket ticket;
    const char *request_id;
    struct trace trace;
    bool stream;

    struct buf frame; /* the last ones */
    struct passed passed;
    size_t text_bytes, other_bytes; /* of all choices, for the estimate; the second by the decoder */
    bool opened;                    /* the client has got bytes */
    bool blocked;                   /* bytes wait for the client */
    bool lagging;                   /* so many that the provider has to wait too */
    enum chat_error error;
    bool client_left;
    bool account_refused;
    struct token_usage usage;
    bool tokens_estimated;
    bool took_tokens; /* the provider says so itself */
    const char *problem;
    const char *says, *param; /* to the client, in place of the code's own words; NULL */
    const char *finish_reason;
    int settle_tries;
    int64_t shown_ms, settle_at_ms;
    struct patience patience; /* while blocked */
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
static void free_buried(struct turn_end *item);
static void on_timer(void *owner);
static struct question *new_question(struct pass *pass, const struct completion_spec *spec);

static struct pass *make(struct relay *relay, const struct completion_spec *spec, struct completion_client *client)
{
    struct pass *pass = calloc(1, sizeof *pass);
    if (!pass) abort();
    pass->job = (struct job){.run = run_settle, .done = settled, .loop = &relay->loop};
    pass->burial.run = free_buried;
    pass->timer.owner = pass;
    pass->timer.fire = on_timer;
    pass->relay = relay;
    pass->client = client;
    arena_init_small(&pass->strings);
    pass->ticket = spec->ticket;
    pass->request_id = arena_strdup(&pass->strings, spec->request_id);
    pass->trace = spec->trace;
    pass->stream = spec->stream;
    pass->passed = (struct passed){.out = &relay->shown, .usage = spec->usage};
    buf_init(&pass->frame, FRAME_MAX_BYTES);
    pass->question = new_question(pass, spec);
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
    const struct question_facts *facts = question_facts(pass->question);
    if (!facts->answered) return;
    pass->tokens_estimated = usage->prompt_tokens < 0 || usage->completion_tokens < 0;
    if (usage->prompt_tokens < 0) usage->prompt_tokens = (int64_t)(facts->body_len + 2) / 3;
    if (usage->completion_tokens < 0)
        usage->completion_tokens = (int64_t)(pass->text_bytes + pass->other_bytes + 3) / 4;
}

/* What goes out with the end of a stream that is whole. */
static void compose_last(struct pass *pass)
{
    if (pass->passed.usage) question_last(pass->question, &pass->usage, &pass->frame);
    buf_append_str(&pass->frame, "data: [DONE]\n\n");
}

/* On a job thread: the lease ends, the day's unit goes back where nothing was shown. */
static void run_settle(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct pass *pass = (struct pass *)job;
    const struct question_facts *facts = question_facts(pass->question);
    struct log_subject subject;
    set_subject(pass, &subject);
    bool refund = pass->error != CHAT_OK && !pass->opened && !pass->client_left && !pass->took_tokens;
    struct leaving leaving = {&pass->ticket, &facts->breaker, facts->outcome, facts->rest_s, pass->settle_tries > 0};
    pass->settled = leave_place(ports, &leaving, refund, &pass->stand) == CHAT_OK;
    if (pass->settle_tries++ == 0) {
        int64_t cost = cost_micro_usd(ports->prices, facts->model, &pass->usage);
        metrics_add(&metrics->counters.completions[pass->client_left ? COMPLETIONS_CLIENT_LEFT
                                                   : pass->error     ? COMPLETIONS_FAILED
                                                                     : COMPLETIONS_OK],
                    1);
        metrics_usage(facts->model, pass->usage.prompt_tokens, pass->usage.completion_tokens, cost);
        use_ledger_add(ports->ledger, pass->ticket.user_id, pass->ticket.day, facts->model, 1, &pass->usage, cost);
        log_write(pass->error ? LOG_WARN : LOG_INFO, "completion_ended", LOG_STR("model", facts->model),
                  LOG_STR("code", pass->error ? error_code(pass->error) : NULL), LOG_STR("problem", pass->problem),
                  LOG_BOOL("stream", pass->stream), LOG_BOOL("client_left", pass->client_left),
                  LOG_INT("prompt_tokens", pass->usage.prompt_tokens),
                  LOG_INT("cached_tokens", pass->usage.cached_tokens),
                  LOG_INT("completion_tokens", pass->usage.completion_tokens),
                  LOG_BOOL("tokens_estimated", pass->tokens_estimated), LOG_INT("cost_micro_usd", cost),
                  LOG_INT("tries", facts->tries));
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
    take_out(pass);
    loop_at_turn_end(&pass->relay->loop, LOOP_FREE, &pass->burial);
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
                                    .tried_out = question_facts(pass->question)->tries > 1,
                                    .account_refused = pass->account_refused,
                                    .finish_reason = pass->finish_reason};
    enum listener_state state = LISTENER_READY;
    /* told at the latest moment, while the job still settles: what it writes isn't looked at */
    const struct quota *quota = !pass->settle_running && pass->stand.known ? &pass->stand.quota : NULL;
    if (pass->error == CHAT_OK && pass->stream) {
        pass->client->ops->cork(pass->client);
        state = pass->client->ops->frames(pass->client, pass->frame.data, pass->frame.len);
    } else if (pass->error == CHAT_OK)
        state = pass->client->ops->whole(pass->client, question_whole(pass->question)->data,
                                         question_whole(pass->question)->len);
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

/* What its question has come to. */
static void take_facts(struct pass *pass, const struct question_facts *facts)
{
    pass->usage = facts->told.usage;
    pass->took_tokens = message_took_tokens(&facts->told.usage);
    pass->other_bytes = facts->told.other_bytes;
    pass->finish_reason = facts->told.finish_reason;
    if (!pass->problem && facts->told.error != CHAT_OK) pass->problem = facts->told.problem;
    count_usage(pass);
}

/* The provider is done with. The client is told once the lease has ended. */
static void end(struct pass *pass, enum chat_error error)
{
    if (pass->phase >= PASS_ENDING) return;
    question_stop(pass->question);
    pass->phase = PASS_ENDING;
    bool empty = error == CHAT_OK && pass->stream && !pass->opened && !pass->client_left;
    pass->error = empty ? CHAT_ERR_UPSTREAM_INVALID_RESPONSE : error;
    pass->ended_ms = pass->relay->loop.now_ms;
    take_facts(pass, question_facts(pass->question));
    if (pass->error == CHAT_OK && pass->stream && !pass->client_left) compose_last(pass);
    settle(pass);
    if (pass->client_left) let_client_go(pass);
    arm(pass);
}

static void leave(struct pass *pass)
{
    if (pass->phase < PASS_ENDING) pass->client_left = true;
    end(pass, CHAT_OK);
    let_client_go(pass);
    bury_if_over(pass);
}

/* ---- the client ---- */

static void take_state(struct pass *pass, enum listener_state state)
{
    if (state == LISTENER_GONE && question_facts(pass->question)->ending) return; /* it is told how that ended */
    if (state == LISTENER_GONE)
        leave(pass);
    else if (state == LISTENER_BLOCKED) {
        set_blocked(pass);
        pass->lagging = pass->lagging || pass->client->ops->pending(pass->client) >= PAUSE_BYTES;
    }
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
    } else if (pass->lagging && pass->client->ops->pending(pass->client) <= RESUME_BYTES) {
        pass->lagging = false;
        question_resume(pass->question);
    }
}

/* ---- the provider's bytes ---- */

/* What one reading of the socket brought is sent in one piece. */
static void show(void *owner)
{
    struct pass *pass = owner;
    struct buf *out = &pass->relay->shown;
    if (out->len == 0 && !out->failed) return;
    if (out->failed) {
        buf_reset(out);
        end(pass, CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
        return;
    }
    bool first = !pass->opened;
    pass->opened = true;
    question_fine(pass->question);
    pass->shown_ms = pass->relay->loop.now_ms;
    if (first) arm(pass); /* from here on silence is bridged */
    enum listener_state state = pass->client->ops->frames(pass->client, out->data, out->len);
    buf_reset(out);
    take_state(pass, state);
}

static bool has_room(void *owner)
{
    struct pass *pass = owner;
    if (pass->relay->shown.len >= SHOW_BYTES) show(pass);
    return !pass->lagging;
}

/* Comments count for nothing. */
static void count_events(void *owner)
{
    struct pass *pass = owner;
    if (pass->passed.events) question_alive(pass->question);
    metrics_add(&metrics->counters.chunks, pass->passed.events);
    pass->passed.events = 0;
}

/* ---- the provider's end ---- */

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

static void on_over(void *owner, const struct question_end *how)
{
    struct pass *pass = owner;
    enum chat_error error = for_caller(how->status, how->error);
    if (error == CHAT_ERR_INVALID_REQUEST && how->reason) take_reason(pass, how->reason);
    if (how->says) pass->says = how->says;
    pass->account_refused = how->account_refused;
    pass->retry_after_s = how->retry_after_s;
    pass->problem = how->problem;
    if (error == CHAT_OK && !pass->stream) pass->opened = true; /* in a moment */
    end(pass, error);
}

static struct question *new_question(struct pass *pass, const struct completion_spec *spec)
{
    static const struct question_ops ops = {
        .room = has_room, .bytes = count_events, .read_done = show, .over = on_over};
    const struct question_spec question = {
        .ops = &ops,
        .owner = pass,
        .sink = {.content = count_text, .reasoning = count_text, .context = pass, .passed = &pass->passed},
        .streamed = spec->stream,
        .body = spec->body,
        .body_len = spec->body_len,
        .model = arena_strdup(&pass->strings, spec->model),
        .breaker = spec->breaker,
        .trace = &pass->trace,
        .id_name = "request_id",
        .id = pass->request_id};
    return question_new(pass->relay->upstream, &question);
}

/* ---- deadlines ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void arm(struct pass *pass)
{
    int64_t at_ms = INT64_MAX;
    if (pass->gone) return;
    if (pass->phase >= PASS_ENDING && !pass->told && pass->client)
        at_ms = sooner(at_ms, pass->ended_ms + TELL_AT_LATEST_MS);
    if (pass->blocked && pass->client) at_ms = sooner(at_ms, patience_next_ms(&pass->patience));
    if (pass->opened && pass->phase == PASS_ASKED && !pass->blocked) at_ms = sooner(at_ms, pass->shown_ms + COMMENT_MS);
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
    if (pass->phase >= PASS_ENDING && now_ms - pass->ended_ms >= TELL_AT_LATEST_MS) tell(pass);
    if (pass->opened && pass->phase == PASS_ASKED && now_ms - pass->shown_ms >= COMMENT_MS && !pass->blocked) {
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
    pass->shown_ms = relay->loop.now_ms;
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
    question_ask(pass->question);
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
        end(pass, CHAT_ERR_SHUTTING_DOWN);
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
    question_free(pass->question);
    buf_fini(&pass->frame);
    arena_fini(&pass->strings);
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
