/* What the reader takes and refuses, strict and not. Request bodies and chunks have tests of their own. */
#include "base/json_reader.h"

#include <stdlib.h>

#include "unit.h"

/* The problem of a text as one value, NULL; in memory of exactly its size. *unsound: whether a slip was noted. */
static const char *problem_of(const char *text, bool strict, bool *unsound)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    struct json_reader reader;
    memcpy(copy, text, len);
    json_reader_init(&reader, copy, len, strict);
    json_reader_skip(&reader);
    const char *problem = json_reader_end(&reader);
    if (problem) ck_assert_ptr_eq(reader.at, reader.end);
    *unsound = reader.unsound;
    free(copy);
    return problem;
}

START_TEST(slips_are_taken_and_noted_but_not_by_a_strict_reader)
{
    static const struct {
        const char *text, *problem;
        bool noted;
    } slips[] = {
        {"NaN", "unexpected character", true},
        {"[Infinity]", "unexpected character", true},
        {"[-Infinity]", "malformed number", true},
        {"\"a\x01z\"", "control character in a string", true},
        {"\"\\u0000\"", "NUL in a string", false}, /* the escape becomes U+FFFD where the text is decoded */
        {"\"\\ud800\"", "lone surrogate in a string", false},
        {"\"\\ud800\\u0041\"", "lone surrogate in a string", false},
        {"\"\\udc00\\ud800\"", "lone surrogate in a string", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(slips); i++) {
        bool unsound;
        ck_assert_ptr_null(problem_of(slips[i].text, false, &unsound));
        ck_assert_msg(unsound == slips[i].noted, "%s", slips[i].text);
        ck_assert_str_eq(problem_of(slips[i].text, true, &unsound), slips[i].problem);
    }
}
END_TEST

START_TEST(both_refuse_what_is_no_json)
{
    static const char *const texts[] = {"",   " ",  "[1,]",    "{\"a\":1,}", "{a:1}", "[1 2]", "01",    "1.",
                                        "-",  ".5", "1e",      "\"\\x\"",    "\"a",   "nul",   "truex", "[1]]",
                                        "{]", "[}", "{\"a\"}", "'a'",        "[",     "+1",    "1e+"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++)
        for (int strict = 0; strict < 2; strict++) {
            bool unsound;
            ck_assert_msg(problem_of(texts[i], strict, &unsound) != NULL, "%s", texts[i]);
        }
}
END_TEST

START_TEST(members_come_in_order_with_their_names_decoded)
{
    static const char text[] = " {\"a\":[1,{\"b\":2}] , \"max_t\\u006fkens\" : 3,\"c\":\"x\\n\"} ";
    struct json_reader reader;
    struct json_text key, value;
    bool first = true;
    json_reader_init(&reader, text, sizeof text - 1, true);
    ck_assert_int_eq(json_reader_peek(&reader), '{');
    ck_assert(json_reader_member(&reader, &first, &key) && JSON_TEXT_IS(key, "a"));
    ck_assert_ptr_eq(key.at, reader.key_at + 1);
    json_reader_skip(&reader);
    ck_assert(json_reader_member(&reader, &first, &key) && JSON_TEXT_IS(key, "max_tokens"));
    ck_assert_ptr_ne(key.at, reader.key_at + 1);
    json_reader_peek(&reader);
    json_reader_number(&reader, &value);
    ck_assert(json_text_is(&value, "3"));
    ck_assert(json_reader_member(&reader, &first, &key) && JSON_TEXT_IS(key, "c"));
    json_reader_peek(&reader);
    json_reader_string(&reader, &value);
    ck_assert(value.escaped && json_text_is(&value, "x\\n"));
    ck_assert(!json_reader_member(&reader, &first, &key));
    ck_assert_ptr_null(json_reader_end(&reader));
}
END_TEST

START_TEST(depth_values_and_long_numbers_are_bounded_or_noted)
{
    char deep[2 * JSON_MAX_DEPTH + 3] = {0}, digits[JSON_NUMBER_MAX_CHARS + 2] = {0};
    bool unsound;
    memset(deep, '[', JSON_MAX_DEPTH);
    memset(deep + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    ck_assert_ptr_null(problem_of(deep, true, &unsound));
    memset(deep, '[', JSON_MAX_DEPTH + 1);
    memset(deep + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    ck_assert_str_eq(problem_of(deep, true, &unsound), "nested too deep");

    size_t len = 2 * (size_t)JSON_MAX_VALUES + 1;
    char *many = malloc(len + 1);
    for (size_t i = 0; i < len; i++) many[i] = i % 2 ? '1' : ',';
    many[0] = '[';
    many[len - 1] = ']';
    many[len] = '\0';
    ck_assert_str_eq(problem_of(many, true, &unsound), "too many values"); /* the array is one of them */
    ck_assert_ptr_null(problem_of(many, false, &unsound));
    many[len - 3] = ']';
    many[len - 2] = '\0';
    ck_assert_ptr_null(problem_of(many, true, &unsound));
    free(many);

    memset(digits, '7', JSON_NUMBER_MAX_CHARS + 1);
    for (size_t cut = 0; cut < 2; cut++) {
        struct json_reader reader;
        json_reader_init(&reader, digits, strlen(digits) - cut, true);
        json_reader_skip(&reader);
        ck_assert_ptr_null(json_reader_end(&reader));
        ck_assert_int_eq(reader.long_number, cut == 0);
    }
}
END_TEST

UNIT_SUITE(base_json_reader)
{
    Suite *suite = suite_create("base_json_reader");

    UNIT_CASE(suite, "reader", slips_are_taken_and_noted_but_not_by_a_strict_reader, both_refuse_what_is_no_json,
              members_come_in_order_with_their_names_decoded, depth_values_and_long_numbers_are_bounded_or_noted);
    return suite;
}
