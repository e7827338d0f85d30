#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define TEXT(literal) (literal), sizeof(literal) - 1

/* In memory of exactly its size, so that a sanitizer sees a read too far. */
static enum chat_error parse(const char *text, size_t len, struct json_doc **doc, const char **reason)
{
    char *copy = malloc(len ? len : 1);
    enum chat_error error;

    memcpy(copy, text, len);
    error = json_parse(copy, len, doc, reason);
    free(copy);
    return error;
}

START_TEST(the_gate_refuses_what_is_not_strict_json)
{
    static const struct {
        const char *text;
        size_t len;
        const char *reason;
    } rows[] = {
        {TEXT(""), "unexpected end"},
        {TEXT("  "), "unexpected end"},
        {TEXT("\xef\xbb\xbf{}"), "byte order mark"},
        {TEXT("{\"a\":\"x\\u0000y\"}"), "NUL in a string"},
        {TEXT("{\"a\\u0000\":1}"), "NUL in a string"},
        {TEXT("\"\\\\\\u0000\""), "NUL in a string"}, /* an escaped backslash, then the escape */
        {TEXT("{\"a\":\"x\0y\"}"), "NUL in a string"},
        {TEXT("{}\0"), "text after the value"},
        {TEXT("\0{}"), "unexpected character"},
        {TEXT("{\"a\":\"\xff\"}"), "not valid UTF-8"},
        {TEXT("{\"a\":\"\xc0\xaf\"}"), "not valid UTF-8"},
        {TEXT("{\"a\":\"\xed\xa0\x80\"}"), "not valid UTF-8"},
        {TEXT("\"\\ud800\""), "lone surrogate in a string"},
        {TEXT("\"\\udc00\""), "lone surrogate in a string"},
        {TEXT("\"\\ud800\\ud800\""), "lone surrogate in a string"},
        {TEXT("\"\\ud800x\\udc00\""), "lone surrogate in a string"},
        {TEXT("\"\\ud800\\n\\udc0\""), "lone surrogate in a string"},
        {TEXT("{\"a\":1,\"a\":2}"), "duplicate key"},
        {TEXT("{\"a\":1,\"\\u0061\":2}"), "duplicate key"},
        {TEXT("[{\"x\":{\"\":1,\"\":2}}]"), "duplicate key"},
        {TEXT("{} x"), "text after the value"},
        {TEXT("{}{}"), "text after the value"},
        {TEXT("1 2"), "text after the value"},
        {TEXT("01"), "malformed number"},
        {TEXT("-01"), "malformed number"},
        {TEXT("00"), "malformed number"},
        {TEXT("-"), "malformed number"},
        {TEXT("1."), "malformed number"},
        {TEXT("1.e5"), "malformed number"},
        {TEXT("1e"), "malformed number"},
        {TEXT("1e+"), "malformed number"},
        {TEXT("+1"), "unexpected character"},
        {TEXT(".5"), "unexpected character"},
        {TEXT("0x10"), "text after the value"},
        {TEXT("NaN"), "unexpected character"},
        {TEXT("-Infinity"), "malformed number"},
        {TEXT("\"a\nb\""), "control character in a string"},
        {TEXT("\"a\tb\""), "control character in a string"},
        {TEXT("\"\x1f\""), "control character in a string"},
        {TEXT("\"12345678\x01"
              "2345678\""),
         "control character in a string"},
        {TEXT("\"\\x41\""), "malformed escape in a string"},
        {TEXT("\"\\u12g4\""), "malformed escape in a string"},
        {TEXT("\"\\u123"), "malformed escape in a string"},
        {TEXT("\"\\"), "unexpected end"},
        {TEXT("\"abc"), "unexpected end"},
        {TEXT("'a'"), "unexpected character"},
        {TEXT("[1,]"), "unexpected character"},
        {TEXT("[,1]"), "unexpected character"},
        {TEXT("[1 2]"), "unexpected character"},
        {TEXT("[1}"), "unexpected character"},
        {TEXT("{]"), "unexpected character"},
        {TEXT("{\"a\":1,}"), "unexpected character"},
        {TEXT("{\"a\"}"), "unexpected character"},
        {TEXT("{\"a\":}"), "unexpected character"},
        {TEXT("{\"a\" 1}"), "unexpected character"},
        {TEXT("{a:1}"), "unexpected character"},
        {TEXT("{1:1}"), "unexpected character"},
        {TEXT("{,}"), "unexpected character"},
        {TEXT("]"), "unexpected character"},
        {TEXT("["), "unexpected end"},
        {TEXT("{"), "unexpected end"},
        {TEXT("{\"a\""), "unexpected end"},
        {TEXT("{\"a\":"), "unexpected end"},
        {TEXT("{\"a\":1"), "unexpected end"},
        {TEXT("[1,"), "unexpected end"},
        {TEXT("tru"), "unexpected character"},
        {TEXT("True"), "unexpected character"},
        {TEXT("nullx"), "text after the value"},
        {TEXT("/* */1"), "unexpected character"},
        {TEXT("\v1"), "unexpected character"},
        {TEXT("\xc2\xa0"
              "1"),
         "unexpected character"},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *reason = NULL;
        struct json_doc *doc = (struct json_doc *)&reason;

        ck_assert_msg(parse(rows[i].text, rows[i].len, &doc, &reason) == CHAT_ERR_INVALID_JSON, "row %zu passed: %s", i,
                      rows[i].text);
        ck_assert_ptr_null(doc);
        ck_assert_msg(strcmp(reason, rows[i].reason) == 0, "row %zu, %s: %s", i, rows[i].text, reason);
    }
}
END_TEST

START_TEST(the_gate_lets_all_of_json_through)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-12.5e-3",
        "1E+2",
        "0.0",
        "true",
        "false",
        "null",
        "\"\"",
        "{}",
        "[]",
        " \t\r\n[ 1 , 2 ]\n ",
        "[[],{},[{}],{\"a\":[]}]",
        "{ \"a\" : { \"b\" : null } , \"A\" : 1 }",
        "\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u20ac \\ud83d\\ude00\"",
        "\"\\\\u0000\"", /* a backslash and text, no escape */
        "\"\x7f ä € 😀 \xe2\x80\xa8\"",
        "999999999999999999999999999999999999999999999999999999999999999",
        "1e-400",
    };

    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct json_doc *doc;
        const char *reason;

        ck_assert_msg(parse(texts[i], strlen(texts[i]), &doc, &reason) == CHAT_OK, "%s: %s", texts[i], reason);
        json_free(doc);
    }
}
END_TEST

/* (B4) RFC 8259 sets numbers no length; what can't be a double is still refused. */
START_TEST(a_long_number_is_what_it_says)
{
    static const struct {
        const char *head;
        int zeros;
        const char *tail;
        double value;
    } cases[] = {
        {"-0.", 77, "1", -1e-78}, {"1", 69, "", 1e69},    {"-1", 307, "", -1e307},
        {"123.", 80, "4e0", 123}, {"1e-", 90, "2", 0.01}, {"5e", 90, "2", 500},
        {"0.", 400, "1", 0},      {"1", 200, "e-200", 1}, {"7.", 100, "", 7},
    };
    char text[600];

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        size_t head = strlen(cases[i].head);
        struct json_doc *doc;
        const char *reason;
        double number;

        memcpy(text, cases[i].head, head);
        memset(text + head, '0', (size_t)cases[i].zeros);
        size_t len = head + (size_t)cases[i].zeros;
        len += (size_t)sprintf(text + len, "%s", cases[i].tail);
        ck_assert_msg(parse(text, len, &doc, &reason) == CHAT_OK, "%s: %s", cases[i].head, reason);
        ck_assert(json_number(json_root(doc), &number));
        ck_assert_double_eq(number, cases[i].value);
        json_free(doc);
    }
}
END_TEST

START_TEST(a_long_number_that_is_no_double_is_refused)
{
    static const char *const tails[] = {"", "]", ",1]", ".5", "e10"};
    char text[600];

    for (size_t i = 0; i < UNIT_COUNT(tails); i++) {
        struct json_doc *doc;
        const char *reason;
        size_t at = strchr(tails[i], ']') ? 1 : 0;

        text[0] = '[';
        memset(text + at, '9', 400);
        strcpy(text + at + 400, tails[i]);
        ck_assert_int_eq(parse(text, strlen(text), &doc, &reason), CHAT_OK);
        double number;
        const struct json *value = json_root(doc);
        if (at) value = json_first(value);
        ck_assert_int_eq(json_type(value), JSON_NUMBER);
        ck_assert(!json_number(value, &number)); /* JSON, and no number of ours */
        json_free(doc);
    }
}
END_TEST

/* (A7) */
START_TEST(an_outline_cuts_long_strings_between_characters)
{
    static const char *const fillers[] = {"a",    "\xc3\xa4", "\xf0\x9f\x98\x80", "\\n", "\\u00e4", "\\ud83d\\ude00",
                                          "\\\"", "\\\\"};
    enum { TIMES = 6000 };
    char *text = malloc(TIMES * 12 + 200);

    for (size_t i = 0; i < UNIT_COUNT(fillers); i++)
        for (int shift = 0; shift < 12; shift++) {
            size_t len = (size_t)sprintf(text, "{\"k\":\"%.*s", shift, "abcdefghijkl"), string_len;
            struct json_doc *doc;
            const char *reason, *string;
            double number;

            for (int n = 0; n < TIMES; n++) len += (size_t)sprintf(text + len, "%s", fillers[i]);
            len += (size_t)sprintf(text + len, "\" , \"n\": 1.5, \"short\":\"\\u00e4\"}");
            ck_assert_int_eq(json_parse_outline(text, len, &doc, &reason), CHAT_OK);
            string = json_string(json_get(json_root(doc), "k"), &string_len);
            ck_assert_ptr_nonnull(string);
            ck_assert_uint_gt(string_len, 600);
            ck_assert_uint_le(string_len, 4096);
            ck_assert(utf8_valid(string, string_len));
            ck_assert(json_number(json_get(json_root(doc), "n"), &number) && number == 1.5);
            ck_assert_str_eq(json_string(json_get(json_root(doc), "short"), NULL), "\u00e4");
            json_free(doc);
        }
    free(text);
}
END_TEST

START_TEST(an_outline_keeps_keys_and_their_rules)
{
    enum { KEY = 9000 };
    char *text = malloc(3 * KEY);
    struct json_doc *doc;
    const char *reason;

    for (int same = 0; same < 2; same++) {
        size_t len = (size_t)sprintf(text, "{\"%0*d\" :1,\"%0*d\":2}", KEY, 1, KEY, same ? 1 : 2);

        ck_assert_int_eq(json_parse_outline(text, len, &doc, &reason), same ? CHAT_ERR_INVALID_JSON : CHAT_OK);
        if (same)
            ck_assert_str_eq(reason, "duplicate key");
        else
            ck_assert_uint_eq(strlen(json_key(json_first(json_root(doc)))), KEY);
        json_free(doc);
    }
    ck_assert_int_eq(json_parse_outline("[1,]", 4, &doc, &reason), CHAT_ERR_INVALID_JSON);
    free(text);
}
END_TEST

/* (A7) A tree takes some 100 bytes for each `0,`. */
START_TEST(a_document_has_a_bounded_number_of_values)
{
    char *text = malloc(2 * JSON_MAX_VALUES + 4);
    struct json_doc *doc;
    const char *reason;

    for (int over = 0; over < 2; over++) {
        size_t len = 1;

        text[0] = '[';
        for (int i = 0; i < JSON_MAX_VALUES - 1 + over; i++) len += (size_t)sprintf(text + len, "0,");
        text[len - 1] = ']';
        ck_assert_int_eq(json_parse(text, len, &doc, &reason), over ? CHAT_ERR_INVALID_JSON : CHAT_OK);
        if (over) ck_assert_str_eq(reason, "too many values");
        json_free(doc);
    }
    free(text);
}
END_TEST

/* `[[[…` or `{"a":{"a":…`, and closed again. */
static size_t nest(char *text, int depth, bool objects)
{
    size_t len = 0;

    for (int i = 0; i < depth; i++)
        len += (size_t)sprintf(text + len, objects && i < depth - 1 ? "{\"a\":" : objects ? "{" : "[");
    for (int i = 0; i < depth; i++) text[len++] = objects ? '}' : ']';
    return len;
}

START_TEST(nesting_ends_at_32)
{
    static const int too_deep[] = {33, 1001, 20000};
    static char text[200000];
    struct json_doc *doc;
    const char *reason;

    for (int objects = 0; objects < 2; objects++) {
        ck_assert_int_eq(parse(text, nest(text, JSON_MAX_DEPTH, objects), &doc, &reason), CHAT_OK);
        json_free(doc);
        for (size_t i = 0; i < UNIT_COUNT(too_deep); i++) {
            ck_assert_int_eq(parse(text, nest(text, too_deep[i], objects), &doc, &reason), CHAT_ERR_INVALID_JSON);
            ck_assert_str_eq(reason, "nested too deep");
        }
    }
}
END_TEST

static void *parse_deep(void *unused)
{
    char text[400];
    struct json_doc *doc;
    const char *reason;
    enum chat_error error = json_parse(text, nest(text, JSON_MAX_DEPTH, true), &doc, &reason);

    (void)unused;
    if (!error) json_free(doc);
    return error ? (void *)(uintptr_t)error : NULL;
}

START_TEST(the_deepest_document_fits_a_small_stack)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *result;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, (size_t)256 * 1024);
    ck_assert_int_eq(pthread_create(&thread, &attr, parse_deep, NULL), 0);
    pthread_join(thread, &result);
    ck_assert_ptr_null(result);
    pthread_attr_destroy(&attr);
}
END_TEST

START_TEST(a_document_cut_anywhere_is_refused)
{
    static const char text[] = "{\"a\":[1.5e3,true,null,\"x\\u20ac\\ud83d\\ude00\"],\"b\":{\"c\":\"ä\"}}";
    struct json_doc *doc;
    const char *reason;

    for (size_t len = 0; len < sizeof text - 1; len++)
        ck_assert_int_eq(parse(text, len, &doc, &reason), CHAT_ERR_INVALID_JSON);
    ck_assert_int_eq(parse(text, sizeof text - 1, &doc, &reason), CHAT_OK);
    json_free(doc);
}
END_TEST

START_TEST(many_keys_are_checked_and_the_last_may_be_the_double)
{
    enum { KEYS = 7000 };
    static char text[KEYS * 10 + 20];
    struct json_doc *doc;
    const char *reason;
    size_t len = 1;

    text[0] = '{';
    for (int i = 0; i < KEYS; i++) len += (size_t)sprintf(text + len, "\"%d\":0,", i);
    memcpy(text + len - 1, "}", 1);
    ck_assert_int_eq(parse(text, len, &doc, &reason), CHAT_OK);
    json_free(doc);
    len += (size_t)sprintf(text + len - 1, ",\"0\":0}") - 1;
    ck_assert_int_eq(parse(text, len, &doc, &reason), CHAT_ERR_INVALID_JSON);
    ck_assert_str_eq(reason, "duplicate key");
}
END_TEST

static struct json_doc *parsed(const char *text)
{
    struct json_doc *doc;
    const char *reason;

    ck_assert_int_eq(parse(text, strlen(text), &doc, &reason), CHAT_OK);
    return doc;
}

START_TEST(values_are_read_by_their_type_alone)
{
    struct json_doc *doc = parsed("{\"s\":\"t\\u00e4\",\"i\":-7,\"d\":1.5,\"t\":true,\"n\":null,\"a\":[1,2],\"o\":{}}");
    const struct json *root = json_root(doc);
    int64_t integer;
    double number;
    bool flag;
    size_t len;

    ck_assert_int_eq(json_type(root), JSON_OBJECT);
    ck_assert_str_eq(json_string(json_get(root, "s"), &len), "tä");
    ck_assert_uint_eq(len, 3);
    ck_assert_ptr_null(json_get(root, "S")); /* case matters */
    ck_assert_ptr_null(json_get(root, "missing"));
    ck_assert_ptr_null(json_get(NULL, "s"));
    ck_assert_ptr_null(json_get(json_get(root, "a"), "s"));
    ck_assert_ptr_null(json_string(json_get(root, "i"), NULL));
    ck_assert_ptr_null(json_string(NULL, NULL));
    ck_assert(json_integer(json_get(root, "i"), &integer) && integer == -7);
    ck_assert(!json_integer(json_get(root, "d"), &integer));
    ck_assert(!json_integer(json_get(root, "s"), &integer));
    ck_assert(!json_integer(NULL, &integer));
    ck_assert(json_number(json_get(root, "d"), &number) && number > 1.4 && number < 1.6);
    ck_assert(!json_number(json_get(root, "t"), &number));
    ck_assert(json_bool(json_get(root, "t"), &flag) && flag);
    ck_assert(!json_bool(json_get(root, "n"), &flag));
    ck_assert_int_eq(json_type(json_get(root, "n")), JSON_NULL);
    ck_assert_int_eq(json_type(json_get(root, "a")), JSON_ARRAY);
    ck_assert_int_eq(json_type(json_get(root, "t")), JSON_BOOL);
    ck_assert_int_eq(json_type(json_get(root, "d")), JSON_NUMBER);
    ck_assert_int_eq(json_type(json_get(root, "s")), JSON_STRING);
    ck_assert_ptr_null(json_first(json_get(root, "o")));
    ck_assert_ptr_null(json_first(json_get(root, "s")));
    json_free(doc);
}
END_TEST

START_TEST(children_come_in_order_with_their_keys)
{
    struct json_doc *doc = parsed("{\"b\":1,\"a\":[10,20]}");
    const struct json *child = json_first(json_root(doc));
    int64_t integer;

    ck_assert_str_eq(json_key(child), "b");
    child = json_next(child);
    ck_assert_str_eq(json_key(child), "a");
    ck_assert_ptr_null(json_next(child));
    child = json_first(child);
    ck_assert_ptr_null(json_key(child));
    ck_assert(json_integer(child, &integer) && integer == 10);
    ck_assert(json_integer(json_next(child), &integer) && integer == 20);
    ck_assert_ptr_null(json_next(json_next(child)));
    json_free(doc);
}
END_TEST

START_TEST(integers_end_where_doubles_get_coarse)
{
    static const struct {
        const char *text;
        bool is_integer;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"1e3", true, 1000},
        {"2.0", true, 2},
        {"0.1", false, 0},
        {"9007199254740991", true, INT64_C(9007199254740991)},
        {"-9007199254740991", true, INT64_C(-9007199254740991)},
        {"9007199254740993", false, 0},
        {"-9007199254740993", false, 0},
        {"1e300", false, 0},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct json_doc *doc = parsed(rows[i].text);
        int64_t value = 0;

        ck_assert_msg(json_integer(json_root(doc), &value) == rows[i].is_integer, "%s", rows[i].text);
        ck_assert_int_eq(value, rows[i].value);
        json_free(doc);
    }
}
END_TEST

START_TEST(the_writer_places_commas_and_colons)
{
    struct buf out;
    struct json_writer writer;
    static const char wanted[] =
        "{\"s\":\"a\",\"null\":null,\"i\":-9223372036854775808,\"b\":true,\"n\":null,\"when\":\"1970-01-01T00:00:00."
        "001Z\","
        "\"never\":null,\"list\":[1,[],{},\"x\",{\"k\":false},0.5,null],\"raw\":{\"r\":1},\"len\":\"ab\"}";

    buf_init(&out, 4096);
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    json_field_string(&writer, "s", "a");
    json_field_string(&writer, "null", NULL);
    json_field_int(&writer, "i", INT64_MIN);
    json_field_bool(&writer, "b", true);
    json_field_null(&writer, "n");
    json_field_time(&writer, "when", 1);
    json_field_time(&writer, "never", 0);
    json_put_key(&writer, "list");
    json_begin_array(&writer);
    json_put_int(&writer, 1);
    json_begin_array(&writer);
    json_end_array(&writer);
    json_begin_object(&writer);
    json_end_object(&writer);
    json_put_string(&writer, "x");
    json_begin_object(&writer);
    json_field_bool(&writer, "k", false);
    json_end_object(&writer);
    json_put_double(&writer, 0.5);
    json_put_double(&writer, NAN);
    json_end_array(&writer);
    json_put_key(&writer, "raw");
    json_put_raw(&writer, TEXT("{\"r\":1}"));
    json_field_string_len(&writer, "len", "abc", 2);
    json_end_object(&writer);
    ck_assert_uint_eq(out.len, sizeof wanted - 1);
    ck_assert_mem_eq(out.data, wanted, sizeof wanted - 1);
    buf_fini(&out);
}
END_TEST

START_TEST(the_writer_ends_within_its_buffers_maximum)
{
    struct buf out;
    struct json_writer writer;

    buf_init(&out, 10);
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    json_field_string(&writer, "key", "much too long");
    json_end_object(&writer);
    ck_assert(out.failed);
    ck_assert_uint_le(out.len, 10);
    buf_fini(&out);
}
END_TEST

START_TEST(every_character_survives_writing_and_reading)
{
    struct buf out;

    buf_init(&out, 4096);
    for (uint32_t c = 1; c < 0x3000; c++) {
        char text[16], *at = text;
        struct json_writer writer;
        struct json_doc *doc;
        const char *reason, *back;

        for (int i = 0; i < 6; i++) /* at other places within eight bytes */
            if (c % 7 > (uint32_t)i) *at++ = 'x';
        if (c < 0x80) {
            *at++ = (char)c;
        } else if (c < 0x800) {
            *at++ = (char)(0xc0 | c >> 6);
            *at++ = (char)(0x80 | (c & 0x3f));
        } else {
            *at++ = (char)(0xe0 | c >> 12);
            *at++ = (char)(0x80 | (c >> 6 & 0x3f));
            *at++ = (char)(0x80 | (c & 0x3f));
        }
        *at++ = 'y';
        *at = '\0';
        buf_reset(&out);
        json_writer_init(&writer, &out);
        json_put_string(&writer, text);
        for (size_t i = 0; i < out.len; i++)
            ck_assert_msg((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7f, "U+%04X is not escaped", c);
        if ((c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029)
            ck_assert_msg(memmem(out.data, out.len, "\\u", 2), "U+%04X is not escaped", c);
        ck_assert_int_eq(json_parse(out.data, out.len, &doc, &reason), CHAT_OK);
        back = json_string(json_root(doc), NULL);
        ck_assert_msg(strcmp(back, text) == 0, "U+%04X", c);
        json_free(doc);
    }
    buf_fini(&out);
}
END_TEST

START_TEST(the_escapes_are_the_short_ones)
{
    struct buf out;
    static const char wanted[] = "a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u0000\\u007f\\u0085\\u2028\\u2029\u2027ä";

    buf_init(&out, 4096);
    ck_assert(
        json_append_escaped(&out, TEXT("a\"b\\c/\b\f\n\r\t\x01\0\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7ä")));
    ck_assert_uint_eq(out.len, sizeof wanted - 1);
    ck_assert_mem_eq(out.data, wanted, sizeof wanted - 1);
    buf_reset(&out);
    ck_assert(json_append_escaped(&out, TEXT("\xe2"))); /* cut: stays within */
    ck_assert(json_append_escaped(&out, TEXT("x\xc2")));
    ck_assert(json_append_escaped(&out, "", 0));
    ck_assert_uint_eq(out.len, 3);
    buf_fini(&out);
}
END_TEST

START_TEST(doubles_are_read_back_the_same)
{
    static const double numbers[] = {0.1, 1.0 / 3, 1e21, 5e-324, 1.7976931348623157e308, 123456789.125, 0.7, 2.0};
    struct buf out;

    buf_init(&out, 64);
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
        struct json_writer writer;
        struct json_doc *doc;
        const char *reason;
        double back = 0;

        buf_reset(&out);
        json_writer_init(&writer, &out);
        json_put_double(&writer, numbers[i]);
        ck_assert_int_eq(json_parse(out.data, out.len, &doc, &reason), CHAT_OK);
        ck_assert(json_number(json_root(doc), &back));
        ck_assert_mem_eq(&back, &numbers[i], sizeof back);
        json_free(doc);
    }
    buf_reset(&out);
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_put_double(&writer, 0.7);
    ck_assert_uint_eq(out.len, 3);
    buf_fini(&out);
}
END_TEST

UNIT_SUITE(base_json)
{
    Suite *suite = suite_create("base_json");

    UNIT_CASE(suite, "gate", the_gate_refuses_what_is_not_strict_json, the_gate_lets_all_of_json_through,
              a_long_number_is_what_it_says, a_long_number_that_is_no_double_is_refused,
              an_outline_cuts_long_strings_between_characters, an_outline_keeps_keys_and_their_rules,
              a_document_has_a_bounded_number_of_values, nesting_ends_at_32, the_deepest_document_fits_a_small_stack,
              a_document_cut_anywhere_is_refused, many_keys_are_checked_and_the_last_may_be_the_double);
    UNIT_CASE(suite, "values", values_are_read_by_their_type_alone, children_come_in_order_with_their_keys,
              integers_end_where_doubles_get_coarse);
    UNIT_CASE(suite, "writer", the_writer_places_commas_and_colons, the_writer_ends_within_its_buffers_maximum,
              every_character_survives_writing_and_reading, the_escapes_are_the_short_ones,
              doubles_are_read_back_the_same);
    return suite;
}
