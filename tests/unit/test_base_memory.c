/* arena, buf, error */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

START_TEST(arena_memory_is_zeroed_and_aligned_even_when_reused)
{
    struct arena arena;

    arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 300; size++) {
            unsigned char *at = arena_alloc(&arena, size);

            ck_assert_ptr_nonnull(at);
            ck_assert_uint_eq((uintptr_t)at % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++) ck_assert_uint_eq(at[i], 0);
            memset(at, 0xa5, size);
        }
        arena_reset(&arena);
        ck_assert_uint_eq(arena.used_bytes, 0);
    }
    arena_fini(&arena);
}
END_TEST

START_TEST(arena_allocations_do_not_overlap)
{
    enum { COUNT = 200 };
    struct arena arena;
    char *at[COUNT];

    arena_init(&arena);
    for (int i = 0; i < COUNT; i++) {
        at[i] = arena_alloc(&arena, (size_t)i * 50 + 1);
        memset(at[i], i, (size_t)i * 50 + 1);
    }
    for (int i = 0; i < COUNT; i++)
        for (size_t j = 0; j < (size_t)i * 50 + 1; j++) /* a million of them: each asserted is a system call */
            if ((unsigned char)at[i][j] != i) ck_abort_msg("byte %zu of block %d", j, i);
    arena_fini(&arena);
}
END_TEST

START_TEST(arena_keeps_one_block_over_a_reset)
{
    struct arena arena;
    struct arena_block *kept;

    arena_init(&arena);
    arena_alloc(&arena, 1);
    arena_alloc(&arena, 1000000);
    for (int i = 0; i < 100; i++) arena_alloc(&arena, 1000);
    arena_reset(&arena);
    kept = arena.first;
    ck_assert_ptr_nonnull(kept);
    arena_alloc(&arena, 1000);
    ck_assert_ptr_eq(arena.first, kept);
    arena_fini(&arena);
    ck_assert_ptr_null(arena.first);
}
END_TEST

START_TEST(arena_big_allocation_leaves_the_current_block_in_use)
{
    struct arena arena;
    char *before, *after;

    arena_init(&arena);
    before = arena_alloc(&arena, 16);
    memset(arena_alloc(&arena, 1 << 20), 1, 1 << 20);
    after = arena_alloc(&arena, 16);
    ck_assert_ptr_eq(after, before + 16);
    arena_fini(&arena);
}
END_TEST

START_TEST(arena_copies_text)
{
    struct arena arena;

    arena_init(&arena);
    ck_assert_ptr_null(arena_strdup(&arena, NULL));
    ck_assert_str_eq(arena_strdup(&arena, "abc"), "abc");
    ck_assert_str_eq(arena_strndup(&arena, "abcdef", 2), "ab");
    ck_assert_str_eq(arena_strndup(&arena, "", 0), "");
    ck_assert_str_eq(arena_printf(&arena, "%s-%d", "x", 7), "x-7");
    ck_assert_str_eq(arena_printf(&arena, "%s", ""), "");
    ck_assert_uint_eq(strlen(arena_printf(&arena, "%09000d", 1)), 9000);
    arena_fini(&arena);
}
END_TEST

START_TEST(buf_never_passes_its_maximum)
{
    struct buf buf;

    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++) ck_assert(buf_append_char(&buf, 'x'));
    ck_assert(!buf.failed);
    ck_assert(!buf_append_char(&buf, 'x'));
    ck_assert(buf.failed);
    ck_assert_uint_eq(buf.len, 1000);
    ck_assert_uint_le(buf.cap, 1000);
    ck_assert(!buf_append(&buf, "yy", 2));
    ck_assert_ptr_null(buf_reserve(&buf, 1));
    ck_assert(!buf_printf(&buf, "%d", 5));
    ck_assert_uint_eq(buf.len, 1000);
    buf_fini(&buf);
}
END_TEST

START_TEST(buf_append_that_does_not_fit_changes_nothing_but_failed)
{
    struct buf buf;

    buf_init(&buf, 10);
    ck_assert(buf_append_str(&buf, "12345678"));
    ck_assert(!buf_append_str(&buf, "abc"));
    ck_assert_uint_eq(buf.len, 8);
    ck_assert_mem_eq(buf.data, "12345678", 8);
    ck_assert(buf_append_str(&buf, "90"));
    ck_assert(buf.failed); /* stays until reset */
    buf_reset(&buf);
    ck_assert(!buf.failed);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert(!buf_append(&buf, "x", SIZE_MAX));
    buf_fini(&buf);
}
END_TEST

START_TEST(buf_with_a_maximum_of_zero_takes_only_nothing)
{
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(buf_append(&buf, "", 0));
    ck_assert(!buf.failed);
    ck_assert(!buf_append_char(&buf, 'x'));
    ck_assert(buf.failed);
    buf_fini(&buf);
}
END_TEST

START_TEST(buf_printf_fills_to_the_last_byte)
{
    struct buf buf;

    for (size_t max = 1; max < 600; max += 13) {
        buf_init(&buf, max);
        ck_assert(buf_printf(&buf, "%0*d", (int)max, 7));
        ck_assert_uint_eq(buf.len, max);
        ck_assert_int_eq(buf.data[max - 1], '7');
        ck_assert(!buf_printf(&buf, "a"));
        ck_assert_uint_eq(buf.len, max);
        buf_fini(&buf);
    }
}
END_TEST

START_TEST(buf_append_size_writes_decimal_digits)
{
    static const size_t numbers[] = {0, 7, 10, 1048576, SIZE_MAX};
    struct buf buf;

    buf_init(&buf, 64);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char expected[32];
        int len = snprintf(expected, sizeof expected, "%zu", numbers[i]);

        buf_reset(&buf);
        ck_assert(buf_append_size(&buf, numbers[i]));
        ck_assert_uint_eq(buf.len, (size_t)len);
        ck_assert_mem_eq(buf.data, expected, (size_t)len);
    }
    buf_fini(&buf);
}
END_TEST

START_TEST(buf_reserve_and_consume_move_a_window)
{
    struct buf buf;
    char *room;

    buf_init(&buf, 64);
    room = buf_reserve(&buf, 6);
    ck_assert_ptr_nonnull(room);
    memcpy(room, "abcdef", 6);
    buf.len += 6;
    buf_consume(&buf, 2);
    ck_assert_uint_eq(buf.len, 4);
    ck_assert_mem_eq(buf.data, "cdef", 4);
    buf_consume(&buf, 0);
    ck_assert_uint_eq(buf.len, 4);
    buf_consume(&buf, 100);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert_ptr_nonnull(buf_reserve(&buf, 0));
    buf_fini(&buf);
}
END_TEST

START_TEST(buf_take_hands_the_memory_over)
{
    struct buf buf;
    size_t len;
    char *data;

    buf_init(&buf, 64);
    buf_append_str(&buf, "abc");
    data = buf_take(&buf, &len);
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(data, "abc", 3);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert_ptr_null(buf.data);
    free(data);
    ck_assert(buf_append_str(&buf, "again"));
    ck_assert_mem_eq(buf.data, "again", 5);
    buf_fini(&buf);
}
END_TEST

START_TEST(every_error_has_its_wire_code)
{
#define CHECK_CODE(name, code) ck_assert_str_eq(error_code(CHAT_ERR_##name), code);
    CHAT_ERRORS(CHECK_CODE)
#undef CHECK_CODE
    ck_assert_str_eq(error_code(CHAT_OK), "ok");
}
END_TEST

UNIT_SUITE(base_memory)
{
    Suite *suite = suite_create("base_memory");

    UNIT_CASE(suite, "arena", arena_memory_is_zeroed_and_aligned_even_when_reused, arena_allocations_do_not_overlap,
              arena_keeps_one_block_over_a_reset, arena_big_allocation_leaves_the_current_block_in_use,
              arena_copies_text);
    UNIT_CASE(suite, "buf", buf_never_passes_its_maximum, buf_append_that_does_not_fit_changes_nothing_but_failed,
              buf_with_a_maximum_of_zero_takes_only_nothing, buf_printf_fills_to_the_last_byte,
              buf_append_size_writes_decimal_digits, buf_reserve_and_consume_move_a_window,
              buf_take_hands_the_memory_over);
    UNIT_CASE(suite, "error", every_error_has_its_wire_code);
    return suite;
}
