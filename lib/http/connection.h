/*
 * The outer interface of the HTTP layer: a request that came in, and the way back to its client. Header names in a
 * request are CGI's ("HTTP_ORIGIN").
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum { HTTP_MAX_HEADERS = 20 };

struct http_header {
    const char *name;
    const char *value;
};

struct http_response {
    int status;
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
    const char *body; /* NULL: none */
    size_t body_len;
};

enum connection_state { CONNECTION_READY, CONNECTION_BLOCKED, CONNECTION_GONE };

/* A connection taken out of its request thread, for the relay loop. Nothing here blocks. */
struct connection;
/* Implemented by fcgi/ (FastCGI) and tests; callers use the functions below. */
struct connection_ops {
    int (*fd)(const struct connection *self);
    enum connection_state (*head)(struct connection *self, const struct http_response *response);
    void (*cork)(struct connection *self);
    enum connection_state (*write)(struct connection *self, const char *bytes, size_t len);
    enum connection_state (*flush)(struct connection *self);
    enum connection_state (*finish)(struct connection *self);
    size_t (*pending)(const struct connection *self);
    bool (*took)(struct connection *self);
    void (*push)(struct connection *self);
    enum connection_state (*tear)(struct connection *self);
    void (*close)(struct connection *self);
};
struct connection {
    const struct connection_ops *ops;
};

/* Returns the descriptor, to be watched. */
static inline int connection_fd(const struct connection *self)
{
    return self->ops->fd(self);
}

/* Takes the head of a response, before anything else. It goes out with the next write, or by flush. */
static inline enum connection_state connection_head(struct connection *self, const struct http_response *response)
{
    return self->ops->head(self, response);
}

/* Holds later writes back, until flush or finish sends them in one piece. */
static inline void connection_cork(struct connection *self)
{
    self->ops->cork(self);
}

/* Takes all bytes. BLOCKED: some of them wait for room. GONE: the client left, or too much waits
 * (fcgi/records.c: 16 MiB). */
static inline enum connection_state connection_write(struct connection *self, const char *bytes, size_t len)
{
    return self->ops->write(self, bytes, len);
}

/* Sends the bytes that wait. */
static inline enum connection_state connection_flush(struct connection *self)
{
    return self->ops->flush(self);
}

/* Ends the response; only flush and close may follow. */
static inline enum connection_state connection_finish(struct connection *self)
{
    return self->ops->finish(self);
}

/* Returns how many bytes wait for room. */
static inline size_t connection_pending(const struct connection *self)
{
    return self->ops->pending(self);
}

/* Returns whether the client's side has taken any byte since the last call, even if only from the kernel's buffer. */
static inline bool connection_took(struct connection *self)
{
    return self->ops->took(self);
}

/* Called before close, for a client that takes nothing. Gives the kernel the bytes that wait, over its usual bound, so
 * that the client finds them if it reads again. Bytes that the kernel refuses are lost. */
static inline void connection_push(struct connection *self)
{
    self->ops->push(self);
}

/* Called instead of finish, if the response is not whole. Pushes what was written, and lets nobody take the response
 * for a whole one. Close follows at once. */
static inline enum connection_state connection_tear(struct connection *self)
{
    return self->ops->tear(self);
}

/* Frees it. */
static inline void connection_close(struct connection *self)
{
    self->ops->close(self);
}

struct http_request;
/* Implemented by fcgi/ (FastCGI), lib/http/late.c and tests; callers use the functions below. */
struct http_request_ops {
    const char *(*param)(const struct http_request *self, const char *name);
    enum chat_error (*read_body)(struct http_request *self, size_t limit, struct arena *arena, const char **body,
                                 size_t *len);
    void (*respond)(struct http_request *self, const struct http_response *response);
    struct connection *(*take)(struct http_request *self);
};
struct http_request {
    const struct http_request_ops *ops;
    const char *method;
    const char *path;
    const char *query;      /* "" = none */
    const char *request_id; /* never NULL */
};

/* Returns a parameter: "" if it is empty, NULL if there is none. */
static inline const char *request_param(const struct http_request *self, const char *name)
{
    return self->ops->param(self, name);
}

/* Reads the whole body, to its end in any case, into the arena. Errors: CHAT_ERR_PAYLOAD_TOO_LARGE over `limit` bytes;
 * CHAT_ERR_INVALID_REQUEST if it broke off. */
static inline enum chat_error request_read_body(struct http_request *self, size_t limit, struct arena *arena,
                                                const char **body, size_t *len)
{
    return self->ops->read_body(self, limit, arena, body, len);
}

/* Sends a whole response. */
static inline void request_respond(struct http_request *self, const struct http_response *response)
{
    self->ops->respond(self, response);
}

/* Called instead of respond: the caller owns the connection from now on. NULL: out of memory; respond still works. */
static inline struct connection *request_take(struct http_request *self)
{
    return self->ops->take(self);
}

/* Returns "Not Found" for 404, and so on; static. */
const char *http_reason(int status);
/* Adds a header; borrows the value until the response is sent. A value with CR or LF is left out. */
void http_add_header(struct http_response *response, const char *name, const char *value);

#endif
