/*
 * Contract tests: what the ports of the stores promise, checked alike on the stores as they really are, at
 * DATABASE_URL (migrated) and REDIS_URL, and on the fakes of tests/fakes, which need neither. An unset variable fails
 * the test that needs it; nothing is skipped. Every test uses user ids of its own, so the suites run against a
 * database that is in use, in any order, and twice.
 *
 * One file a subject: test_<port>_<noun>.c runs on the real store and on the fake, a suite each; test_postgres_* and
 * test_redis_* hold what only those have. A file registers its suite as unit tests do:
 *
 *     CONTRACT_SUITE(postgres_sessions)
 *     {
 *         Suite *suite = suite_create("postgres_sessions");
 *         CONTRACT_CASE(suite, "list", pages_do_not_skip, …);
 *         return suite;
 *     }
 *
 * One suite alone: CK_RUN_SUITE=postgres_sessions build/contract-tests. The fakes alone: CK_INCLUDE_TAGS=fake.
 * Without forks: CK_FORK=no.
 */
#ifndef CONTRACT_CONTRACT_H
#define CONTRACT_CONTRACT_H

#include <check.h>
#include <stddef.h>

struct contract_suite {
    const char *name;
    Suite *(*make)(void);
    struct contract_suite *next;
};

/* Called before main. Keeps the list in alphabetical order. */
void contract_register(struct contract_suite *suite);

#define CONTRACT_SUITE(name)                                              \
    static Suite *suite_##name(void);                                     \
    __attribute__((constructor)) static void register_##name(void)        \
    {                                                                     \
        static struct contract_suite entry = {#name, suite_##name, NULL}; \
        contract_register(&entry);                                        \
    }                                                                     \
    static Suite *suite_##name(void)

/* Seconds; a store that was stopped on purpose takes its time. */
enum { CONTRACT_TIMEOUT_S = 60 };

static inline TCase *contract_case(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, CONTRACT_TIMEOUT_S);
    for (size_t i = 0; i < count; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return tcase;
}

#define CONTRACT_CASE(suite, name, ...)                                 \
    contract_case((suite), (name), (const TTest *const[]){__VA_ARGS__}, \
                  sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *))

/* Tags "real" and "fake" tell what a case runs on: CK_INCLUDE_TAGS=fake needs no server. */
static inline void contract_fixture(TCase *tcase, const char *tag, SFun open, SFun close)
{
    tcase_set_tags(tcase, tag);
    tcase_add_checked_fixture(tcase, open, close);
}

/* The variable's value; where it is unset or empty the test fails and says so. */
const char *contract_env(const char *name);
/* A user id that nobody has had before. `out` takes 64 bytes. */
void contract_user(char out[64]);

#endif
