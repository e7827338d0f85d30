/*
 * The bytes of a response body on their way to the wire: gzip, the piece size, the byte at which
 * the connection breaks, and the framing of HTTP/1.1, in this order.
 */
#ifndef UPSTREAM_BODY_H
#define UPSTREAM_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum body_framing {
    BODY_LENGTH,  /* Content-Length was announced */
    BODY_CHUNKED, /* Transfer-Encoding: chunked */
    BODY_EOF,     /* the end of the connection is the end of the body (HTTP/1.0) */
};

struct body {
    enum body_framing framing;
    size_t split; /* bytes a chunk of the framing; 0: as they come */
    long left;    /* bytes until the break; -1: none is ordered */
    bool gzip;    /* stored blocks (RFC 1951 section 3.2.4), which need no compressor */
    bool gzip_begun;
    uint32_t crc;
    uint32_t total;
};

/* False: the break was reached; what goes before it is in out, and nothing may follow. */
bool body_add(struct body *self, struct buf *out, const char *bytes, size_t len);
bool body_end(struct body *self, struct buf *out);

#endif
