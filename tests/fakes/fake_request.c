#include "tests/fakes/fake_request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX_BYTES = 32 << 20 };

struct taken {
    struct connection connection; /* first */
    struct fake_request *request;
    int pair[2];
};

static struct fake_request *of(const struct http_request *request)
{
    return (struct fake_request *)(uintptr_t)request;
}

static struct fake_request *of_connection(const struct connection *connection)
{
    return ((const struct taken *)(uintptr_t)connection)->request;
}

static void keep_head(struct fake_request *self, const struct http_response *response)
{
    self->responses++;
    self->status = response->status;
    self->header_count = response->header_count;
    for (size_t i = 0; i < response->header_count; i++)
        self->headers[i] = (struct http_header){arena_strdup(&self->arena, response->headers[i].name),
                                                arena_strdup(&self->arena, response->headers[i].value)};
}

/* ---- a taken connection ---- */

static enum connection_state state_of(const struct fake_request *self)
{
    if (self->client_gone) return CONNECTION_GONE;
    return self->waiting.len ? CONNECTION_BLOCKED : CONNECTION_READY;
}

static int fake_fd(const struct connection *self)
{
    return ((const struct taken *)self)->pair[0];
}

static enum connection_state fake_head(struct connection *connection, const struct http_response *response)
{
    struct fake_request *self = of_connection(connection);

    keep_head(self, response);
    self->held = true;
    return state_of(self);
}

static void fake_cork(struct connection *connection)
{
    of_connection(connection)->corked = true;
    of_connection(connection)->held = true;
}

static enum connection_state fake_write(struct connection *connection, const char *bytes, size_t len)
{
    struct fake_request *self = of_connection(connection);
    size_t now = self->waiting.len ? 0 : self->room && len > self->room ? self->room : len;

    self->held = self->corked;
    buf_append(&self->out, bytes, now);
    buf_append(&self->waiting, bytes + now, len - now);
    return state_of(self);
}

static enum connection_state fake_flush(struct connection *connection)
{
    struct fake_request *self = of_connection(connection);
    size_t now = self->room && self->waiting.len > self->room ? self->room : self->waiting.len;

    self->flushes++;
    self->held = self->corked = false;
    buf_append(&self->out, self->waiting.data, now);
    buf_consume(&self->waiting, now);
    return state_of(self);
}

static enum connection_state fake_finish(struct connection *connection)
{
    struct fake_request *self = of_connection(connection);

    if (self->corked) self->singles++;
    self->held = self->corked = false;
    self->finished = true;
    return state_of(self);
}

static enum connection_state fake_tear(struct connection *connection)
{
    struct fake_request *self = of_connection(connection);

    self->held = self->corked = false;
    self->torn = true;
    return state_of(self);
}

static bool fake_took(struct connection *self)
{
    (void)self;
    return false;
}

static void fake_push(struct connection *self)
{
    (void)self;
}

static size_t fake_pending(const struct connection *self)
{
    return of_connection(self)->waiting.len;
}

static void fake_close(struct connection *connection)
{
    struct taken *taken = (struct taken *)connection;

    taken->request->closed = true;
    close(taken->pair[0]);
    close(taken->pair[1]);
    free(taken);
}

/* ---- the request ---- */

static const char *fake_param(const struct http_request *request, const char *name)
{
    const struct fake_request *self = of(request);

    for (size_t i = 0; i < self->param_count; i++)
        if (strcmp(self->params[i].name, name) == 0) return self->params[i].value;
    return NULL;
}

static enum chat_error fake_read_body(struct http_request *request, size_t limit, struct arena *arena,
                                      const char **body, size_t *len)
{
    struct fake_request *self = of(request);

    self->body_read = true;
    *body = "";
    *len = 0;
    if (self->broken_body) return CHAT_ERR_INVALID_REQUEST;
    if (self->body_len > limit) return CHAT_ERR_PAYLOAD_TOO_LARGE;
    *body = arena_strndup(arena, self->body, self->body_len);
    *len = self->body_len;
    return CHAT_OK;
}

static void fake_respond(struct http_request *request, const struct http_response *response)
{
    struct fake_request *self = of(request);

    keep_head(self, response);
    if (response->body) buf_append(&self->out, response->body, response->body_len);
    self->finished = true;
}

static struct connection *fake_take(struct http_request *request)
{
    static const struct connection_ops ops = {
        .fd = fake_fd,
        .head = fake_head,
        .cork = fake_cork,
        .write = fake_write,
        .flush = fake_flush,
        .finish = fake_finish,
        .pending = fake_pending,
        .took = fake_took,
        .tear = fake_tear,
        .push = fake_push,
        .close = fake_close,
    };
    struct fake_request *self = of(request);
    struct taken *taken = self->take_fails ? NULL : calloc(1, sizeof *taken);

    if (!taken) return NULL;
    taken->connection.ops = &ops;
    taken->request = self;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, taken->pair) != 0) abort();
    self->taken = true;
    return &taken->connection;
}

void fake_request_init(struct fake_request *self, const char *method, const char *path)
{
    static const struct http_request_ops ops = {
        .param = fake_param, .read_body = fake_read_body, .respond = fake_respond, .take = fake_take};

    memset(self, 0, sizeof *self);
    self->request =
        (struct http_request){.ops = &ops, .method = method, .path = path, .query = "", .request_id = "req-1"};
    self->body = "";
    arena_init(&self->arena);
    buf_init(&self->out, OUT_MAX_BYTES);
    buf_init(&self->waiting, OUT_MAX_BYTES);
}

void fake_request_fini(struct fake_request *self)
{
    arena_fini(&self->arena);
    buf_fini(&self->out);
    buf_fini(&self->waiting);
}

void fake_request_param(struct fake_request *self, const char *name, const char *value)
{
    if (self->param_count == FAKE_PARAMS_MAX) abort();
    self->params[self->param_count].name = name;
    self->params[self->param_count++].value = value;
}

void fake_request_json(struct fake_request *self, const char *body)
{
    fake_request_param(self, "CONTENT_TYPE", "application/json");
    self->body = body;
    self->body_len = strlen(body);
}

const char *fake_request_header(const struct fake_request *self, const char *name)
{
    for (size_t i = 0; i < self->header_count; i++)
        if (strcasecmp(self->headers[i].name, name) == 0) return self->headers[i].value;
    return NULL;
}

const char *fake_request_body(struct fake_request *self)
{
    buf_append_char(&self->out, '\0');
    self->out.len--;
    return self->out.data;
}
