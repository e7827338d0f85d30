#include "http/answer_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "http/errors.h"
#include "http/taken.h"
#include "http/views.h"

enum {
    PIECE_MAX_BYTES = 32 << 10, /* of text in one event, so that a long replay has small events */
    AHEAD_BYTES = 64 << 10,     /* while more than this waits for the client, no more events are composed */
};

struct http_listener {
    struct answer_listener listener; /* first */
    struct taken taken;
    const char *opening; /* events: the data of `start`, NULL on a resume; JSON: the fields before `message` */
    size_t opening_len;
    const char *closing; /* JSON: the fields after it */
    size_t closing_len;
    size_t reasoning_at, content_at; /* sent so far */
};

static struct http_listener *of(const struct answer_listener *listener)
{
    return (struct http_listener *)(uintptr_t)listener;
}

static int client_fd(const struct answer_listener *self)
{
    struct connection *connection = of(self)->taken.connection;
    return connection_fd(connection);
}

/* Bytes that wait for the client to read. */
static size_t pending(const struct http_listener *to)
{
    return connection_pending(to->taken.connection);
}

static enum listener_state client_writable(struct answer_listener *self)
{
    return taken_flush(&of(self)->taken);
}

static bool client_took(struct answer_listener *self)
{
    struct connection *connection = of(self)->taken.connection;
    return connection_took(connection);
}

static void client_close(struct answer_listener *self)
{
    taken_close(&of(self)->taken, true);
    free(self);
}

static enum listener_state send_scratch(struct http_listener *to, struct buf *scratch)
{
    return scratch->failed ? LISTENER_GONE : taken_write(&to->taken, scratch->data, scratch->len);
}

/* ---- an event stream ---- */

static void put_event(struct buf *out, const char *id, const char *name)
{
    if (id) buf_printf(out, "id: %s\n", id);
    buf_printf(out, "event: %s\ndata: ", name);
}

/* Composes one delta or reasoning event for each piece of text from *at on, while there is room ahead. */
static void put_text(struct http_listener *to, struct buf *out, const char *name, const char *text, size_t len,
                     size_t *at)
{
    /* an id from a client may point into a character */
    while (*at > 0 && *at < len && ((unsigned char)text[*at] & 0xc0) == 0x80) --*at;
    while (*at < len && out->len < AHEAD_BYTES) {
        size_t piece = len - *at;
        if (piece > PIECE_MAX_BYTES) piece = utf8_complete_prefix(text + *at, PIECE_MAX_BYTES);
        const char *from = text + *at;
        *at += piece;
        buf_append(out, "id: ", 4);
        buf_append_size(out, to->reasoning_at);
        buf_append_char(out, '.');
        buf_append_size(out, to->content_at);
        buf_append_str(out, "\nevent: ");
        buf_append_str(out, name);
        buf_append_str(out, "\ndata: {\"content\":\"");
        json_append_escaped(out, from, piece);
        buf_append(out, "\"}\n\n", 4);
    }
}

static enum listener_state events_open(struct answer_listener *self, struct buf *scratch)
{
    struct http_listener *to = of(self);
    struct connection *connection = to->taken.connection;
    if (connection_head(connection, &to->taken.head) == CONNECTION_GONE) return LISTENER_GONE;
    if (!to->opening) return taken_flush(&to->taken);
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
    if (pending(to)) return LISTENER_BLOCKED;
    if (to->reasoning_at >= text->reasoning_len && to->content_at >= text->content_len) return LISTENER_READY;
    buf_reset(scratch);
    put_text(to, scratch, "reasoning", text->reasoning, text->reasoning_len, &to->reasoning_at);
    put_text(to, scratch, "delta", text->content, text->content_len, &to->content_at);
    enum listener_state state = send_scratch(to, scratch);
    bool more = to->reasoning_at < text->reasoning_len || to->content_at < text->content_len;
    return state == LISTENER_READY && more ? LISTENER_BLOCKED : state; /* the rest in a later turn */
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

static struct problem problem_of(const struct answer_final *final)
{
    return (struct problem){.error = final->error,
                            .message = final->says,
                            .retry_after_s = final->retry_after_s,
                            .tried_out = final->tried_out,
                            .account_refused = final->account_refused,
                            .finish_reason = final->message->finish_reason};
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
        struct problem problem = problem_of(final);
        json_put_key(&json, "error");
        error_write(&json, &problem, to->taken.request_id);
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
    taken_cork(&to->taken);
    if (send_scratch(to, scratch) == LISTENER_GONE) return LISTENER_GONE;
    return taken_finish(&to->taken);
}

static const struct answer_listener_ops events_ops = {
    .fd = client_fd,
    .open = events_open,
    .text = events_text,
    .title = events_title,
    .ping = events_ping,
    .end = events_end,
    .writable = client_writable,
    .took = client_took,
    .close = client_close,
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
    return pending(of(self)) ? LISTENER_BLOCKED : LISTENER_READY;
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
    enum listener_state state;
    if (final->error) {
        struct problem problem = problem_of(final);
        state = taken_send_error(&to->taken, &problem, final->quota, scratch);
    } else {
        buf_reset(scratch);
        compose_answer(to, final, scratch);
        state = scratch->failed ? LISTENER_GONE : taken_send_whole(&to->taken, scratch->data, scratch->len);
    }
    return state == LISTENER_GONE ? LISTENER_GONE : taken_finish(&to->taken);
}

static const struct answer_listener_ops json_ops = {
    .fd = client_fd,
    .open = json_open,
    .text = json_text,
    .title = json_title,
    .ping = json_ping,
    .end = json_end,
    .writable = client_writable,
    .took = client_took,
    .close = client_close,
};

/* ---- making them ---- */

static struct http_listener *listener_new(struct http_call *call, const struct answer_listener_ops *ops, int status,
                                          const char *content_type)
{
    struct http_listener *to = calloc(1, sizeof *to);
    if (!to) return NULL;
    if (!taken_open(&to->taken, call)) {
        free(to);
        return NULL;
    }
    to->listener.ops = ops;
    to->taken.head.status = status;
    http_add_header(&to->taken.head, "Content-Type", content_type);
    return to;
}

static const char *keep(struct http_listener *to, const struct buf *out, size_t *len)
{
    *len = out->len;
    return arena_strndup(&to->taken.strings, out->data, out->len);
}

static void put_question(struct json_writer *json, const struct answer_stream_start *start)
{
    json_put_key(json, "user_message");
    if (start->question)
        view_message(json, start->question, MESSAGE_WHOLE);
    else
        json_put_null(json);
}

struct answer_listener *answer_stream_events(struct http_call *call, const struct answer_stream_start *start)
{
    struct http_listener *to = listener_new(call, &events_ops, 200, "text/event-stream");
    if (!to) return NULL;
    http_add_header(&to->taken.head, "X-Accel-Buffering", "no");
    if (start->counted) taken_add_quota_headers(&to->taken, start->quota);
    to->reasoning_at = start->reasoning_at;
    to->content_at = start->content_at;
    if (start->resume) return &to->listener;

    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_put_key(&json, "session");
    view_session(&json, start->session);
    put_question(&json, start);
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
    if (start->counted) taken_add_quota_headers(&to->taken, start->quota);
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    if (start->show_session) {
        json_put_key(&json, "session");
        view_session(&json, start->session);
    }
    put_question(&json, start);
    json_put_key(&json, "message");
    to->opening = keep(to, &call->out, &to->opening_len);

    json = call_json(call);
    buf_append_str(&call->out, ",\"quota\":");
    view_quota(&json, start->quota);
    buf_append_char(&call->out, '}');
    to->closing = keep(to, &call->out, &to->closing_len);
    return &to->listener;
}
