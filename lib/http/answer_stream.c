#include "http/answer_stream.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "http/errors.h"
#include "http/views.h"

enum {
    LAG_MAX_BYTES = 256 << 10,  /* a client that is further behind is let go; the answer goes on */
    PIECE_MAX_BYTES = 32 << 10, /* of text in one event, so that a long replay stays in small events */
    REPLAY_WAIT_MS = 30000,
};

struct http_listener {
    struct answer_listener listener; /* first */
    struct connection *connection;
    const struct clock *clock;
    struct arena strings;
    struct http_response head; /* strings in the arena */
    const char *opening;       /* events: the data of `start`, NULL on a resume; JSON: the fields before `message` */
    size_t opening_len;
    const char *closing; /* JSON: the fields after it */
    size_t closing_len;
    const char *request_id;
    char user_id[USER_ID_SIZE];
    const char *method, *path;
    size_t reasoning_at, content_at; /* sent so far */
    int64_t started_ms;
    int status;
    bool finished;
};

static struct http_listener *of(const struct answer_listener *listener)
{
    return (struct http_listener *)(uintptr_t)listener;
}

static enum listener_state state_of(enum connection_state state)
{
    return state == CONNECTION_READY ? LISTENER_READY : state == CONNECTION_BLOCKED ? LISTENER_BLOCKED : LISTENER_GONE;
}

static int listener_fd(const struct answer_listener *self)
{
    return of(self)->connection->ops->fd(of(self)->connection);
}

static enum listener_state listener_writable(struct answer_listener *self)
{
    return state_of(of(self)->connection->ops->flush(of(self)->connection));
}

static void listener_close(struct answer_listener *self)
{
    struct http_listener *to = of(self);
    struct log_subject subject = {.request_id = to->request_id, .user_id = to->user_id};
    log_set_subject(&subject);
    log_write(LOG_INFO, "request", LOG_STR("method", to->method), LOG_STR("path", to->path),
              LOG_INT("status", to->finished ? to->status : 499), LOG_BOOL("stream", true),
              LOG_INT("duration_ms", clock_mono_ms(to->clock) - to->started_ms));
    log_set_subject(NULL);
    to->connection->ops->close(to->connection);
    arena_fini(&to->strings);
    free(to);
}

static enum listener_state finish(struct http_listener *to)
{
    to->finished = true;
    return state_of(to->connection->ops->finish(to->connection));
}

static enum listener_state send_scratch(struct http_listener *to, struct buf *scratch)
{
    if (scratch->failed) return LISTENER_GONE;
    return state_of(to->connection->ops->write(to->connection, scratch->data, scratch->len));
}

/* ---- an event stream ---- */

static void put_event(struct buf *out, const char *id, const char *name)
{
    if (id) buf_printf(out, "id: %s\n", id);
    buf_printf(out, "event: %s\ndata: ", name);
}

/* One delta or reasoning event for each piece of text from *at on. */
static void put_text(struct http_listener *to, struct buf *out, const char *name, const char *text, size_t len,
                     size_t *at)
{
    /* an id from outside may point into a character */
    while (*at > 0 && *at < len && ((unsigned char)text[*at] & 0xc0) == 0x80) --*at;
    while (*at < len) {
        size_t piece = len - *at;
        if (piece > PIECE_MAX_BYTES) piece = utf8_complete_prefix(text + *at, PIECE_MAX_BYTES);
        const char *from = text + *at;
        *at += piece;
        buf_printf(out, "id: %zu.%zu\nevent: %s\ndata: {\"content\":\"", to->reasoning_at, to->content_at, name);
        json_append_escaped(out, from, piece);
        buf_append(out, "\"}\n\n", 4);
    }
}

static enum listener_state events_open(struct answer_listener *self, struct buf *scratch)
{
    struct http_listener *to = of(self);
    enum connection_state state = to->connection->ops->head(to->connection, &to->head);
    if (state == CONNECTION_GONE || !to->opening) return state_of(state);
    buf_reset(scratch);
    put_event(scratch, "0.0", "start");
    buf_append(scratch, to->opening, to->opening_len);
    buf_append(scratch, "\n\n", 2);
    to->opening = NULL;
    return send_scratch(to, scratch);
}

static enum listener_state events_text(struct answer_listener *self, const struct answer_text *text,
                                       struct buf *scratch)
{
    struct http_listener *to = of(self);
    if (to->connection->ops->pending(to->connection)) {
        size_t shown = to->reasoning_at + to->content_at, all = text->reasoning_len + text->content_len;
        return all > shown + LAG_MAX_BYTES ? LISTENER_GONE : LISTENER_BLOCKED;
    }
    if (to->reasoning_at >= text->reasoning_len && to->content_at >= text->content_len) return LISTENER_READY;
    buf_reset(scratch);
    put_text(to, scratch, "reasoning", text->reasoning, text->reasoning_len, &to->reasoning_at);
    put_text(to, scratch, "delta", text->content, text->content_len, &to->content_at);
    return send_scratch(to, scratch);
}

static enum listener_state events_title(struct answer_listener *self, const char *title, struct buf *scratch)
{
    struct http_listener *to = of(self);
    struct json_writer json;
    buf_reset(scratch);
    put_event(scratch, NULL, "title");
    json_writer_init(&json, scratch);
    json_begin_object(&json);
    json_field_string(&json, "title", title);
    json_end_object(&json);
    buf_append(scratch, "\n\n", 2);
    return send_scratch(to, scratch);
}

static enum listener_state events_ping(struct answer_listener *self, struct buf *scratch)
{
    buf_reset(scratch);
    put_event(scratch, NULL, "ping");
    buf_append(scratch, "{}\n\n", 4);
    return send_scratch(of(self), scratch);
}

static enum listener_state events_end(struct answer_listener *self, const struct answer_final *final,
                                      struct buf *scratch)
{
    struct http_listener *to = of(self);
    struct json_writer json;
    buf_reset(scratch);
    put_event(scratch, "end", final->error ? "error" : "done");
    json_writer_init(&json, scratch);
    json_begin_object(&json);
    if (final->error) {
        struct problem problem = {.error = final->error, .retry_after_s = final->retry_after_s};
        json_put_key(&json, "error");
        error_write(&json, &problem, to->request_id);
    }
    json_put_key(&json, "message");
    view_message(&json, final->message, MESSAGE_WITHOUT_TEXT);
    if (!final->error) {
        json_put_key(&json, "session");
        view_session(&json, final->session);
        json_put_key(&json, "quota");
        view_quota(&json, final->quota);
    }
    json_end_object(&json);
    buf_append(scratch, "\n\n", 2);
    if (send_scratch(to, scratch) == LISTENER_GONE) return LISTENER_GONE;
    return finish(to);
}

static const struct answer_listener_ops events_ops = {
    .fd = listener_fd,
    .open = events_open,
    .text = events_text,
    .title = events_title,
    .ping = events_ping,
    .end = events_end,
    .writable = listener_writable,
    .close = listener_close,
};

/* ---- the whole answer as JSON ---- */

static enum listener_state json_open(struct answer_listener *self, struct buf *scratch)
{
    (void)self;
    (void)scratch;
    return LISTENER_READY;
}

static enum listener_state json_text(struct answer_listener *self, const struct answer_text *text, struct buf *scratch)
{
    (void)text;
    (void)scratch;
    return of(self)->connection->ops->pending(of(self)->connection) ? LISTENER_BLOCKED : LISTENER_READY;
}

static enum listener_state json_title(struct answer_listener *self, const char *title, struct buf *scratch)
{
    (void)self;
    (void)title;
    (void)scratch;
    return LISTENER_READY;
}

static enum listener_state json_ping(struct answer_listener *self, struct buf *scratch)
{
    (void)self;
    (void)scratch;
    return LISTENER_READY;
}

static void compose_error(struct http_listener *to, const struct answer_final *final, struct buf *out)
{
    struct problem problem = {.error = final->error, .retry_after_s = final->retry_after_s};
    struct json_writer json;
    to->head.status = error_view(final->error)->status;
    if (final->retry_after_s > 0)
        http_add_header(&to->head, "Retry-After", arena_printf(&to->strings, "%lld", (long long) final->retry_after_s));
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_put_key(&json, "error");
    error_write(&json, &problem, to->request_id);
    json_end_object(&json);
}

static void compose_answer(struct http_listener *to, const struct answer_final *final, struct buf *out)
{
    struct json_writer json;
    buf_append(out, to->opening, to->opening_len);
    json_writer_init(&json, out);
    view_message(&json, final->message, MESSAGE_WHOLE);
    buf_append(out, to->closing, to->closing_len);
}

static enum listener_state json_end(struct answer_listener *self, const struct answer_final *final, struct buf *scratch)
{
    struct http_listener *to = of(self);
    buf_reset(scratch);
    if (final->error)
        compose_error(to, final, scratch);
    else
        compose_answer(to, final, scratch);
    http_add_header(&to->head, "Content-Length", arena_printf(&to->strings, "%zu", scratch->len));
    to->status = to->head.status;
    if (to->connection->ops->head(to->connection, &to->head) == CONNECTION_GONE) return LISTENER_GONE;
    if (send_scratch(to, scratch) == LISTENER_GONE) return LISTENER_GONE;
    return finish(to);
}

static const struct answer_listener_ops json_ops = {
    .fd = listener_fd,
    .open = json_open,
    .text = json_text,
    .title = json_title,
    .ping = json_ping,
    .end = json_end,
    .writable = listener_writable,
    .close = listener_close,
};

/* ---- making them ---- */

static struct http_listener *listener_new(struct http_call *call, const struct answer_listener_ops *ops, int status,
                                          const char *content_type)
{
    struct http_listener *to = calloc(1, sizeof *to);
    if (!to) return NULL;
    to->connection = call->request->ops->take(call->request);
    if (!to->connection) {
        free(to);
        return NULL;
    }
    call->handed_over = true;
    to->listener.ops = ops;
    to->clock = call->ports->clock;
    to->started_ms = call->started_ms;
    arena_init(&to->strings);
    to->request_id = arena_strdup(&to->strings, call->request->request_id);
    to->method = arena_strdup(&to->strings, call->request->method);
    to->path = arena_strdup(&to->strings, call->request->path);
    memcpy(to->user_id, call->caller.user_id, USER_ID_SIZE);
    to->status = to->head.status = status;
    http_add_header(&to->head, "Content-Type", content_type);
    http_add_header(&to->head, "Cache-Control", "no-store");
    return to;
}

/* Header values live in the request's arena: move them to the listener's. */
static void add_quota_headers(struct http_call *call, struct http_listener *to, const struct quota *quota)
{
    size_t from = to->head.header_count;
    call_quota_headers(call, &to->head, quota);
    for (size_t i = from; i < to->head.header_count; i++)
        to->head.headers[i].value = arena_strdup(&to->strings, to->head.headers[i].value);
}

static const char *keep(struct http_listener *to, const struct buf *out, size_t *len)
{
    *len = out->len;
    return arena_strndup(&to->strings, out->data, out->len);
}

struct answer_listener *answer_stream_events(struct http_call *call, const struct answer_stream_start *start)
{
    struct http_listener *to = listener_new(call, &events_ops, 200, "text/event-stream");
    if (!to) return NULL;
    http_add_header(&to->head, "X-Accel-Buffering", "no");
    if (start->counted) add_quota_headers(call, to, start->quota);
    to->reasoning_at = start->reasoning_at;
    to->content_at = start->content_at;
    if (start->resume) return &to->listener;

    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_put_key(&json, "session");
    view_session(&json, start->session);
    json_put_key(&json, "user_message");
    if (start->question)
        view_message(&json, start->question, MESSAGE_WHOLE);
    else
        json_put_null(&json);
    json_put_key(&json, "message");
    view_message(&json, start->answer, MESSAGE_WHOLE);
    json_put_key(&json, "quota");
    view_quota(&json, start->quota);
    json_end_object(&json);
    to->opening = keep(to, &call->out, &to->opening_len);
    return &to->listener;
}

struct answer_listener *answer_stream_json(struct http_call *call, const struct answer_stream_start *start)
{
    struct http_listener *to = listener_new(call, &json_ops, 201, "application/json; charset=utf-8");
    if (!to) return NULL;
    if (start->counted) add_quota_headers(call, to, start->quota);
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    if (start->show_session) {
        json_put_key(&json, "session");
        view_session(&json, start->session);
    }
    json_put_key(&json, "user_message");
    view_message(&json, start->question, MESSAGE_WHOLE);
    json_put_key(&json, "message");
    to->opening = keep(to, &call->out, &to->opening_len);

    json = call_json(call);
    buf_append_str(&call->out, ",\"quota\":");
    view_quota(&json, start->quota);
    buf_append_char(&call->out, '}');
    to->closing = keep(to, &call->out, &to->closing_len);
    return &to->listener;
}

/* ---- without a relay ---- */

/* true: READY in the end. */
static bool wait_ready(struct answer_listener *listener, enum listener_state state)
{
    while (state == LISTENER_BLOCKED) {
        struct pollfd room = {.fd = listener->ops->fd(listener), .events = POLLOUT};
        if (poll(&room, 1, REPLAY_WAIT_MS) <= 0 || !(room.revents & POLLOUT)) return false;
        state = listener->ops->writable(listener);
    }
    return state == LISTENER_READY;
}

void answer_stream_replay(struct answer_listener *listener, const struct answer_text *text,
                          const struct answer_final *final, struct buf *scratch)
{
    if (wait_ready(listener, listener->ops->open(listener, scratch)) &&
        wait_ready(listener, listener->ops->text(listener, text, scratch)))
        wait_ready(listener, listener->ops->end(listener, final, scratch));
    listener->ops->close(listener);
}
