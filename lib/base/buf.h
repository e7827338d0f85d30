/*
 * A growing byte buffer with a stated maximum. An append that would exceed the maximum (or finds no memory) changes
 * only `failed`, which stays set until buf_reset: write a whole document, then check once.
 *
 *   data ──► [ len bytes written | cap - len free | … ]   cap <= max
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct buf {
    char *data; /* malloc'ed, NULL while cap is 0; not NUL-terminated */
    size_t len;
    size_t cap;
    size_t max; /* bytes; never more than this */
    bool failed;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf);
/* Empties; keeps the memory. */
void buf_reset(struct buf *buf);
/* Gives the memory to the caller, who frees it, and leaves the buffer empty. */
char *buf_take(struct buf *buf, size_t *len);

/* Appends. false, and buf->failed: it would exceed max, or no memory. */
bool buf_append(struct buf *buf, const void *bytes, size_t len);
bool buf_append_str(struct buf *buf, const char *text);
bool buf_append_char(struct buf *buf, char c);
/* Appends decimal digits; a printf would cost ten times as much on the path of every chunk. */
bool buf_append_size(struct buf *buf, size_t number);
bool buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Returns room for `len` more bytes at data + len; the caller then adds to len. NULL: it would exceed max. */
char *buf_reserve(struct buf *buf, size_t len);
/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);

#endif
