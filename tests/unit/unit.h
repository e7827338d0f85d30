/*
 * Unit tests: no sockets, no stores, no waiting. One file tests/unit/test_<layer>_<noun>.c per source file tested;
 * it ends with its suite, which registers itself, so that main.c knows no list:
 *
 *     START_TEST(breaker_opens_after_five_failures) { … } END_TEST
 *
 *     UNIT_SUITE(relay_breaker)
 *     {
 *         Suite *suite = suite_create("relay_breaker");
 *         UNIT_CASE(suite, "opening", breaker_opens_after_five_failures, …);
 *         return suite;
 *     }
 *
 * UNIT_CASE gives the TCase, for fixtures and timeouts. A test is named as the behaviour that breaks with it. One suite
 * alone: CK_RUN_SUITE=relay_breaker build/unit-tests. Without forks, for sanitizers and gdb: CK_FORK=no.
 */
#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

#include <check.h>
#include <stddef.h>

struct unit_suite {
    const char *name;
    Suite *(*make)(void);
    struct unit_suite *next;
};

/* Called before main. Keeps the list in alphabetical order. */
void unit_register(struct unit_suite *suite);

#define UNIT_SUITE(name)                                              \
    static Suite *suite_##name(void);                                 \
    __attribute__((constructor)) static void register_##name(void)    \
    {                                                                 \
        static struct unit_suite entry = {#name, suite_##name, NULL}; \
        unit_register(&entry);                                        \
    }                                                                 \
    static Suite *suite_##name(void)

static inline TCase *unit_case(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
    TCase *tcase = tcase_create(name);

    for (size_t i = 0; i < count; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return tcase;
}

/* A test case of the tests listed. */
#define UNIT_CASE(suite, name, ...)                                 \
    unit_case((suite), (name), (const TTest *const[]){__VA_ARGS__}, \
              sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *))

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
