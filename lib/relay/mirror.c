/*
 * An answer that another process writes, followed from here: its text so far comes from the log (beat.c), its end from
 * the row. One that is over is shown from its row alone. To listeners either is an answer like any other.
 */
#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_MS = 1000 };

static void run_load_job(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct live *live = (struct live *)job;
    struct arena *strings = &live->saved_strings;
    arena_reset(strings);
    live->finish_error =
        ports->messages->ops->get(ports->messages, live->caller.user_id, live->message.id, strings, &live->loaded);
    live->has_loaded = live->finish_error == CHAT_OK && answer_is_final(live->loaded.status);
    if (live->has_loaded) {
        struct session session;
        enum chat_error error = ports->sessions->ops->get(ports->sessions, live->caller.user_id,
                                                          live->message.session_id, strings, &session);
        live->has_saved_session = error == CHAT_OK; /* a deleted one stays as it was */
        if (live->has_saved_session) live->saved_session = session;
        live->has_saved_quota =
            ports->admission->ops->peek(ports->admission, &live->caller, &live->saved_quota) == CHAT_OK;
    }
}

/* The row has the last word; what the log lacked of it comes now. A log that had more (its writer died before it was
 * saved) is cut back, so that what the closing event says is what is stored. */
static void take_text(struct buf *buf, const char *text, size_t len)
{
    if (len > buf->len)
        buf_append(buf, text + buf->len, len - buf->len);
    else
        buf->len = len;
}

/* All is there to be told. */
static void take_row(struct live *live, const struct message *row)
{
    take_text(&live->content, row->content, row->content_len);
    take_text(&live->reasoning, row->reasoning, row->reasoning_len);
    live->message = *row;
    live->error = answer_error(row->status);
    live->saved = true;
}

static void loaded(struct job *job)
{
    struct live *live = (struct live *)job;
    live->job_running = false;
    if (!live->has_loaded) {
        live->finish_retry_ms = live->relay->ground.loop.now_ms + LOOK_AGAIN_MS;
        live_arm(live);
        live_bury_if_over(live);
        return;
    }
    take_row(live, &live->loaded);
    if (live->has_saved_session) live->session = live->saved_session;
    if (live->has_saved_quota) live->quota = live->saved_quota;
    live->phase = LIVE_SAVING;
    live_tell(live);
    live_bury_if_over(live);
}

/* The text is held once: in the buffers that listeners are shown. */
static void make_replay(struct live *live, const struct message *row)
{
    buf_init(&live->content, row->content_len);
    buf_init(&live->reasoning, row->reasoning_len);
    take_row(live, row);
    live->replay = true;
    live->phase = LIVE_TOLD;
    live->message.model = arena_strdup(&live->strings, row->model);
    if (row->finish_reason) live->message.finish_reason = arena_strdup(&live->strings, row->finish_reason);
    live->message.content = live->content.data ? live->content.data : "";
    live->message.reasoning = live->reasoning.len ? live->reasoning.data : NULL;
}

struct live *mirror_new(struct relay *relay, const struct answer_attach *attach)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live) abort();
    live_init(live, relay, run_load_job, loaded);
    live->mirror = true;
    live->phase = LIVE_WRITTEN;
    arena_init(&live->strings);
    arena_init(&live->saved_strings);
    live->message = *attach->answer;
    live->message.model = arena_strdup(&live->strings, attach->answer->model);
    live->message.content = "";
    live->session = live_copy_session(attach->session, &live->strings);
    live->request_id = arena_strdup(&live->strings, attach->request_id);
    live->caller = *attach->caller;
    live->caller.groups = NULL; /* the call's, which is over before this */
    live->quota = *attach->quota;
    buf_init(&live->content, ANSWER_MAX_BYTES);
    buf_init(&live->reasoning, ANSWER_MAX_BYTES);
    /* the row is looked at once in any case: the answer may be over by now, or its log gone */
    live->finish_retry_ms = 1;
    if (answer_is_final(attach->answer->status)) make_replay(live, attach->answer);
    return live;
}

void mirror_text(struct live *live, const char *reasoning, size_t reasoning_len, const char *content,
                 size_t content_len)
{
    if (live->phase >= LIVE_SAVING || (!reasoning_len && !content_len)) return;
    buf_append(&live->reasoning, reasoning, reasoning_len);
    buf_append(&live->content, content, content_len);
    live->shown_ms = live->relay->ground.loop.now_ms;
    live_mark_dirty(live);
}

void mirror_load(struct live *live)
{
    if (live->job_running || live->saved) return;
    live->finish_retry_ms = 0;
    live->job_running = true;
    job_pool_submit(live->relay->ground.jobs, &live->job);
}
