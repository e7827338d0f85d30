/*
 * The outside of the HTTP layer: a request that came in, and the way back to its client. Implemented by fcgi/
 * (FastCGI) and by tests. Header names in a request are CGI's ("HTTP_ORIGIN").
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

/* A connection taken out of its request thread, for the relay loop: nothing here blocks. */
struct connection;
struct connection_ops {
    int (*fd)(const struct connection *self);
    /* Head of a response, the first of it. It goes out with what is written next, or by flush. */
    enum connection_state (*head)(struct connection *self, const struct http_response *response);
    /* What is written from now on goes out with flush or finish, in one piece. */
    void (*cork)(struct connection *self);
    /* All bytes are taken; BLOCKED: some of them wait for room. GONE: the client left, or over max_pending waits. */
    enum connection_state (*write)(struct connection *self, const char *bytes, size_t len);
    /* Sends what waits. */
    enum connection_state (*flush)(struct connection *self);
    /* The end of the response; nothing may follow but flush and close. */
    enum connection_state (*finish)(struct connection *self);
    size_t (*pending)(const struct connection *self); /* bytes that wait for room */
    /* Whether the client's side has taken any byte since this was asked last, be it from the kernel's buffer. */
    bool (*took)(struct connection *self);
    /* Before close, of a client that takes nothing: the kernel gets what waits, over its usual bound, so that the
     * client finds it if it ever reads again. What it doesn't take is lost. */
    void (*push)(struct connection *self);
    /* Instead of finish, behind what was written, which is pushed: the response is not whole, and nobody may take it
     * for that. Close follows at once. */
    enum connection_state (*tear)(struct connection *self);
    void (*close)(struct connection *self); /* frees it */
};
struct connection {
    const struct connection_ops *ops;
};

struct http_request;
struct http_request_ops {
    /* NULL where there is none; one that is empty is "". */
    const char *(*param)(const struct http_request *self, const char *name);
    /* The whole body, read to its end in any case. CHAT_ERR_PAYLOAD_TOO_LARGE over limit bytes;
     * CHAT_ERR_INVALID_REQUEST where it broke off. */
    enum chat_error (*read_body)(struct http_request *self, size_t limit, struct arena *arena, const char **body,
                                 size_t *len);
    void (*respond)(struct http_request *self, const struct http_response *response);
    /* Instead of respond: the connection is the caller's from now on. NULL: out of memory, respond still works. */
    struct connection *(*take)(struct http_request *self);
};
struct http_request {
    const struct http_request_ops *ops;
    const char *method;
    const char *path;
    const char *query;      /* "" = none */
    const char *request_id; /* never NULL */
};

/* "Not Found" for 404; static. */
const char *http_reason(int status);
/* value is borrowed until the response is sent; must not hold CR or LF (such a header is left out). */
void http_add_header(struct http_response *response, const char *name, const char *value);

#endif
