#define _GNU_SOURCE 1 /* memmem */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void request_fini(struct request *self)
{
    buf_fini(&self->body);
}

const char *request_header(const struct request *self, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *line = self->head;
    const char *end = self->head + self->head_len;
    while (line < end) {
        const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (stop == NULL) stop = end;
        if ((size_t)(stop - line) > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (value < stop && (*value == ' ' || *value == '\t')) value++;
            while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
            *len = (size_t)(stop - value);
            return value;
        }
        line = stop + 2;
    }
    return NULL;
}

static bool header_is(const struct request *self, const char *name, const char *wanted)
{
    size_t len;
    const char *value = request_header(self, name, &len);
    return value != NULL && len == strlen(wanted) && strncasecmp(value, wanted, len) == 0;
}

static bool parse_request_line(const char *line, size_t len, struct request *out)
{
    char target[512], version[16], text[1024];
    if (len >= sizeof(text)) return false;
    memcpy(text, line, len);
    text[len] = '\0';
    if (sscanf(text, "%15s %511s %15s", out->method, target, version) != 3) return false;
    if (strncmp(version, "HTTP/1.", 7) != 0) return false;
    out->keep_alive = strcmp(version, "HTTP/1.1") == 0;
    target[strcspn(target, "?#")] = '\0';
    snprintf(out->path, sizeof(out->path), "%s", target);
    return true;
}

/* A chunked body (RFC 9112 section 7.1); trailers are read over. */
static enum request_result parse_chunked(const char *at, const char *end, const char *start, struct request *out)
{
    for (;;) {
        const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (eol == NULL) return end - at > 64 ? REQUEST_BAD : REQUEST_MORE;
        char *stop;
        unsigned long size = strtoul(at, &stop, 16);
        if (stop == at) return REQUEST_BAD;
        if (size > REQUEST_BODY_MAX || out->body.len + size > REQUEST_BODY_MAX) return REQUEST_TOO_LARGE;
        at = eol + 2;
        if (size == 0) {
            const char *last = at;
            while ((eol = memmem(last, (size_t)(end - last), "\r\n", 2)) != NULL && eol != last) last = eol + 2;
            if (eol == NULL) return REQUEST_MORE;
            out->consumed = (size_t)(eol + 2 - start);
            return REQUEST_OK;
        }
        if ((size_t)(end - at) < size + 2) return REQUEST_MORE;
        buf_add(&out->body, at, size);
        at += size + 2;
    }
}

static enum request_result parse_body(const struct buf *in, size_t head_end, struct request *out)
{
    size_t len;
    const char *value = request_header(out, "Content-Length", &len);
    if (value == NULL && header_is(out, "Transfer-Encoding", "chunked"))
        return parse_chunked(in->data + head_end, in->data + in->len, in->data, out);
    unsigned long size = value ? strtoul(value, NULL, 10) : 0;
    if (size > REQUEST_BODY_MAX) return REQUEST_TOO_LARGE;
    if (in->len - head_end < size) return REQUEST_MORE;
    buf_add(&out->body, in->data + head_end, size);
    out->consumed = head_end + size;
    return REQUEST_OK;
}

enum request_result request_parse(const struct buf *in, struct request *out)
{
    *out = (struct request){0};
    if (in->len == 0) return REQUEST_MORE;
    const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    if (end == NULL) return in->len > REQUEST_HEAD_MAX ? REQUEST_TOO_LARGE : REQUEST_MORE;
    const char *line_end = memmem(in->data, in->len, "\r\n", 2);
    if (!parse_request_line(in->data, (size_t)(line_end - in->data), out)) return REQUEST_BAD;
    out->head = line_end + 2;
    out->head_len = end >= out->head ? (size_t)(end + 2 - out->head) : 0;
    if (header_is(out, "Connection", "close")) out->keep_alive = false;
    enum request_result result = parse_body(in, (size_t)(end + 4 - in->data), out);
    if (result == REQUEST_MORE) out->expects_continue = header_is(out, "Expect", "100-continue");
    if (result != REQUEST_OK) buf_fini(&out->body);
    return result;
}
