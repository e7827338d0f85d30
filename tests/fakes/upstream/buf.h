/*
 * A growing byte buffer.
 *
 * The caller owns the struct; buf_fini gives the bytes back. A buffer never holds more than
 * BUF_MAX bytes: going over it, or running out of memory, ends the program with a message,
 * because a test upstream that quietly sends something else would be worse than none.
 */
#ifndef UPSTREAM_BUF_H
#define UPSTREAM_BUF_H

#include <stddef.h>

#define BUF_MAX (256u * 1024 * 1024)

struct buf {
    char *data; /* NULL while cap is 0 */
    size_t len;
    size_t cap;
};

void buf_fini(struct buf *self);
void buf_reserve(struct buf *self, size_t more);
void buf_add(struct buf *self, const void *bytes, size_t len);
void buf_str(struct buf *self, const char *text);
void buf_char(struct buf *self, char c);
void buf_printf(struct buf *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds the bytes as the inside of a JSON string: quotes, backslashes and controls escaped, all
 * else (also bad UTF-8, which one scenario wants) as it is. */
void buf_json(struct buf *self, const char *text, size_t len);

/* Removes len bytes at the front. */
void buf_shift(struct buf *self, size_t len);

/* The bytes as a C string; valid until the next change. */
const char *buf_cstr(struct buf *self);

#endif
