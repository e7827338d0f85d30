#include "stats.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static void request_fini_of(struct stats_request *self)
{
    buf_fini(&self->head);
    buf_fini(&self->body);
    *self = (struct stats_request){0};
}

void stats_fini(struct stats *self)
{
    request_fini_of(&self->last);
    for (size_t i = 0; i < STATS_CHATS; i++) request_fini_of(&self->recent[i]);
}

void stats_reset(struct stats *self)
{
    long open_streams = self->open_streams, connections = self->connections;
    stats_fini(self);
    *self = (struct stats){.open_streams = open_streams, .open_streams_max = open_streams, .connections = connections};
}

static int is_whole(const struct stats_request *self)
{
    return self->body_bytes <= STATS_BODY_MAX;
}

static void keep(struct stats_request *self, const struct request *request)
{
    snprintf(self->method, sizeof(self->method), "%s", request->method);
    snprintf(self->path, sizeof(self->path), "%s", request->path);
    self->head.len = self->body.len = 0;
    self->body_bytes = request->body.len;
    buf_add(&self->head, request->head, request->head_len);
    buf_add(&self->body, request->body.data, is_whole(self) ? self->body_bytes : STATS_BODY_HEAD);
    if (!is_whole(self))
        memcpy(self->body_end, request->body.data + self->body_bytes - sizeof(self->body_end), sizeof(self->body_end));
}

void stats_request_seen(struct stats *self, const struct request *request, int is_chat)
{
    keep(&self->last, request);
    if (is_chat) keep(&self->recent[self->recent_count++ % STATS_CHATS], request);
}

static double clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void stats_cancelled(struct stats *self, const char *tag, long deltas)
{
    struct stats_cancel *cancel = &self->cancels[self->cancelled++ % STATS_CANCELS];
    *cancel = (struct stats_cancel){
        .mono_ms = clock_ms(CLOCK_MONOTONIC), .epoch_ms = clock_ms(CLOCK_REALTIME), .deltas = deltas};
    snprintf(cancel->tag, sizeof(cancel->tag), "%s", tag ? tag : "");
}

static void print_headers(const struct stats_request *request, struct buf *out)
{
    const char *line = request->head.data, *end = line + request->head.len;
    const char *comma = "";
    while (line < end) {
        const char *stop = memchr(line, '\r', (size_t)(end - line));
        if (stop == NULL) stop = end;
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon != NULL) {
            size_t name_len = (size_t)(colon - line);
            const char *value = colon + 1;
            while (value < stop && *value == ' ') value++;
            buf_printf(out, "%s\"", comma);
            size_t name_at = out->len;
            buf_json(out, line, name_len);
            for (size_t i = name_at; i < out->len; i++)
                if (out->data[i] >= 'A' && out->data[i] <= 'Z') out->data[i] = (char)(out->data[i] + 32);
            buf_str(out, "\":\"");
            if (name_len == 13 && strncasecmp(line, "Authorization", 13) == 0)
                buf_str(out, "(redacted)");
            else
                buf_json(out, value, (size_t)(stop - value));
            buf_char(out, '"');
            comma = ",";
        }
        line = stop + 2;
    }
}

static void print_request(const struct stats_request *request, struct buf *out)
{
    if (request->method[0] == '\0') {
        buf_str(out, "null");
        return;
    }
    buf_str(out, "{\"method\":\"");
    buf_json(out, request->method, strlen(request->method));
    buf_str(out, "\",\"path\":\"");
    buf_json(out, request->path, strlen(request->path));
    buf_str(out, "\",\"headers\":{");
    print_headers(request, out);
    buf_str(out, "},\"body\":\"");
    buf_json(out, request->body.data, request->body.len);
    buf_printf(out, "\",\"body_bytes\":%zu,\"body_end\":\"", request->body_bytes);
    if (!is_whole(request)) buf_json(out, request->body_end, sizeof(request->body_end));
    buf_str(out, "\"}");
}

/* Newest first. */
static void print_recent(const struct stats *self, struct buf *out)
{
    unsigned long count = self->recent_count < STATS_CHATS ? self->recent_count : STATS_CHATS;
    buf_str(out, ",\"recent_chats\":[");
    for (unsigned long i = 1; i <= count; i++) {
        if (i > 1) buf_char(out, ',');
        print_request(&self->recent[(self->recent_count - i) % STATS_CHATS], out);
    }
    buf_char(out, ']');
}

static void print_cancel(const struct stats_cancel *cancel, struct buf *out)
{
    buf_printf(out, "{\"mono_ms\":%.3f,\"epoch_ms\":%.3f,\"deltas\":%ld,\"tag\":\"", cancel->mono_ms, cancel->epoch_ms,
               cancel->deltas);
    buf_json(out, cancel->tag, strlen(cancel->tag));
    buf_str(out, "\"}");
}

static void print_cancels(const struct stats *self, struct buf *out)
{
    unsigned long first = self->cancelled > STATS_CANCELS ? self->cancelled - STATS_CANCELS : 0;
    buf_str(out, ",\"last_cancel\":");
    if (self->cancelled > 0)
        print_cancel(&self->cancels[(self->cancelled - 1) % STATS_CANCELS], out);
    else
        buf_str(out, "null");
    buf_str(out, ",\"cancels\":[");
    for (unsigned long i = first; i < self->cancelled; i++) {
        if (i > first) buf_char(out, ',');
        print_cancel(&self->cancels[i % STATS_CANCELS], out);
    }
    buf_char(out, ']');
}

void stats_print(const struct stats *self, struct buf *out)
{
    buf_printf(out, "{\"requests\":%lu,\"chats\":%lu,\"titles\":%lu,\"refused\":%lu", self->requests, self->chats,
               self->titles, self->refused);
    buf_printf(out, ",\"completed\":%lu,\"cancelled\":%lu,\"broken\":%lu,\"chunks\":%lu", self->completed,
               self->cancelled, self->broken, self->chunks);
    buf_printf(out, ",\"open_streams\":%ld,\"open_streams_max\":%ld,\"connections\":%ld,\"accepted\":%lu",
               self->open_streams, self->open_streams_max, self->connections, self->accepted);
    buf_printf(out, ",\"now\":{\"mono_ms\":%.3f,\"epoch_ms\":%.3f}", clock_ms(CLOCK_MONOTONIC),
               clock_ms(CLOCK_REALTIME));
    print_cancels(self, out);
    buf_str(out, ",\"last_request\":");
    print_request(&self->last, out);
    print_recent(self, out);
    buf_char(out, '}');
}
