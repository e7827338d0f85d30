#include "http/export_stream.h"

#include <stdlib.h>

#include "http/export_view.h"
#include "http/taken.h"
#include "http/views.h"

enum {
    PIECE_MAX_BYTES = 40 << 20, /* room for a page in which each byte is escaped, as control characters are */
    SLICE_BYTES = 1 << 20,      /* given to the connection at a time */
};

struct export_reply {
    struct stepped stepped; /* first */
    struct export_sink sink;
    struct taken taken;
    struct session_export at;
    enum export_format format;
    struct json_writer json; /* of the whole file; its buffer is each piece's */
    const char *opening;     /* the part before the messages; NULL: it has been sent */
    size_t opening_len;
    struct buf piece; /* a page, composed */
    size_t sent;      /* of it */
    bool opened;      /* the head is written */
};

static struct export_reply *of(const struct stepped *stepped)
{
    return (struct export_reply *)(uintptr_t)stepped;
}

static struct export_reply *of_sink(struct export_sink *sink)
{
    return (struct export_reply *)((char *)sink - offsetof(struct export_reply, sink));
}

/* ---- a piece ---- */

static void put_message(struct export_sink *sink, const struct message *message)
{
    struct export_reply *self = of_sink(sink);
    if (self->format == EXPORT_JSON)
        view_message(&self->json, message, MESSAGE_WHOLE);
    else
        export_markdown_message(self->json.out, message);
}

static enum chat_error compose_piece(struct export_reply *self, const struct chat_ports *ports)
{
    struct buf *out = self->json.out = &self->piece;
    buf_reset(out);
    self->sent = 0;
    if (self->opening) buf_append(out, self->opening, self->opening_len);
    self->opening = NULL;
    enum chat_error error = export_session_next(ports, &self->at, &self->sink);
    if (error == CHAT_OK && self->at.over && self->format == EXPORT_JSON) {
        json_end_array(&self->json);
        json_end_object(&self->json);
    }
    return error == CHAT_OK && out->failed ? CHAT_ERR_INTERNAL : error;
}

static enum step_next send_slice(struct export_reply *self)
{
    struct connection *connection = self->taken.connection;
    size_t rest = self->piece.len - self->sent, slice = rest < SLICE_BYTES ? rest : SLICE_BYTES;
    if (!self->opened) connection_head(connection, &self->taken.head);
    self->opened = true;
    taken_write(&self->taken, self->piece.data + self->sent, slice);
    self->sent += slice;
    if (slice < rest || !self->at.over) return STEP_ON;
    taken_finish(&self->taken);
    return STEP_OVER;
}

/* If nothing was written yet, the error is a status. Afterwards nobody may take the part that came for the whole. */
static void send_error(struct export_reply *self, enum chat_error error, struct buf *scratch)
{
    struct taken *taken = &self->taken;
    struct problem problem = {.error = error};
    if (self->opened) {
        taken_tear(taken, error);
        return;
    }
    taken->head.header_count = 0;
    http_add_header(&taken->head, "Cache-Control", "no-store");
    http_add_header(&taken->head, "Content-Type", "application/json; charset=utf-8");
    if (taken_send_error(taken, &problem, NULL, scratch) != LISTENER_GONE) taken_finish(taken);
}

static enum step_next reply_step(struct stepped *stepped, const struct chat_ports *ports, int64_t *wait_ms)
{
    struct export_reply *self = of(stepped);
    (void)wait_ms;
    if (self->sent < self->piece.len) return send_slice(self);
    enum chat_error error = compose_piece(self, ports);
    if (error == CHAT_OK) return send_slice(self);
    buf_reset(&self->piece);
    send_error(self, error, &self->piece);
    return STEP_OVER;
}

/* ---- its client ---- */

static int reply_fd(const struct stepped *stepped)
{
    struct connection *connection = of(stepped)->taken.connection;
    return connection_fd(connection);
}

static enum listener_state reply_writable(struct stepped *stepped)
{
    return taken_flush(&of(stepped)->taken);
}

static bool reply_took(struct stepped *stepped)
{
    struct connection *connection = of(stepped)->taken.connection;
    return connection_took(connection);
}

/* Called in mid-file only if the client has left or takes nothing, or this process ends. */
static void reply_close(struct stepped *stepped)
{
    struct export_reply *self = of(stepped);
    if (self->opened && !self->taken.finished) connection_tear(self->taken.connection);
    taken_close(&self->taken, true);
    buf_fini(&self->piece);
    free(self);
}

static const struct stepped_ops reply_ops = {
    .fd = reply_fd,
    .step = reply_step,
    .writable = reply_writable,
    .took = reply_took,
    .close = reply_close,
};

/* ---- making it ---- */

void export_stream_headers(struct http_response *head, const struct session *session, enum export_format format,
                           struct arena *arena)
{
    bool json = format == EXPORT_JSON;
    http_add_header(head, "Content-Type", json ? "application/json; charset=utf-8" : "text/markdown; charset=utf-8");
    http_add_header(head, "Content-Disposition", export_disposition(session->title, json ? "json" : "md", arena));
}

static void compose_opening(struct export_reply *self, const struct session *session, struct buf *out)
{
    if (self->format == EXPORT_MARKDOWN) {
        export_markdown_session(out, session);
        return;
    }
    struct json_writer *json = &self->json;
    json_writer_init(json, out);
    json_begin_object(json);
    json_put_key(json, "session");
    view_session(json, session);
    json_put_key(json, "messages");
    json_begin_array(json);
}

struct stepped *export_stream(struct http_call *call, const struct session_export *at, const struct session *session,
                              enum export_format format)
{
    struct export_reply *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    if (!taken_open(&self->taken, call)) {
        free(self);
        return NULL;
    }
    self->stepped = (struct stepped){.ops = &reply_ops, .is_long = true};
    self->sink.message = put_message;
    buf_init(&self->piece, PIECE_MAX_BYTES);
    self->at = *at;
    self->format = format;
    self->taken.head.status = 200;
    export_stream_headers(&self->taken.head, session, format, &self->taken.strings);
    http_add_header(&self->taken.head, "X-Accel-Buffering", "no"); /* nginx would read it all, and keep it */
    buf_reset(&call->out);
    compose_opening(self, session, &call->out);
    self->opening_len = call->out.len;
    self->opening = arena_strndup(&self->taken.strings, call->out.data, call->out.len);
    return &self->stepped;
}
