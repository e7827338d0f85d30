#include "relay/follower.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "domain/answer.h"
#include "metrics/metrics.h"
#include "relay/audience.h"
#include "usecases/ports.h"

enum { TEXT_MAX_BYTES = 2 << 20, LOOK_AGAIN_MS = 1000 };

struct follower {
    struct job job; /* first: looks at the row */
    struct followers *all;
    struct ground *ground;
    struct follower *previous, *next; /* among the replays */
    struct followed followed;
    struct audience audience;
    struct timer timer; /* when to look at the row again */
    struct turn_end burial;
    bool gone, replay;
    bool over;    /* its end is known, and listeners are told */
    bool looking; /* the job runs: `row` is the job's */

    struct message message;
    struct session session;
    struct caller caller;
    struct quota quota;
    struct arena strings; /* what message and session point to */
    struct buf content, reasoning;
    struct answer_final final;
    struct found_row {
        struct message message;
        struct session session;
        struct quota quota;
        struct arena strings;
        bool has_message, has_session, has_quota;
    } row;
};

bool follower_is_replay(const struct follower *follower)
{
    return follower->replay;
}

const char *follower_answer_id(const struct follower *follower)
{
    return follower->followed.registered.answer_id;
}

struct follower *follower_of(struct registered *registered)
{
    return LOOP_OWNER(registered, struct follower, followed.registered);
}

/* ---- its row ---- */

/* On a job thread. */
static void run_look(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct follower *follower = (struct follower *)job;
    struct found_row *row = &follower->row;
    const struct caller *caller = &follower->caller;
    arena_reset(&row->strings);
    row->has_message = message_repo_get(ports->messages, caller->user_id, follower_answer_id(follower), &row->strings,
                                        &row->message) == CHAT_OK &&
                       answer_is_final(row->message.status);
    if (!row->has_message) return;
    row->has_session = session_repo_get(ports->sessions, caller->user_id, follower->message.session_id, &row->strings,
                                        &row->session) == CHAT_OK; /* else it was deleted */
    row->has_quota = admission_peek(ports->admission, caller, &row->quota) == CHAT_OK;
}

static void look(struct follower *follower)
{
    if (follower->looking || follower->over) return;
    timer_clear(&follower->ground->loop.timers, &follower->timer);
    follower->looking = true;
    job_pool_submit(follower->ground->jobs, &follower->job);
}

static void on_timer(void *owner)
{
    look(owner);
}

/* The row has the last word: what the log lacked of its text is added now. If the log had more (the writer died before
 * it was saved), the text is cut back, so that the closing event and the text are what is stored. */
static void take_text(struct buf *buf, const char *text, size_t len)
{
    if (len > buf->len)
        buf_append(buf, text + buf->len, len - buf->len);
    else
        buf->len = len;
}

static void take_row(struct follower *follower, const struct message *row)
{
    take_text(&follower->content, row->content, row->content_len);
    take_text(&follower->reasoning, row->reasoning, row->reasoning_len);
    follower->message = *row;
    follower->final.error = answer_error(row->status);
    follower->over = follower->followed.over = true;
}

/* Nobody is attached any more: memory goes at the end of the turn. */
static void bury_if_over(struct follower *follower)
{
    struct followers *all = follower->all;
    if (follower->gone || follower->audience.first || follower->looking) return;
    follower->gone = true;
    if (!follower->replay) {
        exchanges_unfollow(all->exchanges, &follower->followed);
        metrics_move(&metrics->gauges.attached_elsewhere, -1);
    } else if (follower->previous)
        follower->previous->next = follower->next;
    else
        all->replays = follower->next;
    if (follower->next) follower->next->previous = follower->previous;
    timer_clear(&follower->ground->loop.timers, &follower->timer);
    loop_at_turn_end(&follower->ground->loop, LOOP_FREE, &follower->burial);
}

static void looked(struct job *job)
{
    struct follower *follower = (struct follower *)job;
    const struct found_row *row = &follower->row;
    struct loop *loop = &follower->ground->loop;
    follower->looking = false;
    if (row->has_message) {
        take_row(follower, &row->message);
        if (row->has_session) follower->session = row->session;
        if (row->has_quota) follower->quota = row->quota;
        audience_tell(&follower->audience, &follower->final);
    } else if (!timer_set(&loop->timers, &follower->timer, loop->now_ms + LOOK_AGAIN_MS))
        abort();
    bury_if_over(follower);
}

/* ---- what the log has ---- */

static void take_read(struct followed *followed, const struct log_read *read)
{
    struct follower *follower = LOOP_OWNER(followed, struct follower, followed);
    if (follower->over || (!read->reasoning_len && !read->content_len)) return;
    buf_append(&follower->reasoning, read->reasoning, read->reasoning_len);
    buf_append(&follower->content, read->content, read->content_len);
    audience_show(&follower->audience);
}

static void nobody_writes(struct followed *followed)
{
    look(LOOP_OWNER(followed, struct follower, followed));
}

/* ---- its life ---- */

static void all_left(struct audience *audience)
{
    bury_if_over(LOOP_OWNER(audience, struct follower, audience));
}

void follower_attach(struct follower *follower, struct answer_listener *listener)
{
    audience_attach(&follower->audience, listener, true);
}

void follower_let_all_go(struct follower *follower)
{
    audience_let_all_go(&follower->audience);
}

void followers_let_replays_go(struct followers *followers)
{
    while (followers->replays) follower_let_all_go(followers->replays);
}

/* Of one that is followed the row is looked at once in any case: the answer may be over by now, or its log gone. */
void follower_start(struct follower *follower)
{
    struct followers *all = follower->all;
    if (follower->replay) {
        follower->next = all->replays;
        if (follower->next) follower->next->previous = follower;
        all->replays = follower;
        audience_tell(&follower->audience, &follower->final);
        return;
    }
    metrics_move(&metrics->gauges.attached_elsewhere, 1);
    exchanges_follow(all->exchanges, &follower->followed);
    look(follower);
}

static void free_buried(struct turn_end *item)
{
    follower_free(LOOP_OWNER(item, struct follower, burial));
}

void follower_free(struct follower *follower)
{
    audience_fini(&follower->audience);
    buf_fini(&follower->content);
    buf_fini(&follower->reasoning);
    arena_fini(&follower->strings);
    arena_fini(&follower->row.strings);
    free(follower);
}

void followers_close(struct followers *followers)
{
    while (followers->replays) {
        struct follower *follower = followers->replays;
        followers->replays = follower->next;
        follower_free(follower);
    }
}

/* The text is held once: in the buffers that listeners are shown. */
static void make_replay(struct follower *follower, const struct message *row)
{
    buf_init(&follower->content, row->content_len);
    buf_init(&follower->reasoning, row->reasoning_len);
    take_row(follower, row);
    follower->replay = true;
    follower->message.model = arena_strdup(&follower->strings, row->model);
    follower->message.finish_reason = arena_strdup(&follower->strings, row->finish_reason);
    follower->message.content = follower->content.data ? follower->content.data : "";
    follower->message.reasoning = follower->reasoning.len ? follower->reasoning.data : NULL;
}

static void copy_attach(struct follower *follower, const struct answer_attach *attach)
{
    struct arena *strings = &follower->strings;
    follower->message = *attach->answer;
    follower->message.model = arena_strdup(strings, attach->answer->model);
    follower->message.content = "";
    follower->session = *attach->session;
    follower->session.title = arena_strdup(strings, attach->session->title);
    follower->session.model = arena_strdup(strings, attach->session->model);
    follower->caller = *attach->caller;
    follower->caller.groups = NULL; /* the call's, which is over before this */
    follower->quota = *attach->quota;
}

static void init_parts(struct follower *follower)
{
    arena_init(&follower->strings);
    arena_init(&follower->row.strings);
    buf_init(&follower->content, TEXT_MAX_BYTES);
    buf_init(&follower->reasoning, TEXT_MAX_BYTES);
    follower->job = (struct job){.run = run_look, .done = looked, .loop = &follower->ground->loop};
    follower->burial.run = free_buried;
    follower->timer = (struct timer){.owner = follower, .fire = on_timer};
    follower->followed = (struct followed){.registered.kind = REGISTERED_FOLLOWER,
                                           .text = take_read,
                                           .unwritten = nobody_writes,
                                           .reasoning = &follower->reasoning,
                                           .content = &follower->content};
    follower->audience = (struct audience){.ground = follower->ground,
                                           .left = all_left,
                                           .user_id = follower->caller.user_id,
                                           .reasoning = &follower->reasoning,
                                           .content = &follower->content};
    audience_init(&follower->audience);
    follower->final =
        (struct answer_final){.message = &follower->message, .session = &follower->session, .quota = &follower->quota};
}

struct follower *follower_new(struct followers *followers, const struct answer_attach *attach)
{
    struct follower *follower = must_calloc(1, sizeof *follower);
    follower->all = followers;
    follower->ground = followers->ground;
    init_parts(follower);
    copy_attach(follower, attach);
    follower->followed.registered.answer_id = follower->message.id;
    if (answer_is_final(attach->answer->status)) make_replay(follower, attach->answer);
    return follower;
}
