#include "base/utf8_nfc.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "unit.h"

static struct buf out;
static void open_out(void)
{
    buf_init(&out, 1 << 20);
}
static void close_out(void)
{
    buf_fini(&out);
}

static const struct {
    const char *text, *nfc; /* NULL: stays as it is */
} rows[] = {
    {"", NULL},
    {"plain ASCII", NULL},
    {"na\u00efve \u00c4rger", NULL},
    {"\u65e5\u672c\u8a9e, \ud55c\uad6d\uc5b4, \u043f\u0440\u0438\u0432\u0435\u0442 \U0001f600", NULL},
    {"cafe\u0301 au lait", "caf\u00e9 au lait"},
    {"u\u0308ber", "\u00fcber"},
    {"x\u0301", NULL}, /* there is no such letter */
    {"\u0301", NULL},  /* nor a letter at all */
    {"\u304b\u3099\u304d\u3099\u306f\u309a", "\u304c\u304e\u3071"},
    {"\u1112\u1161\u11ab\u1100\u116e\u11a8", "\ud55c\uad6d"},
    {"\ud558\u11ab", "\ud55c"},                                     /* a syllable without its final, and that */
    {"Vie\u0323\u0302t, Vie\u0302\u0323t", "Vi\u1ec7t, Vi\u1ec7t"}, /* marks in either order */
    {"Vi\u1eb9\u0302t, Vi\u00ea\u0323t", "Vi\u1ec7t, Vi\u1ec7t"},
    {"\u212a\u212b", "K\u00c5"}, /* Kelvin and angstrom signs */
    {"\u0958", "\u0915\u093c"},  /* never composed */
    {"<\u0338", "\u226e"},
    {"a\xff"
     "e\u0301",
     NULL}, /* behind malformed text */
};

START_TEST(letters_and_marks_are_composed)
{
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        buf_reset(&out);
        bool changed = utf8_nfc(rows[i].text, strlen(rows[i].text), &out);
        ck_assert_msg(changed == (rows[i].nfc != NULL), "%s", rows[i].text);
        if (changed) buf_append_char(&out, '\0');
        if (changed) ck_assert_str_eq(out.data, rows[i].nfc);
    }
}
END_TEST

/* Against the library's own way with a whole text; `text` is ended by NUL. */
static void assert_as_the_library(const char *text)
{
    size_t len = strlen(text);
    char *nfc = (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);
    ck_assert_ptr_nonnull(nfc);
    buf_reset(&out);
    bool changed = utf8_nfc(text, len, &out);
    if (changed) buf_append_char(&out, '\0');
    ck_assert_msg(strcmp(changed ? out.data : text, nfc) == 0, "%s", text);
    ck_assert(!changed || out.len - 1 <= len * UTF8_NFC_GROWTH);
    free(nfc);
}

START_TEST(every_letter_is_made_of_its_parts)
{
    utf8proc_int32_t points[32];
    char letter[8];
    for (utf8proc_int32_t c = 1; c < 0x30000; c++) { /* no letter beyond has parts */
        if (c >= 0xd800 && c <= 0xdfff) continue;
        letter[utf8proc_encode_char(c, (utf8proc_uint8_t *)letter)] = '\0';
        assert_as_the_library(letter);
        utf8proc_ssize_t count = utf8proc_decompose_char(c, points, 31, UTF8PROC_DECOMPOSE, NULL);
        ck_assert_int_le(count, 31);
        if (count == 1 && points[0] == c) continue;
        ck_assert_int_gt(utf8proc_reencode(points, count, 0), 0);
        assert_as_the_library((const char *)points);
    }
}
END_TEST

START_TEST(a_place_is_found_again_in_what_was_written)
{
    static const char text[] = "ae\u0301 cafe\u0301 x\u0301 \u304b\u3099";
    static const char nfc[] = "a\u00e9 caf\u00e9 x\u0301 \u304c";
    static const struct {
        const char *in_nfc, *in_text;
    } places[] = {
        {"caf\u00e9 ", "cafe\u0301 "}, {"\u00e9 c", "e\u0301 c"},  {"x\u0301", "x\u0301"},
        {"\u0301 ", "\u0301 \u304b"},  {"\u304c", "\u304b\u3099"},
    };
    for (size_t i = 0; i < UNIT_COUNT(places); i++)
        ck_assert_uint_eq(utf8_nfc_origin(text, sizeof text - 1, (size_t)(strstr(nfc, places[i].in_nfc) - nfc)),
                          (size_t)(strstr(text, places[i].in_text) - text));
    ck_assert_uint_eq(utf8_nfc_origin(text, sizeof text - 1, 0), 0);
    ck_assert_uint_eq(utf8_nfc_origin(text, sizeof text - 1, 2), 1); /* within é */
    ck_assert_uint_eq(utf8_nfc_origin(text, sizeof text - 1, sizeof nfc - 1), sizeof text - 1);
}
END_TEST

START_TEST(a_letter_with_endless_marks_costs_no_more_than_others)
{
    size_t len = 4 << 20;
    char *text = malloc(len + 3);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i + 4 <= len; i += 4) memcpy(text + i, "\u0301\u0323", 4); /* each pair in the wrong order */
    memcpy(text + len, "e\u0301", 3);
    buf_fini(&out);
    buf_init(&out, len * UTF8_NFC_GROWTH);
    ck_assert(utf8_nfc(text, len + 3, &out));
    ck_assert_uint_eq(out.len, len + 2);
    ck_assert_int_eq(memcmp(out.data, text, len), 0);
    ck_assert_int_eq(memcmp(out.data + len, "\u00e9", 2), 0);
    free(text);
}
END_TEST

START_TEST(text_stays_as_it_is_where_there_is_no_room)
{
    buf_fini(&out);
    buf_init(&out, 5);
    ck_assert(!utf8_nfc("cafe\u0301 au lait", 14, &out));
}
END_TEST

UNIT_SUITE(base_utf8_nfc)
{
    Suite *suite = suite_create("base_utf8_nfc");
    TCase *nfc =
        UNIT_CASE(suite, "nfc", letters_and_marks_are_composed, every_letter_is_made_of_its_parts,
                  a_place_is_found_again_in_what_was_written, a_letter_with_endless_marks_costs_no_more_than_others,
                  text_stays_as_it_is_where_there_is_no_room);
    tcase_add_checked_fixture(nfc, open_out, close_out);
    return suite;
}
