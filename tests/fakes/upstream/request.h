/*
 * One HTTP/1.1 request, taken from the bytes that have come in so far (RFC 9112).
 *
 * The strings point into the buffer that was parsed and are valid until it changes, except the
 * body, which is a buffer of its own.
 */
#ifndef UPSTREAM_REQUEST_H
#define UPSTREAM_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define REQUEST_HEAD_MAX (64u * 1024)
#define REQUEST_BODY_MAX (32u * 1024 * 1024)

enum request_result {
    REQUEST_MORE,      /* not all here yet */
    REQUEST_OK,        /* parsed; `consumed` bytes belong to it */
    REQUEST_BAD,       /* not HTTP: answer 400 and close */
    REQUEST_TOO_LARGE, /* over one of the two bounds: answer 413 and close */
};

struct request {
    char method[16];
    char path[512];   /* without the query */
    const char *head; /* the header lines, each ending in CR LF, without the request line */
    size_t head_len;
    struct buf body;
    bool keep_alive;
    bool expects_continue; /* set with REQUEST_MORE: the client waits for "100 Continue" */
    size_t consumed;
};

enum request_result request_parse(const struct buf *in, struct request *out);
void request_fini(struct request *self);

/* The value of the first header of that name, trimmed; NULL when there is none. *len is set then. */
const char *request_header(const struct request *self, const char *name, size_t *len);

#endif
