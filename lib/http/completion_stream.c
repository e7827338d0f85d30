#include "http/completion_stream.h"

#include <stdlib.h>

#include "http/taken.h"

struct http_client {
    struct completion_client client; /* first */
    struct taken taken;
    bool stream;
    bool opened; /* the head is sent */
};

static struct http_client *of(const struct completion_client *client)
{
    return (struct http_client *)(uintptr_t)client;
}

static int client_fd(const struct completion_client *self)
{
    struct connection *connection = of(self)->taken.connection;
    return connection_fd(connection);
}

static enum listener_state client_frames(struct completion_client *self, const char *bytes, size_t len)
{
    struct http_client *to = of(self);
    struct connection *connection = to->taken.connection;
    if (!to->opened) {
        to->opened = true;
        to->taken.head.status = 200;
        http_add_header(&to->taken.head, "Content-Type", "text/event-stream");
        http_add_header(&to->taken.head, "X-Accel-Buffering", "no");
        if (connection_head(connection, &to->taken.head) == CONNECTION_GONE) return LISTENER_GONE;
    }
    return taken_write(&to->taken, bytes, len);
}

static void client_cork(struct completion_client *self)
{
    taken_cork(&of(self)->taken);
}

static enum listener_state client_comment(struct completion_client *self)
{
    static const char comment[] = ": waiting\n\n";
    return client_frames(self, comment, sizeof comment - 1);
}

static enum listener_state client_whole(struct completion_client *self, const char *json, size_t len)
{
    struct taken *taken = &of(self)->taken;
    taken->head.status = 200;
    http_add_header(&taken->head, "Content-Type", "application/json; charset=utf-8");
    return taken_send_whole(taken, json, len);
}

/* In mid-stream the error is a frame of its own. */
static enum listener_state send_error_frame(struct completion_client *self, const struct problem *problem,
                                            struct buf *scratch)
{
    buf_reset(scratch);
    buf_append_str(scratch, "data: ");
    taken_compose_error(&of(self)->taken, problem, scratch);
    buf_append_str(scratch, "\n\n");
    return scratch->failed ? LISTENER_GONE : client_frames(self, scratch->data, scratch->len);
}

static enum listener_state client_end(struct completion_client *self, const struct problem *problem,
                                      const struct quota *quota, struct buf *scratch)
{
    struct http_client *to = of(self);
    enum listener_state state = LISTENER_READY;
    if (problem->error != CHAT_OK && to->opened)
        state = send_error_frame(self, problem, scratch);
    else if (problem->error != CHAT_OK) {
        struct problem whole = *problem;
        http_add_header(&to->taken.head, "Content-Type", "application/json; charset=utf-8");
        state = taken_send_error(&to->taken, &whole, quota, scratch);
    }
    return state == LISTENER_GONE ? LISTENER_GONE : taken_finish(&to->taken);
}

static enum listener_state client_writable(struct completion_client *self)
{
    return taken_flush(&of(self)->taken);
}

static size_t client_pending(const struct completion_client *self)
{
    struct connection *connection = of(self)->taken.connection;
    return connection_pending(connection);
}

static bool client_took(struct completion_client *self)
{
    struct connection *connection = of(self)->taken.connection;
    return connection_took(connection);
}

static void client_let_go(struct completion_client *self, struct buf *scratch)
{
    struct taken *taken = &of(self)->taken;
    if (of(self)->opened && !taken->finished)
        send_error_frame(self, &(struct problem){.error = CHAT_ERR_INTERRUPTED}, scratch);
    connection_push(taken->connection);
}

static void client_close(struct completion_client *self)
{
    taken_close(&of(self)->taken, of(self)->stream);
    free(self);
}

static const struct completion_client_ops client_ops = {
    .fd = client_fd,
    .frames = client_frames,
    .cork = client_cork,
    .comment = client_comment,
    .whole = client_whole,
    .end = client_end,
    .writable = client_writable,
    .pending = client_pending,
    .took = client_took,
    .let_go = client_let_go,
    .close = client_close,
};

struct completion_client *completion_stream(struct http_call *call, bool stream, const struct quota *quota)
{
    struct http_client *to = calloc(1, sizeof *to);
    if (!to) return NULL;
    if (!taken_open(&to->taken, call)) {
        free(to);
        return NULL;
    }
    to->client.ops = &client_ops;
    to->stream = stream;
    taken_add_quota_headers(&to->taken, quota);
    return &to->client;
}
