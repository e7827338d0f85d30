/* Lines that lie whole within a piece are read where they are, and so is an event's data where it is one line; what is
 * cut by the end of a piece is kept. */
#include "base/sse.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";
enum { BOM_BYTES = 3, BOM_PASSED = 4 };

void sse_reader_init(struct sse_reader *reader, size_t max_event_bytes)
{
    *reader = (struct sse_reader){.max_event = max_event_bytes};
    buf_init(&reader->line, max_event_bytes);
    buf_init(&reader->data, max_event_bytes);
}

void sse_reader_fini(struct sse_reader *reader)
{
    buf_fini(&reader->line);
    buf_fini(&reader->data);
}

static enum sse_status copy_data(struct sse_reader *reader, const char *value, size_t len)
{
    if (len && !buf_append(&reader->data, value, len)) return SSE_TOO_LONG;
    return SSE_OK;
}

/* The one data line is about to be followed by another, or its bytes to go away. */
static enum sse_status keep_only(struct sse_reader *reader)
{
    const char *only = reader->only;
    reader->only = NULL;
    return only ? copy_data(reader, only, reader->only_len) : SSE_OK;
}

/* The blank line: without a data line the event is dropped, name and all. */
static enum sse_status dispatch(struct sse_reader *reader, sse_event_fn *on_event, void *context)
{
    struct sse_event event = {.name = reader->name,
                              .data = reader->only,
                              .len = reader->only_len,
                              .bare = !reader->has_data,
                              .joined = reader->joined};
    if (!reader->only) {
        event.data = reader->data.len ? reader->data.data : "";
        event.len = reader->data.len;
    }
    bool go_on = true;
    if (reader->has_data || (reader->tell_bare && reader->has_other)) go_on = on_event(context, &event);
    buf_reset(&reader->data);
    reader->only = NULL;
    reader->has_data = reader->has_other = reader->joined = false;
    reader->name[0] = '\0';
    return go_on ? SSE_OK : SSE_STOPPED;
}

static enum sse_status take_data(struct sse_reader *reader, const char *value, size_t len)
{
    const size_t before = reader->only ? reader->only_len : reader->data.len;
    if (!reader->has_data) {
        reader->has_data = true;
        reader->only = value;
        reader->only_len = len;
        return len > reader->max_event ? SSE_TOO_LONG : SSE_OK;
    }
    reader->joined = true;
    if (before >= reader->max_event || len > reader->max_event - before - 1) return SSE_TOO_LONG;
    enum sse_status status;
    if ((status = keep_only(reader)) != SSE_OK || (status = copy_data(reader, "\n", 1)) != SSE_OK) return status;
    return copy_data(reader, value, len);
}

static enum sse_status take_line(struct sse_reader *reader, const char *line, size_t len, sse_event_fn *on_event,
                                 void *context)
{
    if (len > reader->max_event) return SSE_TOO_LONG;
    if (len == 0) return dispatch(reader, on_event, context);
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    size_t value_len = len - (size_t)(value - line);
    if (value_len > 0 && *value == ' ') {
        value++;
        value_len--;
    }
    if (name_len == 4 && memcmp(line, "data", 4) == 0) return take_data(reader, value, value_len);
    reader->has_other = true;
    if (name_len == 5 && memcmp(line, "event", 5) == 0) {
        if (value_len > sizeof reader->name - 1) value_len = sizeof reader->name - 1;
        memcpy(reader->name, value, value_len);
        reader->name[value_len] = '\0';
    }
    return SSE_OK; /* a comment, id, retry, or a field nobody knows */
}

/* Takes one leading BOM away, however it is cut. Bytes that only looked like one start the first line. */
static enum sse_status skip_bom(struct sse_reader *reader, const char **at, const char *end)
{
    while (*at < end && reader->bom_seen < BOM_BYTES && **at == bom[reader->bom_seen]) {
        ++*at;
        reader->bom_seen++;
    }
    if (*at < end && reader->bom_seen < BOM_BYTES && !buf_append(&reader->line, bom, reader->bom_seen))
        return SSE_TOO_LONG;
    if (*at < end || reader->bom_seen == BOM_BYTES) reader->bom_seen = BOM_PASSED;
    return SSE_OK;
}

static enum sse_status feed_lines(struct sse_reader *reader, const char *at, const char *end, sse_event_fn *on_event,
                                  void *context)
{
    const char *lf = NULL, *cr = NULL; /* the next ones, end where none */
    enum sse_status status;
    while (at < end) {
        if (reader->skip_lf) {
            reader->skip_lf = false;
            if (*at == '\n') {
                at++;
                continue;
            }
        }
        /* Each is looked for again only when passed, so a piece is read twice at most, whatever its line ends. */
        if ((!lf || lf < at) && !(lf = memchr(at, '\n', (size_t)(end - at)))) lf = end;
        if ((!cr || cr < at) && !(cr = memchr(at, '\r', (size_t)(end - at)))) cr = end;
        const char *stop = lf < cr ? lf : cr;
        if (stop == end) {
            if ((status = keep_only(reader)) != SSE_OK) return status; /* it may lie where the line goes */
            return buf_append(&reader->line, at, (size_t)(end - at)) ? SSE_OK : SSE_TOO_LONG;
        }
        reader->skip_lf = *stop == '\r';
        if (reader->line.len > 0) {
            if (!buf_append(&reader->line, at, (size_t)(stop - at))) return SSE_TOO_LONG;
            status = take_line(reader, reader->line.data, reader->line.len, on_event, context);
            buf_reset(&reader->line);
        } else {
            status = take_line(reader, at, (size_t)(stop - at), on_event, context);
        }
        if (status != SSE_OK) return status;
        at = stop + 1;
    }
    return SSE_OK;
}

enum sse_status sse_reader_feed(struct sse_reader *reader, const char *bytes, size_t len, sse_event_fn *on_event,
                                void *context)
{
    const char *at = bytes, *end = bytes + len;
    if (len == 0) return SSE_OK;
    enum sse_status status;
    if (reader->bom_seen != BOM_PASSED && (status = skip_bom(reader, &at, end)) != SSE_OK) return status;
    status = feed_lines(reader, at, end, on_event, context);
    return status == SSE_OK ? keep_only(reader) : status;
}
