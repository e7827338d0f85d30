#include "http/completion_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/errors.h"

enum { LAG_MAX_BYTES = 256 << 10 }; /* a client that is further behind is let go */

struct http_client {
    struct completion_client client; /* first */
    struct connection *connection;
    const struct clock *clock;
    struct arena strings;
    struct http_response head; /* strings in the arena; Content-Type is added when it is known */
    const char *request_id, *method, *path;
    char user_id[USER_ID_SIZE];
    int64_t started_ms;
    int status;
    bool stream, opened, finished;
};

static struct http_client *of(const struct completion_client *client)
{
    return (struct http_client *)(uintptr_t)client;
}

static enum listener_state state_of(enum connection_state state)
{
    return state == CONNECTION_READY ? LISTENER_READY : state == CONNECTION_BLOCKED ? LISTENER_BLOCKED : LISTENER_GONE;
}

static int client_fd(const struct completion_client *self)
{
    return of(self)->connection->ops->fd(of(self)->connection);
}

static enum listener_state send_bytes(struct http_client *to, const char *bytes, size_t len)
{
    enum connection_state state = to->connection->ops->write(to->connection, bytes, len);
    if (to->stream && to->connection->ops->pending(to->connection) > LAG_MAX_BYTES) return LISTENER_GONE;
    return state_of(state);
}

/* The head, with the length of what follows where that is known. */
static enum connection_state open_response(struct http_client *to, int status, const char *content_type,
                                           const size_t *length)
{
    to->opened = true;
    to->status = to->head.status = status;
    http_add_header(&to->head, "Content-Type", content_type);
    if (length) http_add_header(&to->head, "Content-Length", arena_printf(&to->strings, "%zu", *length));
    return to->connection->ops->head(to->connection, &to->head);
}

static enum listener_state client_frames(struct completion_client *self, const char *bytes, size_t len)
{
    struct http_client *to = of(self);
    if (!to->opened) {
        http_add_header(&to->head, "X-Accel-Buffering", "no");
        if (open_response(to, 200, "text/event-stream", NULL) == CONNECTION_GONE) return LISTENER_GONE;
    }
    return send_bytes(to, bytes, len);
}

static enum listener_state client_comment(struct completion_client *self)
{
    static const char comment[] = ": waiting\n\n";
    return send_bytes(of(self), comment, sizeof comment - 1);
}

static enum listener_state client_whole(struct completion_client *self, const char *json, size_t len)
{
    struct http_client *to = of(self);
    if (open_response(to, 200, "application/json; charset=utf-8", &len) == CONNECTION_GONE) return LISTENER_GONE;
    return send_bytes(to, json, len);
}

static void compose_error(struct http_client *to, enum chat_error error, int64_t retry_after_s, struct buf *out)
{
    struct problem problem = {.error = error, .retry_after_s = retry_after_s};
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_put_key(&json, "error");
    error_write(&json, &problem, to->request_id);
    json_end_object(&json);
}

static enum listener_state client_end(struct completion_client *self, enum chat_error error, int64_t retry_after_s,
                                      struct buf *scratch)
{
    struct http_client *to = of(self);
    if (error != CHAT_OK) {
        buf_reset(scratch);
        if (to->opened) buf_append_str(scratch, "data: ");
        compose_error(to, error, retry_after_s, scratch);
        if (to->opened)
            buf_append_str(scratch, "\n\n");
        else {
            if (retry_after_s > 0)
                http_add_header(&to->head, "Retry-After", arena_printf(&to->strings, "%lld", (long long)retry_after_s));
            if (open_response(to, error_view(error)->status, "application/json; charset=utf-8", &scratch->len) ==
                CONNECTION_GONE)
                return LISTENER_GONE;
        }
        if (scratch->failed || send_bytes(to, scratch->data, scratch->len) == LISTENER_GONE) return LISTENER_GONE;
    }
    to->finished = true;
    return state_of(to->connection->ops->finish(to->connection));
}

static enum listener_state client_writable(struct completion_client *self)
{
    return state_of(of(self)->connection->ops->flush(of(self)->connection));
}

static void client_close(struct completion_client *self)
{
    struct http_client *to = of(self);
    struct log_subject subject = {.request_id = to->request_id, .user_id = to->user_id};
    log_set_subject(&subject);
    log_write(LOG_INFO, "request", LOG_STR("method", to->method), LOG_STR("path", to->path),
              LOG_INT("status", to->finished ? to->status : 499), LOG_BOOL("stream", to->stream),
              LOG_INT("duration_ms", clock_mono_ms(to->clock) - to->started_ms));
    log_set_subject(NULL);
    to->connection->ops->close(to->connection);
    arena_fini(&to->strings);
    free(to);
}

static const struct completion_client_ops client_ops = {
    .fd = client_fd,
    .frames = client_frames,
    .comment = client_comment,
    .whole = client_whole,
    .end = client_end,
    .writable = client_writable,
    .close = client_close,
};

struct completion_client *completion_stream(struct http_call *call, bool stream, const struct quota *quota)
{
    struct http_client *to = calloc(1, sizeof *to);
    if (!to) return NULL;
    to->connection = call->request->ops->take(call->request);
    if (!to->connection) {
        free(to);
        return NULL;
    }
    call->handed_over = true;
    to->client.ops = &client_ops;
    to->clock = call->ports->clock;
    to->started_ms = call->started_ms;
    to->stream = stream;
    arena_init(&to->strings);
    to->request_id = arena_strdup(&to->strings, call->request->request_id);
    to->method = arena_strdup(&to->strings, call->request->method);
    to->path = arena_strdup(&to->strings, call->request->path);
    memcpy(to->user_id, call->caller.user_id, USER_ID_SIZE);
    http_add_header(&to->head, "Cache-Control", "no-store");
    size_t from = to->head.header_count;
    call_quota_headers(call, &to->head, quota);
    for (size_t i = from; i < to->head.header_count; i++)
        to->head.headers[i].value = arena_strdup(&to->strings, to->head.headers[i].value);
    return &to->client;
}
