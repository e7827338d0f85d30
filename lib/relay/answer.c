/*
 * The life of an answer: what happens in each phase. `-`: it can't come then. docs/architecture.md has the same table.
 *
 *   what comes            WRITING                        SAVING                         TOLD
 *   ──────────            ───────                        ──────                         ────
 *   the phase begins      start: registered, provider    answer_end: question stopped,  tell
 *                         asked, client attached         a job writes the row
 *   text                  kept, and due for the log;     -                              -
 *                         shown at the turn's end
 *   question over         → SAVING: finished or failed   -                              -
 *   stop, here or there   → SAVING: stopped              nothing                        nothing
 *   shut-down             → SAVING: lost                 nothing                        nothing
 *   row saved             -                              → TOLD                         gone, if nobody is attached
 *   saving failed         -                              again in 0.2 to 2 s            again in 0.2 to 2 s
 *   2 s since its end     -                              → TOLD, and saved later        -
 *   a listener comes      given the text so far; ends    given the text; waits          given the text and the closing
 *                         the grace                                                     event
 *   a title               given to all; kept             the same                       the same, to whoever is behind
 *   last listener left    the grace begins (of 0: a      nothing                        gone, if the row is saved
 *                         stop)
 *   watched elsewhere     puts the grace off             nothing                        nothing
 *   grace is over         a stop, unless it is watched   -                              -
 *
 * answer_end gives what the decoder still held to the listeners before SAVING begins. TOLD begins with the closing
 * event to all who are attached. An error that is no outage of a store counts as saved after the fifth try. "Gone": out
 * of the registry at once; memory and place go at the turn's end (bury_if_over).
 */
#include "relay/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "relay/audience.h"
#include "upstream/question.h"
#include "usecases/finish_answer.h"

enum {
    TEXT_MAX_BYTES = 2 << 20,
    TELL_AT_LATEST_MS = 2000, /* the closing event doesn't wait longer for the stores */
    FINISH_RETRY_MIN_MS = 100,
    FINISH_RETRY_MAX_MS = 2000,
    FINISH_TRIES_MAX = 5, /* for errors that are no outage */
};

enum answer_phase { ANSWER_WRITING, ANSWER_SAVING, ANSWER_TOLD };

struct answer {
    struct job job; /* first: writes the row */
    struct post post;
    struct answer_listener *came; /* the client that asked, until `start` attaches it */
    struct ground *ground;
    struct exchanges *exchanges;
    struct logged logged;
    struct audience audience;
    struct question *question;
    struct timer timer;
    struct turn_end burial; /* frees it, at the turn's end */
    enum answer_phase phase;
    bool gone;             /* burial is due */
    bool counted_detached; /* in the metrics, as an answer that nobody is attached to */

    struct message message;
    struct session session;
    struct arena strings; /* what message, session and the ids below point to */
    const char *request_id;
    const char *supersedes_id; /* NULL: none */
    struct trace trace;
    struct admission_ticket ticket;
    struct caller caller;
    struct quota quota;
    bool moves_start; /* as in struct answer_spec */
    struct buf content, reasoning;
    int64_t started_ms, first_text_ms, ended_ms;
    int grace_ms;
    int64_t detach_at_ms; /* when the grace is over; 0: somebody is attached */

    struct answer_final final; /* how it ended, from SAVING on */
    struct log_end end;        /* the same, for the log */
    struct saving {            /* the job's, while it runs */
        struct finish_answer finish;
        enum chat_error error; /* of the last try */
        struct session session;
        struct quota quota;
        struct arena strings;
        bool has_session, has_quota;
        bool running, done; /* the loop's */
        int tries;
        int64_t retry_ms;
    } saving;
};

struct answer *answer_of(struct registered *registered)
{
    return LOOP_OWNER(registered, struct answer, logged.registered);
}

const struct admission_ticket *answer_ticket(const struct answer *answer)
{
    return &answer->ticket;
}

static void set_subject(const struct answer *answer, struct log_subject *subject)
{
    *subject = (struct log_subject){.request_id = answer->request_id,
                                    .trace_id = answer->trace.trace_id,
                                    .span_id = answer->trace.span_id,
                                    .user_id = answer->ticket.user_id,
                                    .session_id = answer->message.session_id,
                                    .message_id = answer->message.id};
    log_set_subject(subject);
}

static struct session copy_session(const struct session *session, struct arena *strings)
{
    struct session copy = *session;
    copy.title = arena_strdup(strings, session->title);
    copy.model = arena_strdup(strings, session->model);
    return copy;
}

/* ---- its deadlines, and its end in memory ---- */

static void sooner(int64_t *at_ms, int64_t candidate_ms)
{
    if (candidate_ms < *at_ms) *at_ms = candidate_ms;
}

static bool is_to_be_saved(const struct answer *answer)
{
    return answer->phase >= ANSWER_SAVING && !answer->saving.done && !answer->saving.running;
}

static void arm(struct answer *answer)
{
    if (answer->gone) return;
    int64_t at_ms = INT64_MAX;
    if (answer->phase == ANSWER_WRITING && answer->detach_at_ms) sooner(&at_ms, answer->detach_at_ms);
    if (answer->phase == ANSWER_SAVING) sooner(&at_ms, answer->ended_ms + TELL_AT_LATEST_MS);
    if (is_to_be_saved(answer)) sooner(&at_ms, answer->saving.retry_ms);
    if (at_ms == INT64_MAX) return;
    if (answer->timer.slot && answer->timer.at_ms <= at_ms) return; /* looked at again when it fires */
    timer_set(&answer->ground->loop.timers, &answer->timer, at_ms);
}

void answer_free(struct answer *answer)
{
    question_free(answer->question);
    audience_fini(&answer->audience);
    buf_fini(&answer->content);
    buf_fini(&answer->reasoning);
    arena_fini(&answer->strings);
    arena_fini(&answer->saving.strings);
    free(answer);
}

static void free_buried(struct turn_end *item)
{
    struct answer *answer = LOOP_OWNER(item, struct answer, burial);
    places_give(&answer->ground->places);
    answer_free(answer);
}

/* Called after whatever may have been the last thing to do for it. */
static void bury_if_over(struct answer *answer)
{
    if (answer->gone || answer->phase != ANSWER_TOLD || !answer->saving.done || answer->saving.running) return;
    if (answer->audience.first) return;
    answer->gone = true;
    exchanges_remove(answer->exchanges, &answer->logged);
    metrics_move(&metrics->gauges.answers_live, -1);
    timer_clear(&answer->ground->loop.timers, &answer->timer);
    loop_at_turn_end(&answer->ground->loop, LOOP_FREE, &answer->burial);
}

/* ---- who is attached ---- */

/* Called after whatever may have changed whether somebody is attached. */
static void count_detached(struct answer *answer)
{
    bool detached = !answer->audience.first && answer->phase == ANSWER_WRITING;
    if (detached == answer->counted_detached) return;
    answer->counted_detached = detached;
    metrics_move(&metrics->gauges.answers_detached, detached ? 1 : -1);
}

static void all_left(struct audience *audience)
{
    struct answer *answer = LOOP_OWNER(audience, struct answer, audience);
    int64_t now_ms = answer->ground->loop.now_ms;
    count_detached(answer);
    if (answer->phase >= ANSWER_SAVING) {
        bury_if_over(answer);
        return;
    }
    answer->detach_at_ms = now_ms + answer->grace_ms;
    if (answer->grace_ms == 0 && answer->logged.watched_until_ms <= now_ms)
        answer_end(answer, ANSWER_STOPPED, CHAT_OK);
    else
        arm(answer);
}

static void attach(struct answer *answer, struct answer_listener *listener, bool reader)
{
    answer->detach_at_ms = 0;
    audience_attach(&answer->audience, listener, reader);
    count_detached(answer);
}

void answer_attach(struct answer *answer, struct answer_listener *listener)
{
    attach(answer, listener, true);
}

/* Somebody is attached in another process: that counts as here. */
static void watched(struct logged *logged)
{
    struct answer *answer = LOOP_OWNER(logged, struct answer, logged);
    if (answer->detach_at_ms && answer->detach_at_ms < logged->watched_until_ms + answer->grace_ms)
        answer->detach_at_ms = logged->watched_until_ms + answer->grace_ms;
}

void answer_title(struct answer *answer, const char *title)
{
    answer->session.title = arena_strdup(&answer->strings, title);
    answer->session.title_source = TITLE_MODEL;
    audience_title(&answer->audience, answer->session.title);
}

/* ---- the text ---- */

/* Listeners get it at this turn's end. */
static void take_text(struct answer *answer, struct buf *to, const char *text, size_t len)
{
    if (!buf_append(to, text, len)) question_break(answer->question, "answer over its bound");
    if (!answer->first_text_ms) {
        answer->first_text_ms = answer->ground->loop.now_ms;
        metrics_observe(&metrics->counters.first_token, answer->first_text_ms - answer->started_ms);
    }
    metrics_add(&metrics->counters.chunks, 1);
    metrics_add(&metrics->counters.chunk_bytes, len);
    question_alive(answer->question);
    question_fine(answer->question);
    exchanges_news(answer->exchanges, &answer->logged);
    audience_show(&answer->audience);
}

static void take_content(void *context, const char *text, size_t len)
{
    struct answer *answer = context;
    take_text(answer, &answer->content, text, len);
}

static void take_reasoning(void *context, const char *text, size_t len)
{
    struct answer *answer = context;
    take_text(answer, &answer->reasoning, text, len);
}

/* ---- the end ---- */

static void log_ended(const struct answer *answer)
{
    enum chat_error error = answer->final.error;
    struct log_subject subject;
    set_subject(answer, &subject);
    log_write(
        error ? LOG_WARN : LOG_INFO, "answer_ended", LOG_STR("status", message_status_name(answer->message.status)),
        LOG_STR("code", error ? error_code(error) : NULL), LOG_STR("model", answer->message.model),
        LOG_INT("first_token_ms", answer->first_text_ms ? answer->first_text_ms - answer->started_ms : -1),
        LOG_INT("duration_ms", answer->ended_ms - answer->started_ms), LOG_INT("content_bytes", answer->content.len),
        LOG_INT("completion_tokens", answer->message.usage.completion_tokens),
        LOG_INT("tries", question_facts(answer->question)->tries));
    log_set_subject(NULL);
}

static void save(struct answer *answer)
{
    answer->saving.running = true;
    answer->saving.tries++;
    job_pool_submit(answer->ground->jobs, &answer->job);
}

/* On a job thread. */
static void run_saving(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct answer *answer = (struct answer *)job;
    struct saving *saving = &answer->saving;
    struct log_subject subject;
    set_subject(answer, &subject);
    struct arena arena;
    arena_init(&arena);
    struct session session;
    bool has_session;
    saving->error = finish_answer(ports, &saving->finish, &arena, &session, &has_session);
    if (has_session) {
        saving->session = copy_session(&session, &saving->strings);
        saving->has_session = true;
    }
    if (saving->error == CHAT_OK && saving->finish.stand.known) {
        saving->quota = saving->finish.stand.quota;
        saving->has_quota = true;
    } else if (saving->error == CHAT_OK)
        saving->has_quota = admission_peek(ports->admission, &answer->caller, &saving->quota) == CHAT_OK;
    arena_fini(&arena);
    log_set_subject(NULL);
}

/* What its question has come to. */
static void take_facts(struct answer *answer, const struct question_facts *facts)
{
    struct message *message = &answer->message;
    answer->final.tried_out = facts->tries > 1;
    message->model = facts->model;
    message->usage = facts->told.usage;
    message->finish_reason = facts->told.finish_reason;
    finish_answer_count_tokens(message, (int64_t)facts->body_len, facts->answered);
    if (!facts->starts_at) return;
    memcpy(answer->session.context_starts_at, facts->starts_at, UUID_TEXT_SIZE);
    answer->moves_start = true;
}

static void take_whole_text(struct answer *answer)
{
    struct message *message = &answer->message;
    message->content = answer->content.data ? answer->content.data : "";
    message->content_len = answer->content.len;
    message->reasoning = answer->reasoning.len ? answer->reasoning.data : NULL;
    message->reasoning_len = answer->reasoning.len;
}

static void prepare_saving(struct answer *answer, const struct question_facts *facts)
{
    answer->saving.finish =
        (struct finish_answer){.message = &answer->message,
                               .supersedes = answer->supersedes_id != NULL,
                               .context_starts_at = answer->moves_start ? answer->session.context_starts_at : NULL,
                               .leaving = {&answer->ticket, &facts->breaker, facts->outcome, facts->rest_s, false}};
}

static struct log_end end_for_log(const struct answer *answer, enum answer_event event)
{
    return (struct log_end){.event = event,
                            .model = answer->message.model,
                            .finish_reason = answer->message.finish_reason,
                            .supersedes_id = answer->supersedes_id,
                            .usage = answer->message.usage,
                            .tokens_estimated = answer->message.tokens_estimated};
}

void answer_end(struct answer *answer, enum answer_event event, enum chat_error error)
{
    enum message_status status;
    if (answer->phase >= ANSWER_SAVING || !answer_next(MESSAGE_STREAMING, event, &status)) return;
    const struct question_facts *facts = question_facts(answer->question);
    question_stop(answer->question);
    answer->phase = ANSWER_SAVING;
    count_detached(answer);
    answer->final.error = error;
    /* not the turn's time: a process that was frozen in mid-turn would believe that 2 s have passed, and tell listeners
     * before the row is written */
    answer->ended_ms = clock_mono_ms(answer->ground->loop.clock);
    answer->message.status = status;
    take_whole_text(answer);
    take_facts(answer, facts);
    prepare_saving(answer, facts);
    log_ended(answer);
    save(answer);
    answer->end = end_for_log(answer, event);
    exchanges_ended(answer->exchanges, &answer->logged, &answer->end, answer->ended_ms);
    arm(answer);
}

static void tell(struct answer *answer)
{
    if (answer->phase != ANSWER_SAVING) return;
    answer->phase = ANSWER_TOLD;
    audience_tell(&answer->audience, &answer->final);
}

/* false: it is to be tried again. */
static bool is_settled(struct answer *answer)
{
    struct saving *saving = &answer->saving;
    bool outage = saving->error == CHAT_ERR_DATABASE_UNAVAILABLE || saving->error == CHAT_ERR_REDIS_UNAVAILABLE;
    if (saving->error && (outage || saving->tries < FINISH_TRIES_MAX)) {
        int64_t wait_ms = (int64_t)FINISH_RETRY_MIN_MS << (saving->tries < 8 ? saving->tries : 8);
        saving->retry_ms =
            answer->ground->loop.now_ms + (wait_ms < FINISH_RETRY_MAX_MS ? wait_ms : FINISH_RETRY_MAX_MS);
        return false;
    }
    if (saving->error)
        log_write(LOG_ERROR, "answer_not_saved", LOG_STR("message_id", answer->message.id),
                  LOG_STR("code", error_code(saving->error)));
    return true;
}

static void saved(struct job *job)
{
    struct answer *answer = (struct answer *)job;
    struct saving *saving = &answer->saving;
    saving->running = false;
    if (saving->has_quota) answer->quota = saving->quota;
    if (saving->has_session) {
        answer->session = saving->session;
        saving->has_session = false;
    }
    if (!is_settled(answer)) {
        arm(answer);
        return;
    }
    saving->done = true;
    answer->logged.end = NULL;
    tell(answer);
    bury_if_over(answer);
}

static void stopped(struct logged *logged)
{
    answer_end(LOOP_OWNER(logged, struct answer, logged), ANSWER_STOPPED, CHAT_OK);
}

static void on_over(void *owner, const struct question_end *end)
{
    struct answer *answer = owner;
    answer->final.retry_after_s = end->retry_after_s;
    answer->final.says = end->says;
    answer->final.account_refused = end->account_refused;
    answer_end(answer, end->error == CHAT_OK ? ANSWER_FINISHED : ANSWER_FAILED, end->error);
}

static void on_timer(void *owner)
{
    struct answer *answer = owner;
    int64_t now_ms = answer->ground->loop.now_ms;
    if (answer->phase == ANSWER_WRITING && answer->detach_at_ms && now_ms >= answer->detach_at_ms) {
        if (answer->logged.watched_until_ms > now_ms)
            answer->detach_at_ms = answer->logged.watched_until_ms;
        else
            answer_end(answer, ANSWER_STOPPED, CHAT_OK);
    }
    if (is_to_be_saved(answer) && now_ms >= answer->saving.retry_ms) save(answer);
    if (answer->phase == ANSWER_SAVING && now_ms - answer->ended_ms >= TELL_AT_LATEST_MS) tell(answer);
    arm(answer);
}

/* ---- its beginning ---- */

static struct question *new_question(struct answer *answer, const struct answer_spec *spec)
{
    static const struct question_ops ops = {.over = on_over};
    const struct question_spec question = {
        .ops = &ops,
        .owner = answer,
        .sink = {.content = take_content, .reasoning = take_reasoning, .context = answer},
        .streamed = true,
        .body = spec->body,
        .body_len = spec->body_len,
        .model = answer->message.model,
        .cut = spec->cut,
        .breaker = spec->breaker,
        .trace = &answer->trace,
        .id_name = "message_id",
        .id = answer->message.id};
    return question_new(answer->ground->upstream, &question);
}

static void init_parts(struct answer *answer)
{
    arena_init_small(&answer->strings);
    arena_init_small(&answer->saving.strings);
    buf_init(&answer->content, TEXT_MAX_BYTES);
    buf_init(&answer->reasoning, TEXT_MAX_BYTES);
    answer->job = (struct job){.run = run_saving, .done = saved, .loop = &answer->ground->loop};
    answer->burial.run = free_buried;
    answer->timer = (struct timer){.owner = answer, .fire = on_timer};
    answer->logged = (struct logged){.registered = {.kind = REGISTERED_ANSWER, .answer_id = answer->message.id},
                                     .stopped = stopped,
                                     .watched = watched,
                                     .reasoning = &answer->reasoning,
                                     .content = &answer->content};
    answer->audience = (struct audience){.ground = answer->ground,
                                         .left = all_left,
                                         .user_id = answer->caller.user_id,
                                         .reasoning = &answer->reasoning,
                                         .content = &answer->content};
    audience_init(&answer->audience);
    answer->final =
        (struct answer_final){.message = &answer->message, .session = &answer->session, .quota = &answer->quota};
}

static void copy_spec(struct answer *answer, const struct answer_spec *spec)
{
    struct arena *strings = &answer->strings;
    answer->message = *spec->answer;
    const char *model = spec->breaker.model ? spec->breaker.model : spec->answer->model; /* the fallback's, maybe */
    answer->message.model = arena_strdup(strings, model);
    answer->message.content = "";
    answer->session = copy_session(spec->session, strings);
    answer->request_id = arena_strdup(strings, spec->request_id);
    if (spec->supersedes_id[0]) answer->supersedes_id = arena_strdup(strings, spec->supersedes_id);
    answer->ticket = spec->ticket;
    answer->trace = spec->trace;
    snprintf(answer->caller.user_id, sizeof answer->caller.user_id, "%s", spec->ticket.user_id);
    answer->caller.is_admin = spec->is_admin;
    answer->quota = spec->quota;
    answer->moves_start = spec->moves_start;
}

static void start(struct post *post)
{
    struct answer *answer = LOOP_OWNER(post, struct answer, post);
    answer->started_ms = answer->ground->loop.now_ms;
    metrics_move(&metrics->gauges.answers_live, 1);
    exchanges_add(answer->exchanges, &answer->logged);
    question_ask(answer->question);
    attach(answer, answer->came, false);
}

void answer_begin(struct ground *ground, struct exchanges *exchanges, int grace_ms, const struct answer_spec *spec,
                  struct answer_listener *listener)
{
    struct answer *answer = must_calloc(1, sizeof *answer);
    answer->ground = ground;
    answer->exchanges = exchanges;
    answer->grace_ms = grace_ms;
    init_parts(answer);
    copy_spec(answer, spec);
    answer->question = new_question(answer, spec);
    answer->came = listener;
    answer->post.run = start;
    loop_post(&ground->loop, &answer->post);
}
