/* What of a stream goes on to a completion's client: the same frames, however the provider's bytes are framed and cut.
 */
#include "sambanova/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define A "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}"
#define B                                                                                                       \
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b \\\"\\u00fc\\ud83d\\n\"}}]}" /* escapes: as they are \
                                                                                         */
#define UE "{\"choices\":[{\"delta\":{\"content\":\"\xc3\xbc\"}}]}"
#define FRAME(json) "data: " json "\n\n"
#define DONE "data: [DONE]\n\n"
#define WAITING ": waiting\n\n"
#define STOP "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define USE "{\"prompt_tokens\":1000,\"completion_tokens\":20,\"prompt_tokens_details\":{\"cached_tokens\":9}}"
#define ESTIMATED "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6,\"total_tokens\":11}}"

static size_t text_bytes;

static void count(void *context, const char *text, size_t len)
{
    (void)context;
    (void)text;
    text_bytes += len;
}

struct heard {
    enum chat_error error;
    bool done;
    struct buf out; /* as a string */
    struct provider_end end;
};

/* Pieces of `cut` bytes. */
static struct heard hear(const char *bytes, size_t len, size_t cut, bool usage)
{
    static const struct token_usage estimated = {5, 6, -1, 0};
    struct heard heard = {.error = CHAT_OK};
    struct decoder *decoder = decode_new(NULL);
    struct passed passed = {.out = &heard.out, .usage = usage};
    struct delta_sink sink = {.content = count, .reasoning = count, .passed = &passed};

    text_bytes = 0;
    buf_init(&heard.out, 1 << 20);
    for (size_t at = 0; at < len && !heard.error; at += cut) {
        char *piece = malloc(cut); /* so that a sanitizer sees what is read past it */
        size_t piece_len = len - at < cut ? len - at : cut;

        memcpy(piece, bytes + at, piece_len);
        heard.error = decode_feed(decoder, piece, piece_len, &sink);
        free(piece);
    }
    heard.done = decode_done(decoder);
    decode_end(decoder, &sink, &heard.end);
    if (usage && !heard.error) decode_last(decoder, &estimated, &heard.out);
    buf_append_char(&heard.out, '\0');
    decode_free(decoder);
    return heard;
}

static void assert_passed(const char *bytes, size_t len, bool usage, const char *expected)
{
    static const size_t cuts[] = {1, 2, 3, 5, 7, 16, 64, 100000};

    for (size_t i = 0; i < UNIT_COUNT(cuts); i++) {
        struct heard heard = hear(bytes, len, cuts[i], usage);

        ck_assert_int_eq(heard.error, CHAT_OK);
        ck_assert_str_eq(heard.out.data, expected);
        buf_fini(&heard.out);
    }
}

/* B2 */
static const struct {
    const char *bytes, *frames;
} framings[] = {
    {FRAME(A) FRAME(B) DONE, FRAME(A) FRAME(B)},
    {"data:" A "\r\n\r\ndata:" B "\r\n\r\n", FRAME(A) FRAME(B)},
    {"data: " A "\r\rdata: " B "\r\r", FRAME(A) FRAME(B)},
    {"data: " A "\r\n\ndata: " B "\n\r\n", FRAME(A) FRAME(B)},
    {"\xef\xbb\xbf" FRAME(A), FRAME(A)},
    {"data:   " A "  \n\n", FRAME(A)},
    {"event: chunk\nid: 7\nretry: 3\nx: y\n: hm\ndata: " A "\n\n", FRAME(A)},
    {"data: {\ndata:\ndata: \"choices\":[{\"delta\":\ndata:{\"content\":\"a\"}}]\ndata: }\n\n",
     FRAME("{  \"choices\":[{\"delta\": {\"content\":\"a\"}}] }")},
    {"\n\n\n" FRAME(A) "\n\n" FRAME(A) "\n", FRAME(A) FRAME(A)},
    {": early\n\nevent: ping\n\ndata:\n\n" FRAME(A), FRAME(A)}, /* opens nothing */
    {FRAME(A) ": keep\n\n" FRAME(A), FRAME(A) WAITING FRAME(A)},
    {FRAME(A) "event: ping\n\n", FRAME(A) WAITING},
    {FRAME(A) "event: ping\ndata: 7\n\n", FRAME(A) WAITING},
    {FRAME(A) "data:\n\n" FRAME(A), FRAME(A) WAITING FRAME(A)},
    {FRAME(A) "data\n\n" FRAME(A), FRAME(A) WAITING FRAME(A)},
    {FRAME(A) ": \xff\n\n", FRAME(A) WAITING},
    {FRAME(UE) FRAME(UE), FRAME(UE) FRAME(UE)},
    {FRAME("{\"choices\":[{\"delta\":{\"content\":\"\xe2\x80\xa8\x7f\"}}]}"),
     FRAME("{\"choices\":[{\"delta\":{\"content\":\"\xe2\x80\xa8\x7f\"}}]}")},
    {FRAME("{ \"choices\" : [ { \"delta\" : { } } ] , \"x\" : 1.50e+3 }"),
     FRAME("{ \"choices\" : [ { \"delta\" : { } } ] , \"x\" : 1.50e+3 }")},
    /* a time is an integer */
    {FRAME("{\"created\":1732111111.123,\"choices\":[{}]}"), FRAME("{\"created\":1732111111,\"choices\":[{}]}")},
    {FRAME("{\"choices\":[{}],\"created\": 1.7321e9}"), FRAME("{\"choices\":[{}],\"created\": 1732100000}")},
    {FRAME("{\"choices\":[{}],\"created\":1732111111}"), FRAME("{\"choices\":[{}],\"created\":1732111111}")},
    {FRAME("{\"choices\":[{}],\"created\":-1.5}"), FRAME("{\"choices\":[{}],\"created\":0}")},
    {FRAME("{\"choices\":[{}],\"created\":1.764e15}"), FRAME("{\"choices\":[{}],\"created\":1764000000000000}")},
    {FRAME("{\"choices\":[{}],\"created\":1e999}"), FRAME("{\"choices\":[{}],\"created\":0}")},
    {FRAME("{\"choices\":[{}],\"created\":\"1.5\"}"), FRAME("{\"choices\":[{}],\"created\":\"1.5\"}")},
    /* likewise in chunks that differ in their content alone, which are not read in full */
    {FRAME("{\"created\":1.5,\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"usage\":null,\"x\":2.5}")
         FRAME("{\"created\":1.5,\"choices\":[{\"delta\":{\"content\":\"\"}}],\"usage\":null,\"x\":2.5}")
             FRAME("{\"created\":1.5,\"choices\":[{\"delta\":{\"content\":\"longer than the "
                   "first\"}}],\"usage\":null,\"x\":2.5}"),
     FRAME("{\"created\":1,\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"x\":2.5}")
         FRAME("{\"created\":1,\"choices\":[{\"delta\":{\"content\":\"\"}}],\"x\":2.5}")
             FRAME("{\"created\":1,\"choices\":[{\"delta\":{\"content\":\"longer than the first\"}}],\"x\":2.5}")},
    {FRAME("{\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"created\":7.5}")
         FRAME("{\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"and two\"}}],\"created\":7.5}"),
     FRAME("{\"choices\":[{\"delta\":{\"content\":\"one\"}}],\"created\":7}")
         FRAME("{\"choices\":[{\"delta\":{\"content\":\"and two\"}}],\"created\":7}")},
    /* what has no choice is no news; usage was not asked for */
    {FRAME("{\"choices\":[]}") FRAME("{\"choices\":null}") FRAME("{\"x\":1}") FRAME("{\"choices\":[null]}") FRAME(A)
         FRAME("{\"choices\":[],\"usage\":" USE "}") FRAME("{\"usage\":" USE "}"),
     FRAME(A)},
    {FRAME("{\"usage\":" USE ",\"choices\":[{\"finish_reason\":\"stop\"}]}"),
     FRAME("{\"choices\":[{\"finish_reason\":\"stop\"}]}")},
    {FRAME("{\"choices\":[{\"finish_reason\":\"stop\"}] , \"usage\" : " USE " , \"x\":1}"),
     FRAME("{\"choices\":[{\"finish_reason\":\"stop\"}]  , \"x\":1}")},
    {FRAME("{\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}],\"usage\":" USE "}"),
     FRAME("{\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}")},
    {FRAME("{ \"usage\" : {} , \"choices\":[{}]}"), FRAME("{  \"choices\":[{}]}")},
};

START_TEST(each_frame_is_one_line_of_the_providers_json_whatever_its_framing)
{
    assert_passed(framings[_i].bytes, strlen(framings[_i].bytes), false, framings[_i].frames);
}
END_TEST

/* include-usage-to-the-letter, cached-prompt-tokens */
static const struct {
    const char *bytes, *frames;
} asked[] = {
    {FRAME(STOP) FRAME("{\"choices\":[],\"id\":\"x\",\"usage\":" USE "}") DONE,
     FRAME(STOP) FRAME("{\"choices\":[],\"id\":\"x\",\"usage\":" USE "}")},
    {FRAME("{\"id\":\"x\",\"created\":1.5,\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":" USE "}") DONE,
     FRAME("{\"id\":\"x\",\"created\":1,\"choices\":[{\"finish_reason\":\"stop\"}]}")
         FRAME("{\"id\":\"x\",\"created\":1,\"choices\":[],\"usage\":" USE "}")},
    {FRAME("{\"usage\":{\"prompt_tokens\":1},\"choices\":[{\"delta\":{\"content\":\"a\"}}]}")
         FRAME("{\"usage\":" USE ",\"choices\":[{\"finish_reason\":\"stop\"}],\"created\":2.5}"),
     FRAME("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}")
         FRAME("{\"choices\":[{\"finish_reason\":\"stop\"}],\"created\":2}")
             FRAME("{\"usage\":" USE ",\"choices\":[],\"created\":2}")},
    {FRAME(A) FRAME("{\"usage\":" USE "}") FRAME("{\"choices\":[],\"usage\":null}"),
     FRAME(A) FRAME("{\"choices\":[],\"usage\":" USE "}")},
    {FRAME(A) FRAME("{\"usage\":" USE ",\"choices\":null}") FRAME(STOP),
     FRAME(A) FRAME(STOP) FRAME("{\"usage\":" USE ",\"choices\":[]}")},
    /* nobody told: what we count */
    {FRAME("{\"id\":\"x\",\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}") FRAME(STOP),
     FRAME("{\"id\":\"x\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}") FRAME(STOP)
         FRAME("{\"id\":\"x\",\"choices\":[]," ESTIMATED)},
    {FRAME("{}") FRAME(STOP), FRAME(STOP) FRAME("{\"choices\":[] ," ESTIMATED)},
    {FRAME("{ \"usage\":null }") FRAME(STOP), FRAME(STOP) FRAME("{\"choices\":[]   ," ESTIMATED)},
    {FRAME("{ \"created\":1.5 }  ") FRAME(STOP), FRAME(STOP) FRAME("{\"choices\":[], \"created\":1 ," ESTIMATED)},
    {"data: {\"id\":\"x\",\ndata: \"choices\":[{\"finish_reason\":\"stop\"}],\ndata: \"usage\":" USE "}\n\n",
     FRAME("{\"id\":\"x\", \"choices\":[{\"finish_reason\":\"stop\"}]}")
         FRAME("{\"id\":\"x\", \"choices\":[], \"usage\":" USE "}")},
};

START_TEST(who_asks_for_usage_gets_it_once_with_the_last_chunk_whatever_chunk_told_it)
{
    assert_passed(asked[_i].bytes, strlen(asked[_i].bytes), true, asked[_i].frames);
}
END_TEST

#define DEEP8 "[[[[[[[["
static const char *const unsound[] = {
    "data: hello\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]} x\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\xed\xa0\x80\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"\xc3\":\"a\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\t\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\ndata: b\"}}]}\n\n",
    "data: {\"choices\":[{\"x\":NaN}]}\n\n",
    "data: {\"choices\":[{\"x\":-Infinity}]}\n\n",
    "data: {\"choices\":[{\"x\":[Infinity]}]}\n\n",
    "data: {\"choices\":[{}],\"choices\":[]}\n\n",
    "data: {\"choices\":[{}],\"usage\":1,\"usage\":{\"prompt_tokens\":1}}\n\n",
    "data: {\"choices\":[{}],\"x\":" DEEP8 DEEP8 DEEP8 DEEP8 "\n\n",
    "data: [1]\n\n",
    "data: \xef\xbb\xbf" A "\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"b\xff\"}}]}\n\n", /* the form of the chunk before it */
};

START_TEST(what_is_no_json_in_utf8_ends_the_stream_and_what_came_before_it_is_passed)
{
    static const char before[] = FRAME("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}");
    char bytes[512];

    snprintf(bytes, sizeof bytes, "%s%s%s", before, unsound[_i], FRAME(A));
    for (size_t cut = 1; cut < 600; cut += 13) {
        struct heard heard = hear(bytes, strlen(bytes), cut, false);

        ck_assert_int_eq(heard.error, CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
        ck_assert_str_eq(heard.out.data, before);
        buf_fini(&heard.out);
    }
}
END_TEST

START_TEST(a_raw_nul_ends_the_stream)
{
    static const char in_text[] = "data: {\"choices\":[{\"delta\":{\"content\":\"a\0\"}}]}\n\n";
    static const char behind[] = "data: {\"choices\":[{}]}\0\n\n";
    struct heard first = hear(in_text, sizeof in_text - 1, 1000, false),
                 second = hear(behind, sizeof behind - 1, 1000, false);

    ck_assert_int_eq(first.error, CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_int_eq(second.error, CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
    ck_assert_str_eq(first.out.data, "");
    buf_fini(&first.out);
    buf_fini(&second.out);
}
END_TEST

/* A4: the text of all choices, and what a model writes into its calls, is counted where nobody tells the usage. */
START_TEST(all_that_the_model_wrote_is_counted)
{
    static const char stream[] =
        FRAME("{\"choices\":[{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"12345\"}},"
              "{\"index\":0,\"delta\":{\"content\":\"123\"}},{\"index\":2,\"delta\":{\"reasoning\":\"12\"}}]}")
            FRAME("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
                  "\"1234567\"}}]}}]}") FRAME("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"1\"}}]}")
                FRAME("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"12\"}}]}");
    struct heard heard = hear(stream, sizeof stream - 1, 1000, false);
    struct buf whole;
    struct provider_end end;

    ck_assert_uint_eq(text_bytes, 3 + 1 + 2);
    ck_assert_uint_eq(heard.end.other_bytes, 5 + 2 + 7);
    buf_fini(&heard.out);
    buf_init(&whole, 1000);
    buf_append_str(&whole, "{\"choices\":[{\"message\":{\"content\":\"123\"}},{\"message\":{\"content\":\"12\"}}]}");
    decode_whole(NULL, &whole, &end);
    ck_assert_uint_eq(end.other_bytes, 5);
    buf_fini(&whole);
}
END_TEST

UNIT_SUITE(sambanova_passed)
{
    Suite *suite = suite_create("sambanova_passed");
    TCase *tables = UNIT_CASE(suite, "passed", a_raw_nul_ends_the_stream, all_that_the_model_wrote_is_counted);

    tcase_add_loop_test(tables, each_frame_is_one_line_of_the_providers_json_whatever_its_framing, 0,
                        (int)UNIT_COUNT(framings));
    tcase_add_loop_test(tables, who_asks_for_usage_gets_it_once_with_the_last_chunk_whatever_chunk_told_it, 0,
                        (int)UNIT_COUNT(asked));
    tcase_add_loop_test(tables, what_is_no_json_in_utf8_ends_the_stream_and_what_came_before_it_is_passed, 0,
                        (int)UNIT_COUNT(unsound));
    return suite;
}
