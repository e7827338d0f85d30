/*
 * Reads one HTTP/1.1 response (RFC 9112) from pieces of any size. It knows no socket: the caller feeds what was read,
 * and says when the connection has ended. Where servers differ from the standard, it takes what libcurl takes.
 *
 *   response_begin ─► response_next … ─► HEAD ─► BODY … ─► OVER
 *                                                 └─ response_end: OVER if the body goes to the connection's end
 *
 * Bounds: a line of the head 16 KB, a head with all interim (1xx) ones before it 64 KB, 16 interim ones, the line of a
 * chunk's size 4 KB, all trailers 16 KB, a length or a chunk 2^53 bytes.
 *
 * Only one line is ever kept: one of the head that was cut by the end of a piece. Any thread, one at a time.
 */
#ifndef UPSTREAM_RESPONSE_H
#define UPSTREAM_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum response_step {
    RESPONSE_MORE,  /* all bytes are taken: feed more */
    RESPONSE_HEAD,  /* status and headers are known: call again */
    RESPONSE_BODY,  /* a piece of the body: call again */
    RESPONSE_OVER,  /* the response is whole; the bytes that are left aren't its own */
    RESPONSE_BROKEN /* response->problem says why; nothing more is taken */
};

/* The caller reads down to `problem`; the first five are set from RESPONSE_HEAD on. */
struct response {
    int status;           /* 200 to 999; 0 before RESPONSE_HEAD */
    bool reusable;        /* once it is over, the connection may serve another request */
    bool encoded;         /* by a Content-Encoding other than identity, or a transfer coding other than chunked */
    char type[128];       /* Content-Type, the last one, cut at its room; "": none */
    char retry_after[64]; /* Retry-After, the same */
    const char *problem;  /* of RESPONSE_BROKEN: static; else NULL */

    /* From here on response.c's own. */
    uint64_t left;   /* bytes of the body or of the chunk that are still to come; in the head: Content-Length */
    struct buf line; /* a line of the head that was cut, so far; holds no memory once the head is over */
    size_t count;    /* bytes so far, of what has a bound: the head, a chunk's size line, the trailers */
    int16_t code;    /* of the status line read last */
    uint8_t stage;   /* enum stage of response.c */
    uint8_t matched; /* bytes of "HTTP/1." */
    uint8_t minor;   /* of the version: 0 or 1 */
    uint8_t interim; /* responses with 1xx so far */
    bool has_length;
    bool transfer; /* there is a Transfer-Encoding */
    bool coded;    /* it names a coding other than identity */
    bool chunked;  /* its last coding is chunked */
    bool close, keep_alive;
};

/* Starts a response; what it held before is not freed. Allocates nothing. The request must not have been a HEAD. */
void response_begin(struct response *response);

/* Takes bytes off *bytes and *len up to the next thing to say, and returns what it is. For RESPONSE_BODY alone, *body
 * and *body_len are a piece of the body, at least one byte. The piece lies within the bytes that were fed, so it lives
 * as long as they do. *len may be 0. After OVER and BROKEN it takes nothing and returns the same again. */
enum response_step response_next(struct response *response, const char **bytes, size_t *len, const char **body,
                                 size_t *body_len);

/* The connection has ended, after all bytes were fed. Returns RESPONSE_OVER if the response is whole, or its body goes
 * to the connection's end. Else RESPONSE_BROKEN. Then the problem says whether nothing had come, or where it was cut.
 */
enum response_step response_end(struct response *response);

/* Frees the line that is kept, if there is one. Needed after each response_begin; more than once is fine. */
void response_fini(struct response *response);

#endif
