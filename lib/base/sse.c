/* Lines that lie whole within a piece are read where they are; only a line cut by the end of a piece is kept. */
#include "base/sse.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";
enum { BOM_BYTES = 3, BOM_PASSED = 4 };

void sse_reader_init(struct sse_reader *reader, size_t max_event_bytes)
{
    *reader = (struct sse_reader){.max_event = max_event_bytes};
    buf_init(&reader->line, max_event_bytes);
    buf_init(&reader->data, max_event_bytes + 1); /* and the NUL */
}

void sse_reader_fini(struct sse_reader *reader)
{
    buf_fini(&reader->line);
    buf_fini(&reader->data);
}

/* The blank line: without a data line the event is dropped, name and all. */
static enum sse_status dispatch(struct sse_reader *reader, sse_event_fn *on_event, void *context)
{
    struct sse_event event = {.name = reader->name};
    bool go_on = true;

    if (reader->has_data) {
        if (!buf_append_char(&reader->data, '\0')) return SSE_TOO_LONG;
        event.data = reader->data.data;
        event.len = reader->data.len - 1;
        go_on = on_event(context, &event);
    }
    buf_reset(&reader->data);
    reader->has_data = false;
    reader->name[0] = '\0';
    return go_on ? SSE_OK : SSE_STOPPED;
}

static enum sse_status take_data(struct sse_reader *reader, const char *value, size_t len)
{
    const size_t lf = reader->has_data ? 1 : 0;
    char *room;

    if (len + lf > reader->max_event - reader->data.len) return SSE_TOO_LONG;
    room = buf_reserve(&reader->data, len + lf + 1); /* with the NUL to come */
    if (!room) return SSE_TOO_LONG;
    if (lf) room[0] = '\n';
    if (len) memcpy(room + lf, value, len);
    reader->data.len += len + lf;
    reader->has_data = true;
    return SSE_OK;
}

static enum sse_status take_line(struct sse_reader *reader, const char *line, size_t len, sse_event_fn *on_event,
                                 void *context)
{
    const char *colon, *value;
    size_t name_len, value_len;

    if (len > reader->max_event) return SSE_TOO_LONG;
    if (len == 0) return dispatch(reader, on_event, context);
    colon = memchr(line, ':', len);
    name_len = colon ? (size_t)(colon - line) : len;
    value = colon ? colon + 1 : line + len;
    value_len = len - (size_t)(value - line);
    if (value_len > 0 && *value == ' ') {
        value++;
        value_len--;
    }
    if (name_len == 4 && memcmp(line, "data", 4) == 0) return take_data(reader, value, value_len);
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

enum sse_status sse_reader_feed(struct sse_reader *reader, const char *bytes, size_t len, sse_event_fn *on_event,
                                void *context)
{
    const char *at = bytes, *end = bytes + len, *lf = NULL, *cr = NULL; /* lf, cr: the next ones, end where none */
    enum sse_status status;

    if (len == 0) return SSE_OK;
    if (reader->bom_seen != BOM_PASSED && (status = skip_bom(reader, &at, end)) != SSE_OK) return status;
    while (at < end) {
        const char *stop;

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
        stop = lf < cr ? lf : cr;
        if (stop == end) return buf_append(&reader->line, at, (size_t)(end - at)) ? SSE_OK : SSE_TOO_LONG;
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
