/* Titles: which are taken, and which are made from a first message. */
#include "domain/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "domain/cjk.h"
#include "unit.h"

#define DOTS "\xe2\x80\xa6"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define HAN "\xe4\xbd\xa0"

START_TEST(title_sources_have_their_stored_names)
{
    static const char *const names[] = {"default", "first_message", "model", "user"};
    enum title_source source;

    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(title_source_name((enum title_source)i), names[i]);
        ck_assert(title_source_parse(names[i], &source));
        ck_assert_int_eq(source, i);
    }
    ck_assert(!title_source_parse("User", &source));
    ck_assert(!title_source_parse("", &source));
}
END_TEST

START_TEST(titles_take_1_to_200_characters_with_ink)
{
    static const struct {
        const char *title;
        size_t len; /* 0: strlen */
        bool good;
    } cases[] = {
        {"a", 0, true},
        {" a ", 0, true},
        {FIFTY FIFTY FIFTY FIFTY, 0, true},
        {FIFTY FIFTY FIFTY FIFTY "x", 0, false},
        {"", 0, false},
        {"   ", 0, false},
        {"\xe3\x80\x80\xc2\xa0", 0, false},
        {"a\nb", 0, false},
        {"a\x7f", 0, false},
        {"a\xc2\x9f", 0, false},
        {"a\xc2\xa0z", 0, true},
        {"a\0b", 3, false},
        {"\xff", 0, false},
        {"\xed\xa0\x80", 0, false},
        {HAN, 0, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].title);
        const char *problem = session_title_problem(cases[i].title, len);

        ck_assert_msg(!problem == cases[i].good, "case %zu: %s", i, problem ? problem : "taken");
    }
}
END_TEST

START_TEST(two_hundred_wide_characters_are_a_title)
{
    char title[201 * 3 + 1] = "";

    for (int i = 0; i < 201; i++) memcpy(title + i * 3, HAN, 3);
    ck_assert_ptr_null(session_title_problem(title, 200 * 3));
    ck_assert_ptr_nonnull(session_title_problem(title, 201 * 3));
}
END_TEST

START_TEST(titles_are_made_from_the_first_message)
{
    static const struct {
        const char *text, *title;
    } cases[] = {
        {"Hello", "Hello"},
        {"  Hello \t\n  world\r\n", "Hello world"},
        {"", "New chat"},
        {" \n\xe3\x80\x80", "New chat"},
        {"\x01\x02", "New chat"},
        {"a\x01"
         "b",
         "a b"},
        {"a\xff"
         "b",
         "a b"},
        {FIFTY TEN, FIFTY TEN},
        {FIFTY " 012345678", FIFTY " 012345678"},
        {FIFTY " 012345678   ", FIFTY " 012345678"},
        /* 61: the last word goes */
        {FIFTY " " TEN, FIFTY DOTS},
        /* a word that ends at 59 leaves room for the ellipsis, one that ends at 60 doesn't */
        {FIFTY " 01234567 more", FIFTY " 01234567" DOTS},
        {FIFTY " 012345678 more", FIFTY DOTS},
        /* no word to cut at */
        {FIFTY TEN "x", FIFTY "012345678" DOTS},
        {FIFTY TEN " x", FIFTY "012345678" DOTS},
        {"Hi " FIFTY TEN, "Hi" DOTS},
        {HAN HAN " " HAN, HAN HAN " " HAN},
        {"GPT " HAN, "GPT " HAN},
        /* without its Markdown (title-by-thinking-model) */
        {"# **Means** of [numbers](https://example.org)\n\n```py\nx\n```", "Means of numbers"},
        {"```sh\nmake\n```\n\nWhy does `make` fail?", "Why does make fail?"},
        {"**" FIFTY "** 0123456789 more", FIFTY DOTS},
    };
    struct arena arena;

    arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(session_title_from(cases[i].text, strlen(cases[i].text), &arena), cases[i].title);
    arena_fini(&arena);
}
END_TEST

START_TEST(a_text_without_spaces_is_cut_between_its_characters)
{
    char text[4 + 100 * 3] = "GPT ";
    struct arena arena;
    const char *title;

    for (int i = 0; i < 100; i++) memcpy(text + 4 + i * 3, HAN, 3);
    arena_init(&arena);
    title = session_title_from(text, sizeof text, &arena);
    ck_assert_uint_eq(utf8_count(title, strlen(title)), 60);
    ck_assert_int_eq(strncmp(title, text, 4 + 55 * 3), 0);
    ck_assert_str_eq(title + 4 + 55 * 3, DOTS);
    arena_fini(&arena);
}
END_TEST

START_TEST(every_made_title_is_a_title)
{
    static const char *const bits[] = {"a",    " ",        "\n",           HAN,   "\xf0\x9f\x98\x80", "word",
                                       "\x7f", "\xc3\xa9", "\xe3\x80\x80", "\xff"};
    struct arena arena;
    unsigned seed = 7;

    arena_init(&arena);
    for (int i = 0; i < 5000; i++) {
        char text[400];
        size_t len = 0;

        for (int count = (int)(rand_r(&seed) % 90); count > 0; count--) {
            const char *bit = bits[(size_t)rand_r(&seed) % (sizeof bits / sizeof bits[0])];
            memcpy(text + len, bit, strlen(bit));
            len += strlen(bit);
        }
        const char *title = session_title_from(text, len, &arena);
        size_t title_len = strlen(title);

        ck_assert_ptr_null(session_title_problem(title, title_len));
        ck_assert_uint_le(utf8_count(title, title_len), SESSION_MADE_TITLE_MAX);
        ck_assert(title[0] != ' ' && title[title_len - 1] != ' ' && !strstr(title, "  "));
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(scripts_without_spaces_are_known)
{
    ck_assert(!cjk_is('a'));
    ck_assert(!cjk_is(0x3000)); /* ideographic space */
    ck_assert(cjk_is(0x3042));
    ck_assert(cjk_is(0x4f60));
    ck_assert(cjk_is(0xd55c));
    ck_assert(cjk_is(0x20000));
    ck_assert(!cjk_is(0x1f600));
    ck_assert(!cjk_is(0x10ffff));
}
END_TEST

UNIT_SUITE(domain_session)
{
    Suite *suite = suite_create("domain_session");
    UNIT_CASE(suite, "rules", title_sources_have_their_stored_names, titles_take_1_to_200_characters_with_ink,
              two_hundred_wide_characters_are_a_title, titles_are_made_from_the_first_message,
              a_text_without_spaces_is_cut_between_its_characters, every_made_title_is_a_title,
              scripts_without_spaces_are_known);
    return suite;
}
