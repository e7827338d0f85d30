/*
 * Reads a text/event-stream (WHATWG HTML, "Server-sent events", §9.2.6) from pieces of any size: LF, CR and
 * CRLF, a CRLF cut across pieces, one leading BOM, comments, `data:` without a space, several data lines.
 * U+2028 and U+0085 are no line ends. An event without its blank line at the end is dropped.
 * No allocation while events stay below the buffer that the longest one so far has needed.
 */
#ifndef BASE_SSE_H
#define BASE_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct sse_event {
    const char *name; /* "" where the stream gave none; NUL-terminated, at most 63 bytes, longer are cut */
    const char *data; /* joined with LF; len bytes, no NUL behind them; borrowed for the call */
    size_t len;
    bool bare;   /* there were lines, but none of data; reported only if the reader's tell_bare is set */
    bool joined; /* of several data lines */
};

/* false stops the parse (sse_reader_feed then returns SSE_STOPPED). */
typedef bool sse_event_fn(void *context, const struct sse_event *event);

enum sse_status { SSE_OK, SSE_STOPPED, SSE_TOO_LONG };

struct sse_reader {
    struct buf line;  /* the line so far, where a piece ended within one */
    struct buf data;  /* data lines of the event so far */
    const char *only; /* the event's one data line so far, if it is whole in the piece being fed: not copied yet */
    size_t only_len;
    char name[64];
    bool has_data, has_other; /* since the last event */
    bool joined;
    bool tell_bare;    /* set by the caller */
    bool skip_lf;      /* the last byte was CR: an LF right after it belongs to it */
    unsigned bom_seen; /* bytes of a leading BOM matched so far; 4 = past the start */
    size_t max_event;
};

/* max_event: bytes of a line, and of an event's joined data. */
void sse_reader_init(struct sse_reader *reader, size_t max_event_bytes);
void sse_reader_fini(struct sse_reader *reader);
enum sse_status sse_reader_feed(struct sse_reader *reader, const char *bytes, size_t len, sse_event_fn *on_event,
                                void *context);

#endif
