/* One live answer: from its request to the provider to the last byte that somebody attached to it has read. */
#include "relay/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"

enum {
    PING_MS = 15000,          /* of silence */
    TELL_AT_LATEST_MS = 2000, /* the closing event doesn't wait longer for the stores */
    FINISH_RETRY_MIN_MS = 100,
    FINISH_RETRY_MAX_MS = 2000,
    FINISH_TRIES_MAX = 5, /* for errors that are no outage */
    WATCHED_MS = 4000,    /* how long a word from an attacher elsewhere counts */
};

/* ---- making and finding ---- */

static struct live **bucket_of(struct relay *relay, const char *answer_id)
{
    uint32_t hash = 2166136261u;
    for (const char *at = answer_id; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    return &relay->buckets[hash % LIVE_BUCKETS];
}

struct live *live_find(struct relay *relay, const char *answer_id)
{
    struct live *live = *bucket_of(relay, answer_id);
    while (live && strcmp(live->message.id, answer_id) != 0) live = live->hash_next;
    return live;
}

struct session live_copy_session(const struct session *session, struct arena *strings)
{
    struct session copy = *session;
    copy.title = arena_strdup(strings, session->title);
    copy.model = arena_strdup(strings, session->model);
    return copy;
}

static void run_finish_job(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct live *live = (struct live *)job;
    struct log_subject subject = {.request_id = live->request_id,
                                  .trace_id = live->trace.trace_id,
                                  .span_id = live->trace.span_id,
                                  .user_id = live->ticket.user_id,
                                  .session_id = live->message.session_id,
                                  .message_id = live->message.id};
    log_set_subject(&subject);
    struct arena arena;
    arena_init(&arena);
    struct session session;
    bool has_session;
    live->finish_error = finish_answer(ports, &live->finish, &arena, &session, &has_session);
    if (has_session) {
        live->saved_session = live_copy_session(&session, &live->saved_strings);
        live->has_saved_session = true;
    }
    if (live->finish_error == CHAT_OK && live->finish.stand.known) {
        live->saved_quota = live->finish.stand.quota;
        live->has_saved_quota = true;
    } else if (live->finish_error == CHAT_OK)
        live->has_saved_quota =
            ports->admission->ops->peek(ports->admission, &live->caller, &live->saved_quota) == CHAT_OK;
    arena_fini(&arena);
    log_set_subject(NULL);
}

static void show(struct turn_end *item);
static void free_buried(struct turn_end *item);
static void on_timer(void *owner);
static void finished(struct job *job);
static struct question *new_question(struct live *live, const struct answer_spec *spec);

void live_init(struct live *live, struct relay *relay, void (*run)(struct job *, const void *),
               void (*done)(struct job *))
{
    live->job = (struct job){.run = run, .done = done, .loop = &relay->ground.loop};
    live->showing.run = show;
    live->burial.run = free_buried;
    live->relay = relay;
    live->timer.owner = live;
    live->timer.fire = on_timer;
}

struct live *live_new(struct relay *relay, const struct answer_spec *spec)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live) abort();
    live_init(live, relay, run_finish_job, finished);
    arena_init_small(&live->strings);
    arena_init_small(&live->saved_strings);
    live->message = *spec->answer;
    const char *model = spec->breaker.model ? spec->breaker.model : spec->answer->model; /* the fallback's, maybe */
    live->message.model = arena_strdup(&live->strings, model);
    live->message.content = "";
    live->session = live_copy_session(spec->session, &live->strings);
    live->request_id = arena_strdup(&live->strings, spec->request_id);
    if (spec->supersedes_id[0]) live->supersedes_id = arena_strdup(&live->strings, spec->supersedes_id);
    live->ticket = spec->ticket;
    live->trace = spec->trace;
    snprintf(live->caller.user_id, sizeof live->caller.user_id, "%s", spec->ticket.user_id);
    live->caller.is_admin = spec->is_admin;
    live->quota = spec->quota;
    live->moves_start = spec->moves_start;
    buf_init(&live->content, ANSWER_MAX_BYTES);
    buf_init(&live->reasoning, ANSWER_MAX_BYTES);
    live->question = new_question(live, spec);
    return live;
}

void live_free(struct live *live)
{
    question_free(live->question);
    buf_fini(&live->content);
    buf_fini(&live->reasoning);
    arena_fini(&live->strings);
    arena_fini(&live->saved_strings);
    free(live);
}

static void free_buried(struct turn_end *item)
{
    struct live *live = LOOP_OWNER(item, struct live, burial);
    if (!live->mirror) places_give(&live->relay->ground.places);
    live_free(live);
}

void live_mark_dirty(struct live *live)
{
    loop_at_turn_end(&live->relay->ground.loop, LOOP_SHOW, &live->showing);
}

static void count(struct live *live, int by)
{
    metrics_move(live->mirror ? &metrics->gauges.attached_elsewhere : &metrics->gauges.answers_live, by);
    if (live->mirror) live->relay->mirrors += by;
}

static struct live **list_of(struct live *live)
{
    return live->replay ? &live->relay->replays : &live->relay->lives;
}

void live_link(struct live *live)
{
    struct relay *relay = live->relay;
    struct live **list = list_of(live);
    live->next = *list;
    if (live->next) live->next->previous = live;
    *list = live;
    if (live->replay) return;
    count(live, 1);
    struct live **bucket = bucket_of(relay, live->message.id);
    live->hash_next = *bucket;
    *bucket = live;
    beat_look(relay);
}

static void unlink_live(struct live *live)
{
    struct relay *relay = live->relay;
    if (live->previous)
        live->previous->next = live->next;
    else
        *list_of(live) = live->next;
    if (live->next) live->next->previous = live->previous;
    if (live->replay) return;
    count(live, -1);
    struct live **bucket = bucket_of(relay, live->message.id);
    while (*bucket != live) bucket = &(*bucket)->hash_next;
    *bucket = live->hash_next;
}

/* Nothing is left to do for it: memory goes at the end of the turn. */
void live_bury_if_over(struct live *live)
{
    bool over = live->mirror ? !live->listeners : live->phase == LIVE_TOLD && live->saved && !live->listeners;
    if (live->gone || !over || live->job_running) return;
    struct relay *relay = live->relay;
    if (!live->mirror && live->logged) beat_note_ended(live);
    beat_forget(live);
    unlink_live(live);
    timer_clear(&relay->ground.loop.timers, &live->timer);
    live->gone = true;
    loop_at_turn_end(&relay->ground.loop, LOOP_FREE, &live->burial);
}

/* ---- deadlines ---- */

static void sooner(int64_t *at_ms, int64_t candidate_ms)
{
    if (candidate_ms < *at_ms) *at_ms = candidate_ms;
}

void live_arm(struct live *live)
{
    if (live->gone) return;
    int64_t at_ms = INT64_MAX;
    if (live->phase < LIVE_SAVING && live->detach_at_ms) sooner(&at_ms, live->detach_at_ms);
    if (live->phase == LIVE_SAVING && !live->mirror) sooner(&at_ms, live->ended_ms + TELL_AT_LATEST_MS);
    if ((live->mirror || live->phase >= LIVE_SAVING) && !live->saved && !live->job_running)
        sooner(&at_ms, live->finish_retry_ms);
    for (const struct attached *attached = live->listeners; attached; attached = attached->next) {
        if (attached->blocked) sooner(&at_ms, patience_next_ms(&attached->patience));
        if (live->phase < LIVE_TOLD) sooner(&at_ms, live->shown_ms + PING_MS);
    }
    if (at_ms == INT64_MAX) return;
    if (live->timer.slot && live->timer.at_ms <= at_ms) return; /* looked at again when it fires */
    timer_set(&live->relay->ground.loop.timers, &live->timer, at_ms);
}

/* ---- listeners ---- */

/* After whatever may have changed it. */
static void count_detached(struct live *live)
{
    bool detached = !live->mirror && !live->listeners && live->phase < LIVE_SAVING;
    if (detached == live->counted_detached) return;
    live->counted_detached = detached;
    metrics_move(&metrics->gauges.answers_detached, detached ? 1 : -1);
}

static void let_go(struct attached *attached)
{
    struct live *live = attached->live;
    struct attached **place = &live->listeners;
    while (*place != attached) place = &(*place)->next;
    *place = attached->next;
    loop_unwatch(&live->relay->ground.loop, &attached->watch);
    attached->listener->ops->close(attached->listener);
    attached->listener = NULL;
    if (attached->reader) places_give_reader(&live->relay->ground.places, live->caller.user_id);
    if (live->listeners) return;
    count_detached(live);
    if (live->phase >= LIVE_SAVING || live->mirror) {
        live_bury_if_over(live);
        return;
    }
    live->detach_at_ms = live->relay->ground.loop.now_ms + live->relay->settings.detach_grace_ms;
    if (live->relay->settings.detach_grace_ms == 0 && live->watched_until_ms <= live->relay->ground.loop.now_ms)
        live_end(live, ANSWER_STOPPED, CHAT_OK);
    else
        live_arm(live);
}

static enum listener_state show_title(struct attached *attached)
{
    attached->title_due = false;
    return attached->listener->ops->title(attached->listener, attached->live->title,
                                          &attached->live->relay->ground.scratch);
}

/* false: it was let go. */
static bool settle_state(struct attached *attached, enum listener_state state)
{
    struct relay *relay = attached->live->relay;
    if (state == LISTENER_GONE || (state == LISTENER_READY && attached->ended)) {
        let_go(attached);
        return false;
    }
    if (state == LISTENER_BLOCKED && !attached->blocked) {
        patience_begin(&attached->patience, relay->ground.loop.now_ms);
        attached->listener->ops->took(attached->listener);
        attached->blocked = true;
        loop_watch(&relay->ground.loop, &attached->watch, EPOLLRDHUP | EPOLLOUT);
        live_arm(attached->live);
    } else if (state == LISTENER_READY && attached->blocked) {
        attached->blocked = false;
        loop_watch(&relay->ground.loop, &attached->watch, EPOLLRDHUP);
    }
    return true;
}

static void pump_listener(struct attached *attached)
{
    struct live *live = attached->live;
    struct buf *scratch = &live->relay->ground.scratch;
    struct answer_text text = {live->reasoning.data, live->reasoning.len, live->content.data, live->content.len};
    if (attached->ended || attached->blocked) return;
    enum listener_state state = LISTENER_READY;
    if (attached->title_due) state = show_title(attached);
    if (state == LISTENER_READY) state = attached->listener->ops->text(attached->listener, &text, scratch);
    if (state == LISTENER_READY && live->phase == LIVE_TOLD) {
        struct answer_final final = {
            .error = live->error,
            .retry_after_s = live->retry_after_s,
            .tried_out = live->tried_out,
            .account_refused = live->account_refused,
            .says = live->says,
            .message = &live->message,
            .session = &live->session,
            .quota = &live->quota,
        };
        attached->ended = true;
        state = attached->listener->ops->end(attached->listener, &final, scratch);
    }
    settle_state(attached, state);
}

static void pump_listeners(struct live *live)
{
    struct attached *attached = live->listeners;
    while (attached) {
        struct attached *next = attached->next;
        pump_listener(attached);
        attached = next;
    }
}

static void on_listener(struct watch *watch, uint32_t events)
{
    struct attached *attached = (struct attached *)watch;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        let_go(attached);
        return;
    }
    if (!(events & EPOLLOUT)) return;
    enum listener_state state = attached->listener->ops->writable(attached->listener);
    patience_begin(&attached->patience, attached->live->relay->ground.loop.now_ms);
    if (settle_state(attached, state) && state == LISTENER_READY) pump_listener(attached);
}

void live_attach(struct live *live, struct answer_listener *listener, bool reader)
{
    struct relay *relay = live->relay;
    struct attached *attached = calloc(1, sizeof *attached);
    if (!attached) abort();
    attached->watch = (struct watch){.on_event = on_listener, .fd = listener->ops->fd(listener)};
    attached->live = live;
    attached->listener = listener;
    attached->reader = reader;
    attached->next = live->listeners;
    live->listeners = attached;
    count_detached(live);
    live->detach_at_ms = 0;
    if (!attached->next) live->shown_ms = relay->ground.loop.now_ms; /* others wait for their ping already */
    if (!loop_watch(&relay->ground.loop, &attached->watch, EPOLLRDHUP)) {
        let_go(attached);
        return;
    }
    if (settle_state(attached, listener->ops->open(listener, &relay->ground.scratch))) pump_listener(attached);
    live_arm(live);
}

void live_let_all_go(struct live *live)
{
    while (live->listeners) let_go(live->listeners);
}

/* Somebody is attached in another process: that counts as here. It is told again every few seconds. */
void live_watched(struct live *live)
{
    live->watched_until_ms = live->relay->ground.loop.now_ms + WATCHED_MS;
    if (live->detach_at_ms && live->detach_at_ms < live->watched_until_ms + live->relay->settings.detach_grace_ms)
        live->detach_at_ms = live->watched_until_ms + live->relay->settings.detach_grace_ms;
    beat_followed(live);
}

void live_title(struct live *live, const char *title)
{
    live->title = arena_strdup(&live->strings, title);
    struct attached *attached = live->listeners;
    while (attached) {
        struct attached *next = attached->next;
        attached->title_due = !attached->ended;
        if (attached->title_due && !attached->blocked) settle_state(attached, show_title(attached));
        attached = next;
    }
}

static void ping_listeners(struct live *live)
{
    struct attached *attached = live->listeners;
    while (attached) {
        struct attached *next = attached->next;
        if (!attached->blocked)
            settle_state(attached, attached->listener->ops->ping(attached->listener, &live->relay->ground.scratch));
        attached = next;
    }
    live->shown_ms = live->relay->ground.loop.now_ms;
}

static void drop_slow_listeners(struct live *live)
{
    struct attached *attached = live->listeners;
    while (attached) {
        struct attached *next = attached->next;
        if (attached->blocked && live->relay->ground.loop.now_ms >= patience_next_ms(&attached->patience)) {
            bool took = attached->listener->ops->took(attached->listener);
            if (patience_over(&attached->patience, took, live->relay->ground.loop.now_ms)) let_go(attached);
        }
        attached = next;
    }
}

/* ---- the text ---- */

/* Listeners get it in this very turn. */
static void take_text(struct live *live, struct buf *to, const char *text, size_t len)
{
    int64_t now_ms = live->relay->ground.loop.now_ms;
    if (!buf_append(to, text, len)) question_break(live->question, "answer over its bound");
    live->shown_ms = now_ms;
    if (!live->first_text_ms) {
        live->first_text_ms = now_ms;
        metrics_observe(&metrics->counters.first_token, now_ms - live->started_ms);
    }
    metrics_add(&metrics->counters.chunks, 1);
    metrics_add(&metrics->counters.chunk_bytes, len);
    question_alive(live->question);
    question_fine(live->question);
    beat_news(live);
    live_mark_dirty(live);
}

static void take_content(void *context, const char *text, size_t len)
{
    struct live *live = context;
    take_text(live, &live->content, text, len);
}

static void take_reasoning(void *context, const char *text, size_t len)
{
    struct live *live = context;
    take_text(live, &live->reasoning, text, len);
}

/* ---- the end ---- */

static void log_end(const struct live *live)
{
    struct log_subject subject = {.request_id = live->request_id,
                                  .trace_id = live->trace.trace_id,
                                  .span_id = live->trace.span_id,
                                  .user_id = live->ticket.user_id,
                                  .session_id = live->message.session_id,
                                  .message_id = live->message.id};
    log_set_subject(&subject);
    log_write(live->error ? LOG_WARN : LOG_INFO, "answer_ended",
              LOG_STR("status", message_status_name(live->message.status)),
              LOG_STR("code", live->error ? error_code(live->error) : NULL), LOG_STR("model", live->message.model),
              LOG_INT("first_token_ms", live->first_text_ms ? live->first_text_ms - live->started_ms : -1),
              LOG_INT("duration_ms", live->ended_ms - live->started_ms), LOG_INT("content_bytes", live->content.len),
              LOG_INT("completion_tokens", live->message.usage.completion_tokens),
              LOG_INT("tries", question_facts(live->question)->tries));
    log_set_subject(NULL);
}

static void submit_finish(struct live *live)
{
    live->job_running = true;
    live->finish_tries++;
    job_pool_submit(live->relay->ground.jobs, &live->job);
}

/* What its question has come to. */
static void take_facts(struct live *live, const struct question_facts *facts)
{
    struct message *message = &live->message;
    live->tried_out = facts->tries > 1;
    message->model = facts->model;
    message->usage = facts->told.usage;
    message->finish_reason = facts->told.finish_reason;
    finish_answer_count_tokens(message, (int64_t)facts->body_len, facts->answered);
    if (!facts->starts_at) return;
    memcpy(live->session.context_starts_at, facts->starts_at, UUID_TEXT_SIZE);
    live->moves_start = true;
}

void live_end(struct live *live, enum answer_event event, enum chat_error error)
{
    enum message_status status;
    if (live->mirror || live->phase >= LIVE_SAVING || !answer_next(MESSAGE_STREAMING, event, &status)) return;
    const struct question_facts *facts = question_facts(live->question);
    question_stop(live->question);
    live->phase = LIVE_SAVING;
    count_detached(live);
    live->error = error;
    live->event = event;
    /* not the turn's time: a process that was frozen in mid-turn would take the stores for slow, and tell before they
     * know */
    live->ended_ms = clock_mono_ms(live->relay->settings.clock);
    struct message *message = &live->message;
    message->status = status;
    message->content = live->content.data ? live->content.data : "";
    message->content_len = live->content.len;
    message->reasoning = live->reasoning.len ? live->reasoning.data : NULL;
    message->reasoning_len = live->reasoning.len;
    take_facts(live, facts);
    live->finish =
        (struct finish_answer){.message = message,
                               .supersedes = live->supersedes_id != NULL,
                               .context_starts_at = live->moves_start ? live->session.context_starts_at : NULL,
                               .leaving = {&live->ticket, &facts->breaker, facts->outcome, facts->rest_s, false}};
    log_end(live);
    submit_finish(live);
    beat_ended(live);
    live_mark_dirty(live);
    live_arm(live);
}

void live_tell(struct live *live)
{
    if (live->phase != LIVE_SAVING) return;
    live->phase = LIVE_TOLD;
    pump_listeners(live);
}

static void finished(struct job *job)
{
    struct live *live = (struct live *)job;
    live->job_running = false;
    if (live->has_saved_quota) live->quota = live->saved_quota;
    if (live->has_saved_session) {
        live->session = live->saved_session;
        live->has_saved_session = false;
    }
    bool outage =
        live->finish_error == CHAT_ERR_DATABASE_UNAVAILABLE || live->finish_error == CHAT_ERR_QUOTA_UNAVAILABLE;
    if (live->finish_error && (outage || live->finish_tries < FINISH_TRIES_MAX)) {
        int64_t wait_ms = (int64_t)FINISH_RETRY_MIN_MS << (live->finish_tries < 8 ? live->finish_tries : 8);
        live->finish_retry_ms =
            live->relay->ground.loop.now_ms + (wait_ms < FINISH_RETRY_MAX_MS ? wait_ms : FINISH_RETRY_MAX_MS);
        live_arm(live);
        return;
    }
    if (live->finish_error)
        log_write(LOG_ERROR, "answer_not_saved", LOG_STR("message_id", live->message.id),
                  LOG_STR("code", error_code(live->finish_error)));
    live->saved = true;
    live_tell(live);
    live_bury_if_over(live);
}

/* ---- the provider ---- */

static void on_over(void *owner, const struct question_end *end)
{
    struct live *live = owner;
    live->retry_after_s = end->retry_after_s;
    live->says = end->says;
    live->account_refused = end->account_refused;
    live_end(live, end->error == CHAT_OK ? ANSWER_FINISHED : ANSWER_FAILED, end->error);
}

static struct question *new_question(struct live *live, const struct answer_spec *spec)
{
    static const struct question_ops ops = {.over = on_over};
    const struct question_spec question = {
        .ops = &ops,
        .owner = live,
        .sink = {.content = take_content, .reasoning = take_reasoning, .context = live},
        .streamed = true,
        .body = spec->body,
        .body_len = spec->body_len,
        .model = live->message.model,
        .cut = spec->cut,
        .breaker = spec->breaker,
        .trace = &live->trace,
        .id_name = "message_id",
        .id = live->message.id};
    return question_new(live->relay->ground.upstream, &question);
}

void live_start(struct live *live)
{
    live_link(live);
    live->started_ms = live->shown_ms = live->relay->ground.loop.now_ms;
    beat_news(live);
    question_ask(live->question);
    live_arm(live);
}

static void on_timer(void *owner)
{
    struct live *live = owner;
    int64_t now_ms = live->relay->ground.loop.now_ms;
    if (live->gone) return;
    if (live->phase < LIVE_SAVING && live->detach_at_ms && now_ms >= live->detach_at_ms) {
        if (live->watched_until_ms > now_ms)
            live->detach_at_ms = live->watched_until_ms;
        else
            live_end(live, ANSWER_STOPPED, CHAT_OK);
    }
    if (live->phase < LIVE_TOLD && now_ms - live->shown_ms >= PING_MS) ping_listeners(live);
    if (live->mirror && !live->saved && !live->job_running && live->finish_retry_ms && now_ms >= live->finish_retry_ms)
        mirror_load(live);
    else if (live->phase >= LIVE_SAVING && !live->saved && !live->job_running && now_ms >= live->finish_retry_ms)
        submit_finish(live);
    if (live->phase == LIVE_SAVING && now_ms - live->ended_ms >= TELL_AT_LATEST_MS) live_tell(live);
    drop_slow_listeners(live);
    live_arm(live);
}

static void show(struct turn_end *item)
{
    struct live *live = LOOP_OWNER(item, struct live, showing);
    if (!live->gone) pump_listeners(live);
}
