/* Idempotency keys and what makes two requests the same. */
#include "domain/idempotency.h"

#include <string.h>

#include "unit.h"

START_TEST(key_takes_1_to_128_visible_ascii)
{
    char longest[IDEMPOTENCY_KEY_MAX + 2];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    ck_assert(idempotency_key_valid("a"));
    ck_assert(idempotency_key_valid("!~"));
    ck_assert(idempotency_key_valid(longest + 1));
    ck_assert(!idempotency_key_valid(longest));
    ck_assert(!idempotency_key_valid(""));
    ck_assert(!idempotency_key_valid("a b"));
    ck_assert(!idempotency_key_valid("a\tb"));
    ck_assert(!idempotency_key_valid("a\x7f"));
    ck_assert(!idempotency_key_valid("\xc3\xa4"));
}
END_TEST

static void fingerprint(const char *a, const char *b, char out[FINGERPRINT_SIZE])
{
    const char *const parts[] = {a, b};
    idempotency_fingerprint(parts, 2, out);
}

START_TEST(fingerprint_is_the_same_for_the_same_parts_alone)
{
    static const char *const pairs[][2] = {{"ab", "c"},
                                           {"a", "bc"},
                                           {"abc", ""},
                                           {"", "abc"},
                                           {"abc", NULL},
                                           {NULL, "abc"},
                                           {"", ""},
                                           {NULL, ""},
                                           {NULL, NULL},
                                           {"\x01", ""},
                                           {"a\x01", "b"},
                                           {"a", "\x01"
                                                 "b"},
                                           {"\x01"
                                            "a",
                                            "b"}};
    enum { PAIRS = sizeof pairs / sizeof *pairs };
    char made[PAIRS][FINGERPRINT_SIZE], again[FINGERPRINT_SIZE];
    for (size_t i = 0; i < PAIRS; i++) {
        fingerprint(pairs[i][0], pairs[i][1], made[i]);
        fingerprint(pairs[i][0], pairs[i][1], again);
        ck_assert_str_eq(made[i], again);
        ck_assert_uint_eq(strlen(made[i]), FINGERPRINT_SIZE - 1);
        for (size_t k = 0; k < i; k++) ck_assert_str_ne(made[i], made[k]);
    }
}
END_TEST

UNIT_SUITE(domain_idempotency)
{
    Suite *suite = suite_create("domain_idempotency");
    UNIT_CASE(suite, "keys", key_takes_1_to_128_visible_ascii, fingerprint_is_the_same_for_the_same_parts_alone);
    return suite;
}
