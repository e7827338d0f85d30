#include "fcgi/request.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/records.h"

enum { BODY_CHUNK = 16 << 10, HEAD_MAX_BYTES = 16 << 10 };

static struct fcgi_request *of(const struct http_request *request)
{
    return (struct fcgi_request *)(uintptr_t)request;
}

/* CONTENT_TYPE is nginx's word for the first of these headers; under their own name all come, one by one or in a list.
 */
static bool is_only_type(const struct http_request *self, const char *type)
{
    static const char own[] = "HTTP_CONTENT_TYPE=";
    int count = 0;
    for (char *const *at = of(self)->fcgi->envp; *at; at++) {
        if (strncmp(*at, own, sizeof own - 1) != 0) continue;
        if (count++ || strcmp(*at + sizeof own - 1, type) != 0) return false;
    }
    return true;
}

static bool came_twice(const struct http_request *self, const char *name)
{
    size_t len = strlen(name);
    int count = 0;
    for (char *const *at = of(self)->fcgi->envp; *at; at++) count += strncmp(*at, name, len) == 0 && (*at)[len] == '=';
    return count > 1;
}

/* A header that comes twice is a list of two, which is no value of those that take one. */
static bool is_single(const char *name)
{
    return strcmp(name, "HTTP_IDEMPOTENCY_KEY") == 0 || strcmp(name, "HTTP_LAST_EVENT_ID") == 0;
}

/* A body that is said to be of two types is of none. */
static const char *fcgi_param(const struct http_request *self, const char *name)
{
    if (of(self)->taken) return NULL;
    const char *value = FCGX_GetParam(name, of(self)->fcgi->envp);
    if (value && strcmp(name, "CONTENT_TYPE") == 0 && !is_only_type(self, value)) return "";
    if (value && is_single(name) && came_twice(self, name)) return ", ";
    return value;
}

/* As long as nginx said it is; 0 where it said nothing. */
static size_t content_length(const struct http_request *self)
{
    const char *text = fcgi_param(self, "CONTENT_LENGTH");
    return text ? (size_t)strtoull(text, NULL, 10) : 0;
}

static enum chat_error fcgi_read_body(struct http_request *self, size_t limit, struct arena *arena, const char **body,
                                      size_t *len)
{
    FCGX_Stream *in = of(self)->fcgi->in;
    size_t expected = content_length(self);
    size_t room = expected <= limit ? expected : 0, total = 0; /* nothing of one that is too large is kept */
    char *text = arena_alloc(arena, room + 1), rest[BODY_CHUNK];
    int got;
    *body = text;
    *len = 0;
    while (*len < room &&
           (got = FCGX_GetStr(text + *len, (int)(room - *len < BODY_CHUNK ? room - *len : BODY_CHUNK), in)) > 0)
        *len += (size_t)got;
    /* to the end in any case: an unread rest would reset the connection under the answer */
    while ((got = FCGX_GetStr(rest, sizeof rest, in)) > 0) total += (size_t)got;
    if (FCGX_GetError(in)) return CHAT_ERR_INVALID_REQUEST;
    if (expected > limit || total > 0) return CHAT_ERR_PAYLOAD_TOO_LARGE;
    return *len < expected ? CHAT_ERR_INVALID_REQUEST : CHAT_OK;
}

static void fcgi_respond(struct http_request *self, const struct http_response *response)
{
    struct buf head;
    buf_init(&head, HEAD_MAX_BYTES);
    records_head(&head, response);
    FCGX_Stream *out = of(self)->fcgi->out;
    if (!head.failed) {
        FCGX_PutStr(head.data, (int)head.len, out);
        if (response->body && response->body_len) FCGX_PutStr(response->body, (int)response->body_len, out);
    }
    buf_fini(&head);
}

static struct connection *fcgi_take(struct http_request *self)
{
    FCGX_Request *fcgi = of(self)->fcgi;
    struct connection *connection = records_open(fcgi->ipcFd, (uint16_t)fcgi->requestId);
    if (!connection) return NULL;
    FCGX_Free(fcgi, 0); /* its streams and params; the descriptor stays open */
    fcgi->ipcFd = -1;
    fcgi->keepConnection = 0;
    fcgi->detached = 0;
    of(self)->taken = true;
    return connection;
}

static const struct http_request_ops request_ops = {
    .param = fcgi_param,
    .read_body = fcgi_read_body,
    .respond = fcgi_respond,
    .take = fcgi_take,
};

static const char *copied(const struct http_request *self, const char *name, struct arena *arena)
{
    const char *value = fcgi_param(self, name);
    return value ? arena_strdup(arena, value) : "";
}

void fcgi_request_init(struct fcgi_request *self, FCGX_Request *fcgi, struct arena *arena)
{
    memset(self, 0, sizeof *self);
    self->request.ops = &request_ops;
    self->fcgi = fcgi;
    self->request.method = copied(&self->request, "REQUEST_METHOD", arena);
    self->request.path = copied(&self->request, "DOCUMENT_URI", arena);
    self->request.query = copied(&self->request, "QUERY_STRING", arena);
    self->request.request_id = copied(&self->request, "REQUEST_ID", arena);
}
