#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *self)
{
    free(self->data);
    *self = (struct buf){0};
}

void buf_reserve(struct buf *self, size_t more)
{
    if (self->cap - self->len >= more) return;
    size_t cap = self->cap ? self->cap : 512;
    while (cap - self->len < more && cap < BUF_MAX) cap *= 2;
    char *data = cap - self->len < more ? NULL : realloc(self->data, cap);
    if (data == NULL) {
        fprintf(stderr, "test-upstream: a buffer can't grow by %zu bytes\n", more);
        exit(70);
    }
    self->data = data;
    self->cap = cap;
}

void buf_add(struct buf *self, const void *bytes, size_t len)
{
    if (len == 0) return;
    buf_reserve(self, len);
    memcpy(self->data + self->len, bytes, len);
    self->len += len;
}

void buf_str(struct buf *self, const char *text)
{
    buf_add(self, text, strlen(text));
}

void buf_char(struct buf *self, char c)
{
    buf_reserve(self, 1);
    self->data[self->len++] = c;
}

void buf_printf(struct buf *self, const char *format, ...)
{
    va_list args;
    assert(format != NULL);
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need < 0) return;
    buf_reserve(self, (size_t)need + 1);
    va_start(args, format);
    vsnprintf(self->data + self->len, (size_t)need + 1, format, args);
    va_end(args);
    self->len += (size_t)need;
}

void buf_json(struct buf *self, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    buf_reserve(self, len * 6);
    char *to = self->data + self->len;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '\\';
        if (c == '"' || c == '\\')
            *to++ = (char)c;
        else if (c == '\n')
            *to++ = 'n';
        else if (c == '\r')
            *to++ = 'r';
        else if (c == '\t')
            *to++ = 't';
        else {
            memcpy(to, "u00", 3);
            to[3] = hex[c >> 4];
            to[4] = hex[c & 15];
            to += 5;
        }
    }
    self->len = (size_t)(to - self->data);
}

void buf_shift(struct buf *self, size_t len)
{
    self->len -= len;
    if (self->len > 0) memmove(self->data, self->data + len, self->len);
}

const char *buf_cstr(struct buf *self)
{
    buf_reserve(self, 1);
    self->data[self->len] = '\0';
    return self->data;
}
