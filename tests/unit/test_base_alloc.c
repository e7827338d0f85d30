#include "base/alloc.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "unit.h"

static char said[4096]; /* what a process logged before it ended */

/* Gives how a child ended in which `work` ran. */
static int end_of(void (*work)(void))
{
    const struct rlimit no_core = {0, 0};
    int ends[2], status;

    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        log_set_level(LOG_ERROR);
        log_set_fd(ends[1]);
        work();
        _exit(0);
    }
    close(ends[1]);
    ssize_t len = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    ck_assert_int_ge(len, 0);
    said[len] = '\0';
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static void check_line(int64_t bytes, const char *file)
{
    struct json_doc *doc;
    const char *reason;
    int64_t number;
    char wanted[64];

    snprintf(wanted, sizeof wanted, "\"bytes\":%lld,", (long long)bytes);
    ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
    ck_assert_int_eq(json_parse(said, strlen(said), &doc, &reason), CHAT_OK);
    const struct json *root = json_root(doc);
    ck_assert_str_eq(json_string(json_get(root, "level"), NULL), "error");
    ck_assert_str_eq(json_string(json_get(root, "event"), NULL), "out_of_memory");
    ck_assert_str_eq(json_string(json_get(root, "file"), NULL), file);
    ck_assert_ptr_nonnull(strstr(said, wanted)); /* as text: no double holds the largest */
    ck_assert(json_integer(json_get(root, "line"), &number));
    ck_assert_int_gt(number, 0);
    json_free(doc);
}

START_TEST(what_is_given_is_zeros)
{
    unsigned char *at = must_calloc(300, 7);

    for (size_t i = 0; i < 2100; i++) ck_assert_uint_eq(at[i], 0);
    free(at);
}
END_TEST

/* A sanitizer's calloc ends the process by itself; elsewhere nobody has as much, or it is no size at all. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAKE(count, size) out_of_memory(size)
#else
#define TAKE(count, size) free(must_calloc((count), (size)))
#endif

static volatile size_t most = PTRDIFF_MAX;

static void take_too_much(void)
{
    TAKE(1, most);
}

START_TEST(where_there_is_none_the_log_says_how_much_and_where_and_the_process_aborts)
{
    const int status = end_of(take_too_much);

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    check_line(PTRDIFF_MAX, __FILE__);
}
END_TEST

static void take_what_is_no_size(void)
{
    TAKE(3, most);
}

START_TEST(a_product_that_is_no_size_is_not_taken_for_a_small_one)
{
    const int status = end_of(take_what_is_no_size);

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    check_line(INT64_MAX, __FILE__);
}
END_TEST

static void say_it(void)
{
    out_of_memory(4711);
}

START_TEST(who_asked_for_it_otherwise_can_say_so_too)
{
    const int status = end_of(say_it);

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    check_line(4711, __FILE__);
}
END_TEST

UNIT_SUITE(base_alloc)
{
    Suite *suite = suite_create("base_alloc");

    UNIT_CASE(suite, "alloc", what_is_given_is_zeros,
              where_there_is_none_the_log_says_how_much_and_where_and_the_process_aborts,
              a_product_that_is_no_size_is_not_taken_for_a_small_one, who_asked_for_it_otherwise_can_say_so_too);
    return suite;
}
