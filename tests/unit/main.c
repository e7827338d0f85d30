#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "unit.h"

enum { DESCRIPTORS = 4096 };

static struct unit_suite *suites;

void unit_register(struct unit_suite *suite)
{
    struct unit_suite **at = &suites;

    while (*at && strcmp((*at)->name, suite->name) < 0) at = &(*at)->next;
    suite->next = *at;
    *at = suite;
}

/* Some tests have hundreds of answers, with four descriptors each: the usual limit of 1024 is too low for them. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS) return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* unit-tests [--suites]: all tests, or those of CK_RUN_SUITE; or the suites' names, a line each. */
int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--suites") == 0) {
        for (const struct unit_suite *suite = suites; suite; suite = suite->next) puts(suite->name);
        return EXIT_SUCCESS;
    }

    raise_descriptor_limit();
    SRunner *runner = srunner_create(NULL);
    int failed;

    for (const struct unit_suite *suite = suites; suite; suite = suite->next) srunner_add_suite(runner, suite->make());
    srunner_set_fork_status(runner, srunner_fork_status(runner)); /* CK_FORK as it is now: tests of settings clear it */
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
