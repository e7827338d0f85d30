#include "base/utf8.h"

#include <string.h>

#include "unit.h"

#define TEXT(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *text;
    size_t len;
    bool valid;
    const char *sanitized; /* NULL where it stays as it is */
} rows[] = {
    {TEXT(""), true, NULL},
    {TEXT("plain ascii, longer than eight bytes"), true, NULL},
    {TEXT("\x7f"), true, NULL},
    {TEXT("\xc2\x80"), true, NULL},
    {TEXT("\xdf\xbf"), true, NULL},
    {TEXT("\xe0\xa0\x80"), true, NULL},
    {TEXT("\xed\x9f\xbf"), true, NULL},
    {TEXT("\xee\x80\x80"), true, NULL},
    {TEXT("\xef\xbf\xbf"), true, NULL},
    {TEXT("\xf0\x90\x80\x80"), true, NULL},
    {TEXT("\xf4\x8f\xbf\xbf"), true, NULL},
    {TEXT("12345678\xf0\x9f\x98\x80"), true, NULL},
    {TEXT("\xff"), false, "\ufffd"},
    {TEXT("\x80"), false, "\ufffd"},
    {TEXT("\xc0\xaf"), false, "\ufffd\ufffd"}, /* overlong '/' */
    {TEXT("\xc1\xbf"), false, "\ufffd\ufffd"},
    {TEXT("\xe0\x9f\xbf"), false, "\ufffd\ufffd\ufffd"}, /* overlong */
    {TEXT("\xf0\x8f\xbf\xbf"), false, "\ufffd\ufffd\ufffd\ufffd"},
    {TEXT("\xed\xa0\x80"), false, "\ufffd\ufffd\ufffd"},           /* U+D800 */
    {TEXT("\xed\xbf\xbf"), false, "\ufffd\ufffd\ufffd"},           /* U+DFFF */
    {TEXT("\xf4\x90\x80\x80"), false, "\ufffd\ufffd\ufffd\ufffd"}, /* U+110000 */
    {TEXT("\xf5\x80\x80\x80"), false, "\ufffd\ufffd\ufffd\ufffd"},
    {TEXT("a\xe2\x82"), false, "a\ufffd"}, /* cut: one for the part that was right */
    {TEXT("a\xf0\x9f\x98z"), false, "a\ufffdz"},
    {TEXT("\xe2\x82\xe2\x82\xac"), false, "\ufffd\u20ac"},
    {TEXT("1234567\xff"), false, "1234567\ufffd"},
    {TEXT("12345678\xc3"), false, "12345678\ufffd"},
    {TEXT("\xc3\xa4\xc3\xa4\xc3\xa4\xc3(xyz"), false, "äää\ufffd(xyz"},
};

START_TEST(only_well_formed_text_is_valid)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        ck_assert_msg(utf8_valid(rows[i].text, rows[i].len) == rows[i].valid, "row %zu", i);
}
END_TEST

START_TEST(every_code_point_is_judged_and_decoded_right)
{
    for (uint32_t c = 0; c <= 0x110010; c++) {
        char text[4];
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        bool valid = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        uint32_t decoded = 0;

        if (len == 1) text[0] = (char)c;
        for (size_t i = len; len > 1 && i-- > 0;)
            text[i] = (char)(i ? 0x80 | (c >> 6 * (len - 1 - i) & 0x3f) : (0xf00u >> len & 0xf0) | c >> 6 * (len - 1));
        if (utf8_valid(text, len) != valid || utf8_decode(text, len, &decoded) != (valid ? len : 0) ||
            (valid && decoded != c))
            ck_abort_msg("U+%04X", c);
    }
}
END_TEST

START_TEST(sanitizing_replaces_each_malformed_part_and_nul)
{
    struct buf out;

    buf_init(&out, 4096);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const char *wanted = rows[i].sanitized;
        size_t len = wanted ? strlen(wanted) : rows[i].len;

        buf_reset(&out);
        ck_assert(utf8_append_sanitized(&out, rows[i].text, rows[i].len));
        ck_assert_msg(out.len == len && (len == 0 || memcmp(out.data, wanted ? wanted : rows[i].text, len) == 0),
                      "row %zu", i);
    }
    buf_reset(&out);
    ck_assert(utf8_append_sanitized(&out, TEXT("\0a\0\0b\xff\0")));
    ck_assert_uint_eq(out.len, strlen("\ufffda\ufffd\ufffdb\ufffd\ufffd"));
    ck_assert_mem_eq(out.data, "\ufffda\ufffd\ufffdb\ufffd\ufffd", out.len);
    buf_fini(&out);

    buf_init(&out, 4);
    ck_assert(!utf8_append_sanitized(&out, TEXT("ab\xff")));
    ck_assert(out.failed);
    buf_fini(&out);
}
END_TEST

START_TEST(counting_and_cutting_go_by_code_points)
{
    static const char text[] = "aäb€c😀dddddddd"; /* 1 2 1 3 1 4, and 8 */
    static const size_t ends[] = {0, 1, 3, 4, 7, 8, 12, 13, 14, 15, 16, 17, 18, 19, 20};

    ck_assert_uint_eq(utf8_count(text, sizeof text - 1), 14);
    for (size_t i = 0; i < UNIT_COUNT(ends); i++) {
        ck_assert_uint_eq(utf8_count(text, ends[i]), i);
        ck_assert_uint_eq(utf8_prefix(text, sizeof text - 1, i), ends[i]);
    }
    ck_assert_uint_eq(utf8_prefix(text, sizeof text - 1, 99), sizeof text - 1);
}
END_TEST

START_TEST(complete_prefix_holds_back_only_what_may_still_become_a_character)
{
    static const char text[] = "aäb€c😀d";
    size_t whole = 0;

    for (size_t len = 0; len < sizeof text; len++) {
        if (utf8_valid(text, len)) whole = len;
        ck_assert_uint_eq(utf8_complete_prefix(text, len), whole);
    }
    ck_assert_uint_eq(utf8_complete_prefix(TEXT("a\xff")), 2);
    ck_assert_uint_eq(utf8_complete_prefix(TEXT("a\x80\x80\x80\x80")), 5);
    ck_assert_uint_eq(utf8_complete_prefix(TEXT("a\xe0\x80")), 3); /* can't become anything */
    ck_assert_uint_eq(utf8_complete_prefix(TEXT("a\xf4\x90")), 3);
    ck_assert_uint_eq(utf8_complete_prefix(TEXT("a\xed\xa0")), 3);
}
END_TEST

START_TEST(white_space_is_unicodes)
{
    static const uint32_t spaces[] = {9,      10,     11,     12,     13,     0x20,   0x85,   0xa0,   0x1680,
                                      0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                                      0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    size_t found = 0;

    for (size_t i = 0; i < UNIT_COUNT(spaces); i++) ck_assert(utf8_is_space(spaces[i]));
    for (uint32_t c = 0; c <= 0x10ffff; c++) found += utf8_is_space(c);
    ck_assert_uint_eq(found, UNIT_COUNT(spaces)); /* none else: U+200B and U+FEFF are no spaces */
}
END_TEST

UNIT_SUITE(base_utf8)
{
    Suite *suite = suite_create("base_utf8");

    UNIT_CASE(suite, "utf8", only_well_formed_text_is_valid, every_code_point_is_judged_and_decoded_right,
              sanitizing_replaces_each_malformed_part_and_nul, counting_and_cutting_go_by_code_points,
              complete_prefix_holds_back_only_what_may_still_become_a_character, white_space_is_unicodes);
    return suite;
}
