#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

char *buf_take(struct buf *buf, size_t *len)
{
    char *data = buf->data;
    if (len) *len = buf->len;
    *buf = (struct buf){.max = buf->max};
    return data;
}

static bool grow(struct buf *buf, size_t len)
{
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    if (buf->len > buf->max || len > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    while (cap < buf->len + len) {
        if (cap > buf->max / 2) {
            cap = buf->max;
            break;
        }
        cap *= 2;
    }
    if (cap > buf->max) cap = buf->max;
    char *data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

char *buf_reserve(struct buf *buf, size_t len)
{
    if (__builtin_expect(len > buf->cap - buf->len || !buf->data, 0) && !grow(buf, len ? len : 1)) return NULL;
    return buf->data + buf->len;
}

bool buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0) return true;
    char *room = buf_reserve(buf, len);
    if (!room) return false;
    memcpy(room, bytes, len);
    buf->len += len;
    return true;
}

bool buf_append_str(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_append_size(struct buf *buf, size_t number)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return buf_append(buf, digits + at, sizeof digits - at);
}

bool buf_append_char(struct buf *buf, char c)
{
    char *room = buf_reserve(buf, 1);
    if (!room) return false;
    *room = c;
    buf->len++;
    return true;
}

bool buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    size_t room = buf->cap - buf->len;
    char *at = buf->data ? buf->data + buf->len : NULL;
    va_start(args, fmt);
    int len = vsnprintf(at, room, fmt, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
        return false;
    }
    if ((size_t)len >= room) { /* vsnprintf wants a byte for its NUL, which the text may lack at the very maximum */
        char *text = malloc((size_t)len + 1);
        if (!text) {
            buf->failed = true;
            return false;
        }
        va_start(args, fmt);
        vsnprintf(text, (size_t)len + 1, fmt, args);
        va_end(args);
        bool fits = buf_append(buf, text, (size_t)len);
        free(text);
        return fits;
    }
    buf->len += (size_t)len;
    return true;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    if (len == 0) return;
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len);
}
