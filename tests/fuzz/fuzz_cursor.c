/*
 * Any text as a cursor, and any position made into one. What decodes encodes to a cursor that decodes to the same, and
 * from there on the text stays as it is; no cursor of one order is one of the other. The same of the reports' cursors.
 */
#include "fuzz/fuzz.h"
#include "http/cursor.h"

static const int64_t latest_us = INT64_C(253402300799999999);

static bool same(const struct session_cursor *a, const struct session_cursor *b)
{
    return a->at_us == b->at_us && strcmp(a->id, b->id) == 0;
}

static void must_encode(enum session_sort sort, const struct session_cursor *at, struct arena *arena)
{
    const char *text = cursor_encode(sort, at, arena);
    struct session_cursor again;
    enum session_sort other = sort == SORT_CREATED_AT ? SORT_UPDATED_AT : SORT_CREATED_AT;

    must(cursor_decode(text, sort, &again) && same(at, &again));
    must(strcmp(cursor_encode(sort, &again, arena), text) == 0);
    must(!cursor_decode(text, other, &again));
}

static void as_text(const uint8_t *data, size_t len, struct arena *arena)
{
    char *text = fuzz_line(&data, &len);
    for (int i = 0; i < 2; i++) {
        enum session_sort sort = i ? SORT_UPDATED_AT : SORT_CREATED_AT;
        struct session_cursor at;
        if (!cursor_decode(text, sort, &at)) continue;
        must(at.at_us >= 0 && at.at_us <= latest_us);
        must(uuid_parse(at.id, strlen(at.id), (char[UUID_TEXT_SIZE]){0}));
        must_encode(sort, &at, arena);
    }
    for (unsigned group = 1; group < USAGE_GROUPS; group++) {
        struct usage_key key, again;
        if (!cursor_decode_usage(text, group, &key)) continue;
        const char *encoded = cursor_encode_usage(group, &key, arena);
        must(strcmp(encoded, text) == 0);
        must(cursor_decode_usage(encoded, group, &again) && strcmp(again.day, key.day) == 0 &&
             strcmp(again.user_id, key.user_id) == 0 && strcmp(again.model, key.model) == 0);
        must(!cursor_decode_usage(text, group ^ USAGE_BY_DAY, &again));
    }
    free(text);
}

/* 8 bytes of time, 16 of id. */
static void as_position(const uint8_t *data, size_t len, struct arena *arena)
{
    struct session_cursor at;
    uint64_t time;
    char digits[33];

    if (len < 24) return;
    memcpy(&time, data, sizeof time);
    at.at_us = (int64_t)(time % ((uint64_t)latest_us + 1));
    for (size_t i = 0; i < 16; i++) {
        digits[2 * i] = "0123456789abcdef"[data[8 + i] >> 4];
        digits[2 * i + 1] = "0123456789abcdef"[data[8 + i] & 15];
    }
    char *text =
        arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12, digits + 16, digits + 20);
    must(uuid_parse(text, strlen(text), at.id));
    must_encode(SORT_CREATED_AT, &at, arena);
    must_encode(SORT_UPDATED_AT, &at, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena arena;
    arena_init(&arena);
    as_text(data, len, &arena);
    as_position(data, len, &arena);
    arena_fini(&arena);
    return 0;
}
