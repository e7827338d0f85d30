#include "base/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* What a reader gave, as text: name|data; for each event. */
struct heard {
    char text[4096];
    size_t len;
    int stop_after; /* events; 0: never */
};

static bool hear(void *context, const struct sse_event *event)
{
    struct heard *heard = context;

    heard->len += (size_t)snprintf(heard->text + heard->len, sizeof heard->text - heard->len, "%s|%.*s;", event->name,
                                   (int)event->len, event->data);
    return heard->stop_after == 0 || --heard->stop_after > 0;
}

/* Each piece in memory of its own size, so that a sanitizer sees a step too far. */
static enum sse_status feed(struct sse_reader *reader, const char *bytes, size_t len, struct heard *heard)
{
    char *piece = malloc(len ? len : 1);
    enum sse_status status;

    memcpy(piece, bytes, len);
    status = sse_reader_feed(reader, piece, len, hear, heard);
    free(piece);
    return status;
}

static const struct {
    const char *stream; /* LF is replaced by each kind of line end */
    const char *events;
} rows[] = {
    {"data: a\n\n", "|a;"},
    {"data:a\n\n", "|a;"},
    {"data:  a\n\n", "| a;"},
    {"data\n\ndata\ndata\n\ndata:", "|;|\n;"},
    {"data:\n\n", "|;"},
    {"data: a\ndata:b\ndata\n\n", "|a\nb\n;"},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "|a;"},
    {"\xef\xbb\xbf\xef\xbb\xbf"
     "data: a\n\n",
     ""}, /* a second BOM is part of the field's name */
    {"\xef\xbb"
     "data: a\n\ndata: b\n\n",
     "|b;"},
    {"\xef"
     "\n\ndata: b\n\n",
     "|b;"},
    {": comment\ndata: a\n:\n\n", "|a;"},
    {"event: done\ndata: {}\n\ndata: x\n\n", "done|{};|x;"},
    {"event: lost\n\ndata: x\n\n", "|x;"}, /* no data: no event, and the name doesn't stay */
    {"event: a\nevent: b\ndata: x\n\n", "b|x;"},
    {"event\ndata: x\n\n", "|x;"},
    {"id: 7\nretry: 10\nunknown: y\nDATA: z\ndata : z\ndatax: z\ndat: z\ndata: x\n\n", "|x;"},
    {"data: a:b: c\n\n", "|a:b: c;"},
    {"data: \xe2\x80\xa8 and \xc2\x85\n\n", "|\xe2\x80\xa8 and \xc2\x85;"}, /* U+2028, U+0085: no line ends */
    {"data: never finished\n", ""},
    {"\n\n\ndata: a\n\n\n\ndata: b\n\n", "|a;|b;"},
    {"data: [DONE]\n\n", "|[DONE];"},
};

/* The stream with its line ends replaced. Static. */
static const char *with_line_ends(const char *stream, const char *line_end)
{
    static char text[1024];
    size_t len = 0;

    for (; *stream; stream++)
        if (*stream == '\n')
            for (const char *c = line_end; *c; c++) text[len++] = *c;
        else
            text[len++] = *stream;
    text[len] = '\0';
    return text;
}

START_TEST(a_stream_cut_anywhere_gives_the_same_events)
{
    static const char *const line_ends[] = {"\n", "\r", "\r\n"};

    for (size_t row = 0; row < UNIT_COUNT(rows); row++) {
        for (size_t kind = 0; kind < UNIT_COUNT(line_ends); kind++) {
            const char *stream = with_line_ends(rows[row].stream, line_ends[kind]);
            const size_t len = strlen(stream);

            for (size_t cut = 0; cut <= len; cut++) {
                struct sse_reader reader;
                struct heard heard = {.len = 0};

                sse_reader_init(&reader, 100);
                ck_assert_int_eq(feed(&reader, stream, cut, &heard), SSE_OK);
                ck_assert_int_eq(feed(&reader, stream + cut, len - cut, &heard), SSE_OK);
                ck_assert_msg(strcmp(heard.text, rows[row].events) == 0, "row %zu, line end %zu, cut at %zu: %s", row,
                              kind, cut, heard.text);
                sse_reader_fini(&reader);
            }
        }
    }
}
END_TEST

START_TEST(a_stream_in_single_bytes_gives_the_same_events)
{
    static const char *const line_ends[] = {"\n", "\r", "\r\n"};

    for (size_t row = 0; row < UNIT_COUNT(rows); row++) {
        for (size_t kind = 0; kind < UNIT_COUNT(line_ends); kind++) {
            struct sse_reader reader;
            struct heard heard = {.len = 0};

            sse_reader_init(&reader, 100);
            for (const char *at = with_line_ends(rows[row].stream, line_ends[kind]); *at; at++)
                ck_assert_int_eq(feed(&reader, at, 1, &heard), SSE_OK);
            ck_assert_str_eq(heard.text, rows[row].events);
            sse_reader_fini(&reader);
        }
    }
}
END_TEST

START_TEST(mixed_line_ends_are_understood)
{
    struct sse_reader reader;
    struct heard heard = {.len = 0};
    static const char stream[] = "data: a\r\n\ndata: b\r\rdata: c\n\r\ndata: d\n\rdata: e\r\n\r\n";

    sse_reader_init(&reader, 100);
    ck_assert_int_eq(feed(&reader, stream, sizeof stream - 1, &heard), SSE_OK);
    ck_assert_str_eq(heard.text, "|a;|b;|c;|d;|e;");
    sse_reader_fini(&reader);
}
END_TEST

START_TEST(a_callback_can_stop_the_stream)
{
    struct sse_reader reader;
    struct heard heard = {.stop_after = 2};
    static const char stream[] = "data: a\n\ndata: b\n\ndata: c\n\n";

    sse_reader_init(&reader, 100);
    ck_assert_int_eq(feed(&reader, stream, sizeof stream - 1, &heard), SSE_STOPPED);
    ck_assert_str_eq(heard.text, "|a;|b;");
    sse_reader_fini(&reader);
}
END_TEST

START_TEST(lines_and_events_are_bounded)
{
    struct sse_reader reader;
    struct heard heard = {.len = 0};

    sse_reader_init(&reader, 10); /* a line of ten bytes is the longest: "data:12345" */
    ck_assert_int_eq(feed(&reader, "data:12345\n\n", 12, &heard), SSE_OK);
    ck_assert_str_eq(heard.text, "|12345;");
    ck_assert_int_eq(feed(&reader, "data:123456\n\n", 13, &heard), SSE_TOO_LONG);
    sse_reader_fini(&reader);

    sse_reader_init(&reader, 10); /* the same, cut before its end came */
    ck_assert_int_eq(feed(&reader, "data:12", 7, &heard), SSE_OK);
    ck_assert_int_eq(feed(&reader, "3456", 4, &heard), SSE_TOO_LONG);
    sse_reader_fini(&reader);

    sse_reader_init(&reader, 10); /* joined data: 5 + LF + 4 is ten, one more is not */
    ck_assert_int_eq(feed(&reader, "data:12345\ndata:1234\n\n", 22, &heard), SSE_OK);
    ck_assert_int_eq(feed(&reader, "data:12345\ndata:12345\n\n", 23, &heard), SSE_TOO_LONG);
    sse_reader_fini(&reader);
}
END_TEST

START_TEST(a_long_event_name_is_cut)
{
    struct sse_reader reader;
    struct heard heard = {.len = 0};
    char stream[200], wanted[80];

    snprintf(stream, sizeof stream, "event: %0100d\ndata: x\n\n", 0);
    snprintf(wanted, sizeof wanted, "%063d|x;", 0);
    sse_reader_init(&reader, 200);
    ck_assert_int_eq(feed(&reader, stream, strlen(stream), &heard), SSE_OK);
    ck_assert_str_eq(heard.text, wanted);
    sse_reader_fini(&reader);
}
END_TEST

START_TEST(model_text_cannot_end_an_event)
{
    struct sse_reader reader;
    struct heard heard = {.len = 0};
    static const char stream[] = "data: {\"t\":\"\\n\\nevent: done\\ndata: {}\"}\n\n";

    sse_reader_init(&reader, 100);
    ck_assert_int_eq(feed(&reader, stream, sizeof stream - 1, &heard), SSE_OK);
    ck_assert_str_eq(heard.text, "|{\"t\":\"\\n\\nevent: done\\ndata: {}\"};");
    sse_reader_fini(&reader);
}
END_TEST

UNIT_SUITE(base_sse)
{
    Suite *suite = suite_create("base_sse");

    UNIT_CASE(suite, "reading", a_stream_cut_anywhere_gives_the_same_events,
              a_stream_in_single_bytes_gives_the_same_events, mixed_line_ends_are_understood,
              a_callback_can_stop_the_stream, lines_and_events_are_bounded, a_long_event_name_is_cut,
              model_text_cannot_end_an_event);
    return suite;
}
