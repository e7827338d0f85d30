#include "base/trace.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { TRACE_HEX = TRACE_ID_SIZE - 1, SPAN_HEX = SPAN_ID_SIZE - 1 };

/* Exactly len lower-case hex digits, not all of them zero. */
static bool is_id(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len && strspn(text, "0") < len;
}

/* version-traceid-parentid-flags; later versions may go on behind another dash. */
static bool parse(struct trace *trace, const char *text)
{
    if (strlen(text) < TRACEPARENT_SIZE - 1 || strspn(text, "0123456789abcdef") < 2 || strncmp(text, "ff", 2) == 0)
        return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-' || (text[55] && (text[55] != '-' || text[1] == '0')))
        return false;
    if (!is_id(text + 3, TRACE_HEX) || !is_id(text + 36, SPAN_HEX) || strspn(text + 53, "0123456789abcdef") < 2)
        return false;
    memcpy(trace->trace_id, text + 3, TRACE_HEX);
    trace->sampled = strchr("13579bdf", text[54]) != NULL;
    return true;
}

void trace_take(struct trace *trace, const char *traceparent, const char *request_id)
{
    *trace = (struct trace){0};
    if (!traceparent || !parse(trace, traceparent)) {
        if (!request_id || strlen(request_id) != TRACE_HEX || !is_id(request_id, TRACE_HEX)) return;
        memcpy(trace->trace_id, request_id, TRACE_HEX);
    }
    uint64_t span = 0;
    while (span == 0)
        if (getrandom(&span, sizeof span, 0) != (ssize_t)sizeof span) span = 1;
    snprintf(trace->span_id, sizeof trace->span_id, "%016llx", (unsigned long long)span);
}

void trace_format(const struct trace *trace, char out[TRACEPARENT_SIZE])
{
    out[0] = 0;
    if (trace->trace_id[0])
        snprintf(out, TRACEPARENT_SIZE, "00-%s-%s-%s", trace->trace_id, trace->span_id, trace->sampled ? "01" : "00");
}
