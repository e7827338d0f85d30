/* W3C Trace Context (traceparent, level 1): read from a request, and passed on to the provider. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stdbool.h>

enum { TRACE_ID_SIZE = 33, SPAN_ID_SIZE = 17, TRACEPARENT_SIZE = 56 };

struct trace {
    char trace_id[TRACE_ID_SIZE]; /* "" = none */
    char span_id[SPAN_ID_SIZE];   /* ours: random */
    bool sampled;
};

/* Makes a trace from a `traceparent`. If that is missing or malformed, a request id of 32 hex digits becomes the trace
 * id, so that every request has one. Both may be NULL. */
void trace_take(struct trace *trace, const char *traceparent, const char *request_id);
/* Writes "00-<trace id>-<our span id>-<flags>"; "" if there is no trace. */
void trace_format(const struct trace *trace, char out[TRACEPARENT_SIZE]);

#endif
