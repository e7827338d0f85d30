#include "http/cursor.h"

#include <stdlib.h>
#include <string.h>

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

static const char id[] = "0198c0de-0000-7000-8000-0123456789ab";

static struct session_cursor at(int64_t at_us)
{
    struct session_cursor cursor = {.at_us = at_us};

    memcpy(cursor.id, id, sizeof id);
    return cursor;
}

START_TEST(a_cursor_comes_back_as_it_was)
{
    static const int64_t times[] = {0, 1, 9, 10, 99, 100, 1769860830123456, 253402300799999999};
    struct session_cursor out;

    for (size_t i = 0; i < UNIT_COUNT(times); i++) {
        for (int sort = SORT_CREATED_AT; sort <= SORT_UPDATED_AT; sort++) {
            const struct session_cursor in = at(times[i]);
            const char *text = cursor_encode((enum session_sort)sort, &in, &arena);

            ck_assert_uint_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                              strlen(text)); /* needs no escaping in an address */
            ck_assert(cursor_decode(text, (enum session_sort)sort, &out));
            ck_assert_int_eq(out.at_us, times[i]);
            ck_assert_str_eq(out.id, id);
        }
    }
}
END_TEST

START_TEST(a_cursor_of_another_sort_is_refused)
{
    const struct session_cursor in = at(5);
    struct session_cursor out;

    ck_assert(!cursor_decode(cursor_encode(SORT_CREATED_AT, &in, &arena), SORT_UPDATED_AT, &out));
    ck_assert(!cursor_decode(cursor_encode(SORT_UPDATED_AT, &in, &arena), SORT_CREATED_AT, &out));
}
END_TEST

START_TEST(garbage_is_refused)
{
    static const char *const bad[] = {
        "",
        "A",
        "garbage",
        "====",
        "YzEuMDE5OGMwZGU",                                                              /* cut */
        "Yy0xLjAxOThjMGRlLTAwMDAtNzAwMC04MDAwLTAxMjM0NTY3ODlhYg",                       /* c-1.… */
        "Yy4wMTk4YzBkZS0wMDAwLTcwMDAtODAwMC0wMTIzNDU2Nzg5YWI",                          /* c.… */
        "YzEsMDE5OGMwZGUtMDAwMC03MDAwLTgwMDAtMDEyMzQ1Njc4OWFi",                         /* c1,… */
        "Yzk5OTk5OTk5OTk5OTk5OTk5OTkuMDE5OGMwZGUtMDAwMC03MDAwLTgwMDAtMDEyMzQ1Njc4OWFi", /* past every time */
        "YzEuMDE5OGMwZGUtMDAwMC03MDAwLTgwMDAtMDEyMzQ1Njc4OWFiAA",                       /* a NUL behind it */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    struct session_cursor out;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        ck_assert_msg(!cursor_decode(bad[i], SORT_CREATED_AT, &out), "taken: %s", bad[i]);
}
END_TEST

START_TEST(a_cursor_with_one_character_changed_is_refused_or_another_place)
{
    const struct session_cursor in = at(1769860830123456);
    const char *text = cursor_encode(SORT_CREATED_AT, &in, &arena);
    struct session_cursor out;

    for (size_t i = 0; i < strlen(text); i++) {
        for (int c = 1; c < 256; c++) {
            char *changed = arena_strdup(&arena, text);

            changed[i] = (char)c;
            if (cursor_decode(changed, SORT_CREATED_AT, &out)) {
                ck_assert_int_ge(out.at_us, 0);
                ck_assert_uint_eq(strlen(out.id), UUID_TEXT_SIZE - 1);
            }
        }
    }
}
END_TEST

UNIT_SUITE(http_cursor)
{
    Suite *suite = suite_create("http_cursor");
    TCase *tcase = UNIT_CASE(suite, "cursor", a_cursor_comes_back_as_it_was, a_cursor_of_another_sort_is_refused,
                             garbage_is_refused, a_cursor_with_one_character_changed_is_refused_or_another_place);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
