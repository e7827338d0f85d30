/*
 * The outer interface of the HTTP layer: a request that came in, and the way back to its client. fcgi/ (FastCGI) and
 * tests implement it. Header names in a request are CGI's ("HTTP_ORIGIN").
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
struct connection_ops {
    int (*fd)(const struct connection *self);
    /* Takes the head of a response, before anything else. It goes out with the next write, or by flush. */
    enum connection_state (*head)(struct connection *self, const struct http_response *response);
    /* Holds later writes back, until flush or finish sends them in one piece. */
    void (*cork)(struct connection *self);
    /* Takes all bytes. BLOCKED: some of them wait for room. GONE: the client left, or too much waits
     * (fcgi/records.c: 16 MiB). */
    enum connection_state (*write)(struct connection *self, const char *bytes, size_t len);
    /* Sends the bytes that wait. */
    enum connection_state (*flush)(struct connection *self);
    /* Ends the response; only flush and close may follow. */
    enum connection_state (*finish)(struct connection *self);
    size_t (*pending)(const struct connection *self); /* bytes that wait for room */
    /* Returns whether the client's side has taken any byte since the last call, even if only from the kernel's buffer.
     */
    bool (*took)(struct connection *self);
    /* Called before close, for a client that takes nothing. Gives the kernel the bytes that wait, over its usual bound,
     * so that the client finds them if it reads again. Bytes that the kernel refuses are lost. */
    void (*push)(struct connection *self);
    /* Called instead of finish, if the response is not whole. Pushes what was written, and lets nobody take the
     * response for a whole one. Close follows at once. */
    enum connection_state (*tear)(struct connection *self);
    void (*close)(struct connection *self); /* frees it */
};
struct connection {
    const struct connection_ops *ops;
};

struct http_request;
struct http_request_ops {
    /* Returns a parameter: "" if it is empty, NULL if there is none. */
    const char *(*param)(const struct http_request *self, const char *name);
    /* Reads the whole body, to its end in any case, into the arena. Errors: CHAT_ERR_PAYLOAD_TOO_LARGE over `limit`
     * bytes; CHAT_ERR_INVALID_REQUEST if it broke off. */
    enum chat_error (*read_body)(struct http_request *self, size_t limit, struct arena *arena, const char **body,
                                 size_t *len);
    void (*respond)(struct http_request *self, const struct http_response *response);
    /* Called instead of respond: the caller owns the connection from now on. NULL: out of memory; respond still works.
     */
    struct connection *(*take)(struct http_request *self);
};
struct http_request {
    const struct http_request_ops *ops;
    const char *method;
    const char *path;
    const char *query;      /* "" = none */
    const char *request_id; /* never NULL */
};

/* Returns "Not Found" for 404, and so on; static. */
const char *http_reason(int status);
/* Adds a header; borrows the value until the response is sent. A value with CR or LF is left out. */
void http_add_header(struct http_response *response, const char *name, const char *value);

#endif
