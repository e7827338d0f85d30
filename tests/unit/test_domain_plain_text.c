/* What a Markdown text says without its markup (title-by-thinking-model). */
#include "domain/plain_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "unit.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena);
}

static void tear_down(void)
{
    arena_fini(&arena);
}

static const char *plain(const char *text)
{
    size_t len;
    const char *out = plain_text(text, strlen(text), &arena, &len);

    return arena_strndup(&arena, out, len);
}

START_TEST(markup_is_taken_out)
{
    static const char *const rows[][2] = {
        {"**Means** of *numbers*", "Means of numbers"},
        {"__a__ _b_ ~~c~~ ***d***", "a b c d"},
        {"**a *b* c**", "a b c"},
        {"*a **b***", "a b"},
        {"Use `printf(\"*a*\")` here", "Use printf(\"*a*\") here"},
        {"``a ` b``", "a ` b"},
        {"# Title #1", "Title #1"},
        {"###### Six\n####### seven", "Six\n####### seven"},
        {"> > quoted", "quoted"},
        {"- [x] a\n* b\n+ c", "[x] a\nb\nc"},
        {"see [the **docs**](https://example.org/a_(b)) now", "see the docs now"},
        {"![a cat](cat.png) sleeps", "a cat sleeps"},
        {"[![badge](b.svg)](https://x.org)", "![badge](b.svg)"},
        {"<https://example.org/a_b_c>", "https://example.org/a_b_c"},
        {"```py\nx = 1\n```\nWhy?", "Why?"},
        {"Why?\n~~~~\n```\n~~~\nx\n~~~~\nsay", "Why?\nsay"},
        {"Why?\n```c\nint x;", "Why?\n"},
        {"a\n***\nb\n===\nc", "a\nb\nc"},
        {"\\*a\\* \\_b\\_ \\#c", "*a* _b_ #c"},
        {"**\xe3\x80\x8c\xe9\x87\x8d\xe3\x80\x8d**\xe3\x81\xa7\xe3\x81\x99",
         "\xe3\x80\x8c\xe9\x87\x8d\xe3\x80\x8d\xe3\x81\xa7\xe3\x81\x99"},
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) ck_assert_str_eq(plain(rows[i][0]), rows[i][1]);
}
END_TEST

START_TEST(what_could_be_meant_stays)
{
    static const char *const rows[] = {
        "2 * 3 * 4",
        "2*3*4",
        "snake_case_name",
        "C# and F#",
        "#1 of all",
        "-5 degrees",
        "1. First",
        "a ~ b ~ c",
        "3~5",
        "a[0](",
        "[1] and (2)",
        "list[i]",
        "if a < b and c > d",
        "\\(a\\) \\[b\\] C:\\temp",
        "**",
        "a ** b",
        "int *p, *q",
        "f(*a)(*b)",
        "a `b",
        "\"quoted\"",
        "x^2_1",
        "",
        "[[a=b]] c",
    };

    for (size_t i = 0; i < UNIT_COUNT(rows); i++) ck_assert_str_eq(plain(rows[i]), rows[i]);
}
END_TEST

START_TEST(what_is_nothing_but_code_is_its_code)
{
    ck_assert_str_eq(plain("```c\nint x;\n```"), "int x;\n");
    ck_assert_str_eq(plain("```\n```"), "```\n```");
    ck_assert_str_eq(plain("***"), "***");
}
END_TEST

START_TEST(a_long_text_is_cut_between_characters)
{
    char text[3 * 1000 + 1] = "";
    size_t len;

    for (int i = 0; i < 1000; i++) memcpy(text + i * 3, "\xe4\xbd\xa0", 3);
    plain_text(text, sizeof text - 1, &arena, &len);
    ck_assert_uint_eq(len, PLAIN_TEXT_MAX / 3 * 3);
}
END_TEST

/* Any text: it comes to an end, and what was valid stays so. */
START_TEST(whatever_the_text_the_result_is_text)
{
    static const char *const bits[] = {"*",        "**",           "_",    "`",   "```", "~~", "~~~", "[",  "](", ")",
                                       "!",        "\\",           "<",    ">",   "://", "#",  "- ",  "\n", " ",  "a",
                                       "\xc3\xa9", "\xe4\xbd\xa0", "\n\n", "    "};
    unsigned seed = 11;

    for (int i = 0; i < 20000; i++) {
        char text[4000];
        size_t len = 0, out_len;

        for (int count = (int)(rand_r(&seed) % (i % 100 ? 40 : 900)); count > 0; count--) {
            const char *bit = bits[(size_t)rand_r(&seed) % UNIT_COUNT(bits)];

            memcpy(text + len, bit, strlen(bit));
            len += strlen(bit);
        }
        char *exact = malloc(len + 1); /* so that a sanitizer sees each byte too much */
        memcpy(exact, text, len);
        const char *out = plain_text(exact, len, &arena, &out_len);
        ck_assert_uint_le(out_len, len);
        ck_assert(utf8_valid(out, out_len));
        free(exact);
        if (i % 500 == 0) {
            arena_fini(&arena);
            arena_init(&arena);
        }
    }
}
END_TEST

START_TEST(hostile_texts_take_no_longer_than_others)
{
    static const char *const bits[] = {"[", "`a", "``", "[](", "<", "*a", "![", "\\", "[](a)", "> ", "```\n"};
    enum { BYTES = 400000 };
    char *text = malloc(BYTES);
    size_t out_len;

    for (size_t i = 0; i < UNIT_COUNT(bits); i++) {
        for (size_t at = 0; at < BYTES; at++) text[at] = bits[i][at % strlen(bits[i])];
        plain_text(text, BYTES, &arena, &out_len); /* the test's own limit of time would show what is quadratic */
    }
    free(text);
}
END_TEST

UNIT_SUITE(domain_plain_text)
{
    Suite *suite = suite_create("domain_plain_text");
    TCase *rules = UNIT_CASE(suite, "rules", markup_is_taken_out, what_could_be_meant_stays,
                             what_is_nothing_but_code_is_its_code, a_long_text_is_cut_between_characters,
                             whatever_the_text_the_result_is_text, hostile_texts_take_no_longer_than_others);
    tcase_add_checked_fixture(rules, set_up, tear_down);
    return suite;
}
