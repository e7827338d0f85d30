#include "relay/completion.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "relay/patience.h"
#include "upstream/question.h"
#include "usecases/finish_completion.h"

enum {
    COMMENT_MS = 15000,       /* of silence */
    SHOW_BYTES = 32 << 10,    /* of what one reading brings; so much is sent before more is read */
    PAUSE_BYTES = 64 << 10,   /* wait for the client: the provider is not read on */
    RESUME_BYTES = 16 << 10,  /* and from here on again */
    TELL_AT_LATEST_MS = 2000, /* the client doesn't wait longer for its lease to end */
    FRAME_MAX_BYTES = 512 << 10,
    SHOWN_MAX_BYTES = 16 << 20,
    SETTLE_TRIES_MAX = 10,
    SETTLE_RETRY_MS = 1000,
};

enum completion_phase {
    COMPLETION_ASKED,
    COMPLETION_ENDING, /* the provider is done with; the lease ends, then the client is told */
};

struct completion {
    struct job job; /* first: the settling job */
    struct post post;
    struct watch *watch; /* on the client; NULL once it is let go */
    struct completion *next, *previous;
    struct turn_end burial;
    struct ground *ground;
    struct completions *all;
    enum completion_phase phase;
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
    bool opened;      /* the client has got bytes */
    bool blocked;     /* bytes wait for the client */
    bool lagging;     /* so many that the provider has to wait too */
    bool client_left; /* before it was told of the end */
    bool told, gone;
    int64_t shown_ms, ended_ms;
    struct patience patience; /* while blocked */
    struct problem final;     /* what the client is told of the end */
    const char *problem;      /* the same, for the log; static, NULL */

    size_t text_bytes; /* of the choices that the decoder hands on */
    struct settling {
        bool running; /* a job has it: done, tries and finish are the job's */
        bool done;
        int tries;
        int64_t retry_ms;
        struct finish_completion finish;
    } settling;
};

struct client_watch {
    struct watch watch; /* first */
    struct completion *completion;
};

static void set_subject(const struct completion *completion, struct log_subject *subject)
{
    *subject = (struct log_subject){.request_id = completion->request_id,
                                    .trace_id = completion->trace.trace_id,
                                    .span_id = completion->trace.span_id,
                                    .user_id = completion->ticket.user_id};
    log_set_subject(subject);
}

/* ---- the end ---- */

static void arm(struct completion *completion);

static void let_client_go(struct completion *completion)
{
    if (!completion->client) return;
    loop_unwatch(&completion->ground->loop, completion->watch);
    completion->watch = NULL;
    completion_client_close(completion->client);
    completion->client = NULL;
}

static void count_text(void *context, const char *text, size_t len)
{
    struct completion *completion = context;
    (void)text;
    completion->text_bytes += len;
}

/* What goes out with the end of a stream that is whole. */
static void compose_last(struct completion *completion)
{
    if (completion->passed.usage)
        question_last(completion->question, &completion->settling.finish.use.usage, &completion->frame);
    buf_append_str(&completion->frame, "data: [DONE]\n\n");
}

static void log_ended(const struct completion *completion)
{
    const struct finish_completion *finish = &completion->settling.finish;
    const struct token_usage *usage = &finish->use.usage;
    enum chat_error error = finish->error;
    log_write(error ? LOG_WARN : LOG_INFO, "completion_ended", LOG_STR("model", finish->model),
              LOG_STR("code", error ? error_code(error) : NULL), LOG_STR("problem", completion->problem),
              LOG_BOOL("stream", completion->stream), LOG_BOOL("client_left", finish->client_left),
              LOG_INT("prompt_tokens", usage->prompt_tokens), LOG_INT("cached_tokens", usage->cached_tokens),
              LOG_INT("completion_tokens", usage->completion_tokens),
              LOG_BOOL("tokens_estimated", finish->use.estimated), LOG_INT("cost_micro_usd", finish->cost_micro_usd),
              LOG_INT("tries", question_facts(completion->question)->tries));
}

/* On a job thread. */
static void run_settle(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct completion *completion = (struct completion *)job;
    struct settling *settling = &completion->settling;
    struct log_subject subject;
    set_subject(completion, &subject);
    settling->done = finish_completion(ports, &settling->finish) == CHAT_OK;
    if (settling->tries++ == 0) log_ended(completion);
    if (!settling->done && settling->tries >= SETTLE_TRIES_MAX) {
        log_write(LOG_ERROR, "completion_not_settled",
                  LOG_BOOL("refund", finish_completion_refunds(&settling->finish)));
        settling->done = true;
    }
    log_set_subject(NULL);
}

static void settle(struct completion *completion)
{
    completion->settling.running = true;
    job_pool_submit(completion->ground->jobs, &completion->job);
}

static void take_out(struct completion *completion)
{
    completion->gone = true;
    metrics_move(&metrics->gauges.completions_live, -1);
    if (completion->all->walk == completion) completion->all->walk = completion->next;
    if (completion->previous)
        completion->previous->next = completion->next;
    else
        completion->all->first = completion->next;
    if (completion->next) completion->next->previous = completion->previous;
    timer_clear(&completion->ground->loop.timers, &completion->timer);
}

static void bury_if_over(struct completion *completion)
{
    if (completion->gone || completion->phase < COMPLETION_ENDING || completion->client ||
        completion->settling.running || !completion->settling.done)
        return;
    take_out(completion);
    loop_at_turn_end(&completion->ground->loop, LOOP_FREE, &completion->burial);
}

/* From here on the client is looked at: it may take its time as long as it takes something. */
static void set_blocked(struct completion *completion)
{
    if (completion->blocked) return;
    completion->blocked = true;
    patience_begin(&completion->patience, completion->ground->loop.now_ms);
    completion_client_took(completion->client);
    loop_watch(&completion->ground->loop, completion->watch, EPOLLRDHUP | EPOLLOUT);
    arm(completion);
}

static enum listener_state send_last(struct completion *completion)
{
    struct completion_client *client = completion->client;
    const struct buf *whole = question_whole(completion->question);
    if (completion->final.error != CHAT_OK) return LISTENER_READY;
    if (!completion->stream) return completion_client_whole(client, whole->data, whole->len);
    completion_client_cork(client);
    return completion_client_frames(client, completion->frame.data, completion->frame.len);
}

/* What ends it for the client. */
static void tell(struct completion *completion)
{
    struct completion_client *client = completion->client;
    const struct settling *settling = &completion->settling;
    if (completion->told || !client) return;
    completion->told = true;
    /* told at the latest moment, while the job still settles: what it writes isn't looked at */
    const struct settled *stand = &settling->finish.stand;
    const struct quota *quota = !settling->running && stand->known ? &stand->quota : NULL;
    enum listener_state state = send_last(completion);
    if (state != LISTENER_GONE)
        state = completion_client_end(client, &completion->final, quota, &completion->ground->scratch);
    if (state == LISTENER_BLOCKED)
        set_blocked(completion);
    else
        let_client_go(completion);
}

static void settled(struct job *job)
{
    struct completion *completion = (struct completion *)job;
    completion->settling.running = false;
    completion->settling.retry_ms = completion->ground->loop.now_ms + SETTLE_RETRY_MS;
    if (completion->settling.done) tell(completion);
    bury_if_over(completion);
    arm(completion);
}

/* What its question has come to. */
static void take_facts(struct completion *completion, const struct question_facts *facts)
{
    struct finish_completion *finish = &completion->settling.finish;
    completion->final.finish_reason = facts->told.finish_reason;
    completion->final.tried_out = facts->tries > 1;
    if (!completion->problem && facts->told.error != CHAT_OK) completion->problem = facts->told.problem;
    *finish = (struct finish_completion){
        .leaving = {&completion->ticket, &facts->breaker, facts->outcome, facts->rest_s, false},
        .model = facts->model,
        .error = completion->final.error,
        .shown = completion->opened,
        .client_left = completion->client_left};
    finish_completion_count_tokens(&finish->use, &facts->told.usage, facts->answered, facts->body_len,
                                   completion->text_bytes + facts->told.other_bytes);
}

/* The provider is done with. The client is told once the lease has ended. */
static void end(struct completion *completion, enum chat_error error)
{
    if (completion->phase >= COMPLETION_ENDING) return;
    question_stop(completion->question);
    completion->phase = COMPLETION_ENDING;
    bool empty = error == CHAT_OK && completion->stream && !completion->opened && !completion->client_left;
    completion->final.error = empty ? CHAT_ERR_UPSTREAM_INVALID_RESPONSE : error;
    completion->ended_ms = completion->ground->loop.now_ms;
    take_facts(completion, question_facts(completion->question));
    if (completion->final.error == CHAT_OK && completion->stream && !completion->client_left) compose_last(completion);
    settle(completion);
    if (completion->client_left) let_client_go(completion);
    arm(completion);
}

static void leave(struct completion *completion)
{
    if (completion->phase < COMPLETION_ENDING) completion->client_left = true;
    end(completion, CHAT_OK);
    let_client_go(completion);
    bury_if_over(completion);
}

/* ---- the client ---- */

static void take_state(struct completion *completion, enum listener_state state)
{
    if (state == LISTENER_GONE && question_facts(completion->question)->ending) return; /* it is told how that ended */
    if (state == LISTENER_GONE)
        leave(completion);
    else if (state == LISTENER_BLOCKED) {
        set_blocked(completion);
        completion->lagging = completion->lagging || completion_client_pending(completion->client) >= PAUSE_BYTES;
    }
}

static void on_client(struct watch *watch, uint32_t events)
{
    struct completion *completion = ((struct client_watch *)watch)->completion;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        leave(completion);
        return;
    }
    if (!(events & EPOLLOUT)) return;
    enum listener_state state = completion_client_writable(completion->client);
    if (state == LISTENER_GONE) {
        leave(completion);
        return;
    }
    if (completion_client_took(completion->client))
        patience_begin(&completion->patience, completion->ground->loop.now_ms);
    if (state == LISTENER_READY) {
        completion->blocked = false;
        loop_watch(&completion->ground->loop, watch, EPOLLRDHUP);
    }
    if (state == LISTENER_READY && completion->told) {
        let_client_go(completion);
        bury_if_over(completion);
    } else if (completion->lagging && completion_client_pending(completion->client) <= RESUME_BYTES) {
        completion->lagging = false;
        question_resume(completion->question);
    }
}

/* ---- the provider's bytes ---- */

/* What one reading of the socket brought is sent in one piece. */
static void show(void *owner)
{
    struct completion *completion = owner;
    struct buf *out = &completion->all->shown;
    if (out->len == 0 && !out->failed) return;
    if (out->failed) {
        buf_reset(out);
        end(completion, CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
        return;
    }
    bool first = !completion->opened;
    completion->opened = true;
    question_fine(completion->question);
    completion->shown_ms = completion->ground->loop.now_ms;
    if (first) arm(completion); /* from here on silence is bridged */
    enum listener_state state = completion_client_frames(completion->client, out->data, out->len);
    buf_reset(out);
    take_state(completion, state);
}

static bool has_room(void *owner)
{
    struct completion *completion = owner;
    if (completion->all->shown.len >= SHOW_BYTES) show(completion);
    return !completion->lagging;
}

/* Comments count for nothing. */
static void count_events(void *owner)
{
    struct completion *completion = owner;
    if (completion->passed.events) question_alive(completion->question);
    metrics_add(&metrics->counters.chunks, completion->passed.events);
    completion->passed.events = 0;
}

/* ---- the provider's end ---- */

/* The provider refuses what the caller wrote: then that is the caller's to put right. */
static enum chat_error for_caller(int status, enum chat_error error)
{
    return (status == 400 || status == 422) && error == CHAT_ERR_UPSTREAM_ERROR ? CHAT_ERR_INVALID_REQUEST : error;
}

/* Who wrote the request is told what the provider has against it. */
static void take_reason(struct completion *completion, const struct provider_reason *reason)
{
    if (reason->message[0]) completion->final.message = arena_strdup(&completion->strings, reason->message);
    if (reason->param[0]) completion->final.param = arena_strdup(&completion->strings, reason->param);
}

static void on_over(void *owner, const struct question_end *how)
{
    struct completion *completion = owner;
    enum chat_error error = for_caller(how->status, how->error);
    if (error == CHAT_ERR_INVALID_REQUEST && how->reason) take_reason(completion, how->reason);
    if (how->says) completion->final.message = how->says;
    completion->final.account_refused = how->account_refused;
    completion->final.retry_after_s = how->retry_after_s;
    completion->problem = how->problem;
    if (error == CHAT_OK && !completion->stream) completion->opened = true; /* in a moment */
    end(completion, error);
}

static struct question *new_question(struct completion *completion, const struct completion_spec *spec)
{
    static const struct question_ops ops = {
        .room = has_room, .bytes = count_events, .read_done = show, .over = on_over};
    const struct question_spec question = {
        .ops = &ops,
        .owner = completion,
        .sink = {.content = count_text, .reasoning = count_text, .context = completion, .passed = &completion->passed},
        .streamed = spec->stream,
        .body = spec->body,
        .body_len = spec->body_len,
        .model = arena_strdup(&completion->strings, spec->model),
        .breaker = spec->breaker,
        .trace = &completion->trace,
        .id_name = "request_id",
        .id = completion->request_id};
    return question_new(completion->ground->upstream, &question);
}

/* ---- deadlines ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void arm(struct completion *completion)
{
    int64_t at_ms = INT64_MAX;
    if (completion->gone) return;
    if (completion->phase >= COMPLETION_ENDING && !completion->told && completion->client)
        at_ms = sooner(at_ms, completion->ended_ms + TELL_AT_LATEST_MS);
    if (completion->blocked && completion->client) at_ms = sooner(at_ms, patience_next_ms(&completion->patience));
    if (completion->opened && completion->phase == COMPLETION_ASKED && !completion->blocked)
        at_ms = sooner(at_ms, completion->shown_ms + COMMENT_MS);
    if (completion->phase >= COMPLETION_ENDING && !completion->settling.running && !completion->settling.done)
        at_ms = sooner(at_ms, completion->settling.retry_ms);
    if (at_ms == INT64_MAX || (completion->timer.slot && completion->timer.at_ms <= at_ms)) return;
    timer_set(&completion->ground->loop.timers, &completion->timer, at_ms);
}

/* One that is behind, and takes nothing any more, is let go. */
static void look_at_client(struct completion *completion)
{
    int64_t now_ms = completion->ground->loop.now_ms;
    if (!completion->blocked || !completion->client || now_ms < patience_next_ms(&completion->patience)) return;
    if (!patience_over(&completion->patience, completion_client_took(completion->client), now_ms)) return;
    completion_client_let_go(completion->client, &completion->ground->scratch);
    leave(completion);
}

static void on_timer(void *owner)
{
    struct completion *completion = owner;
    int64_t now_ms = completion->ground->loop.now_ms;
    if (completion->phase >= COMPLETION_ENDING && now_ms - completion->ended_ms >= TELL_AT_LATEST_MS) tell(completion);
    if (completion->opened && completion->phase == COMPLETION_ASKED && now_ms - completion->shown_ms >= COMMENT_MS &&
        !completion->blocked) {
        completion->shown_ms = now_ms;
        take_state(completion, completion_client_comment(completion->client));
    }
    if (completion->phase >= COMPLETION_ENDING && !completion->settling.running && !completion->settling.done &&
        now_ms >= completion->settling.retry_ms)
        settle(completion);
    look_at_client(completion);
    bury_if_over(completion);
    arm(completion);
}

/* ---- its life ---- */

static void free_completion(struct completion *completion)
{
    question_free(completion->question);
    buf_fini(&completion->frame);
    arena_fini(&completion->strings);
    places_give(&completion->ground->places);
    free(completion);
}

static void free_buried(struct turn_end *item)
{
    free_completion(LOOP_OWNER(item, struct completion, burial));
}

static struct completion *make(struct completions *all, const struct completion_spec *spec,
                               struct completion_client *client)
{
    struct completion *completion = must_calloc(1, sizeof *completion);
    completion->job = (struct job){.run = run_settle, .done = settled, .loop = &all->ground->loop};
    completion->burial.run = free_buried;
    completion->timer.owner = completion;
    completion->timer.fire = on_timer;
    completion->ground = all->ground;
    completion->all = all;
    completion->client = client;
    arena_init_small(&completion->strings);
    completion->ticket = spec->ticket;
    completion->request_id = arena_strdup(&completion->strings, spec->request_id);
    completion->trace = spec->trace;
    completion->stream = spec->stream;
    completion->passed = (struct passed){.out = &all->shown, .usage = spec->usage};
    buf_init(&completion->frame, FRAME_MAX_BYTES);
    completion->question = new_question(completion, spec);
    return completion;
}

static void start(struct post *post)
{
    struct completion *completion = LOOP_OWNER(post, struct completion, post);
    struct completions *all = completion->all;
    struct loop *loop = &completion->ground->loop;
    struct client_watch *watch = must_calloc(1, sizeof *watch);
    completion->shown_ms = loop->now_ms;
    metrics_move(&metrics->gauges.completions_live, 1);
    completion->next = all->first;
    if (all->first) all->first->previous = completion;
    all->first = completion;
    watch->watch = (struct watch){.on_event = on_client, .fd = completion_client_fd(completion->client)};
    watch->completion = completion;
    completion->watch = &watch->watch;
    if (!loop_watch(loop, completion->watch, EPOLLRDHUP)) {
        leave(completion);
        return;
    }
    question_ask(completion->question);
    arm(completion);
}

void completion_begin(struct completions *completions, const struct completion_spec *spec,
                      struct completion_client *client)
{
    struct completion *completion = make(completions, spec, client);
    completion->post.run = start;
    loop_post(&completions->ground->loop, &completion->post);
}

void completions_shut_down(struct completions *completions)
{
    struct completion *next;
    for (struct completion *completion = completions->first; completion; completion = next) {
        next = completion->next;
        end(completion, CHAT_ERR_SHUTTING_DOWN);
        bury_if_over(completion);
    }
}

void completions_walk_begin(struct completions *completions)
{
    completions->walk = completions->first;
}

const struct admission_ticket *completions_walk(struct completions *completions)
{
    const struct completion *next = completions->walk;
    if (!next) return NULL;
    completions->walk = next->next;
    return &next->ticket;
}

void completions_open(struct completions *completions, struct ground *ground)
{
    completions->ground = ground;
    buf_init(&completions->shown, SHOWN_MAX_BYTES);
}

void completions_close(struct completions *completions)
{
    while (completions->first) {
        struct completion *completion = completions->first;
        let_client_go(completion);
        take_out(completion);
        free_completion(completion);
    }
    buf_fini(&completions->shown);
}
