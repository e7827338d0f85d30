#include "contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"

static struct contract_suite *suites;

void contract_register(struct contract_suite *suite)
{
    struct contract_suite **at = &suites;
    while (*at && strcmp((*at)->name, suite->name) < 0) at = &(*at)->next;
    suite->next = *at;
    *at = suite;
}

const char *contract_env(const char *name)
{
    const char *value = getenv(name);
    if (!value || !*value) ck_abort_msg("%s is not set: contract tests need the real store", name);
    return value;
}

void contract_user(char out[64])
{
    char id[UUID_TEXT_SIZE];
    uuid_v7(clock_wall_ms(clock_system()), id);
    snprintf(out, 64, "contract:%s", id);
}

/* contract-tests [--suites]: all tests, or those of CK_RUN_SUITE; or the suites' names, a line each. */
int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--suites") == 0) {
        for (const struct contract_suite *suite = suites; suite; suite = suite->next) puts(suite->name);
        return EXIT_SUCCESS;
    }
    if (!getenv("CONTRACT_LOG")) log_set_fd(-1); /* CONTRACT_LOG=1: see the stores' log lines */
    SRunner *runner = srunner_create(NULL);
    for (const struct contract_suite *suite = suites; suite; suite = suite->next)
        srunner_add_suite(runner, suite->make());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
