/* clock and uuid */
#include "base/clock.h"
#include "base/uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

static const struct {
    int64_t wall_ms;
    const char *text;
} moments[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1, "1970-01-01T00:00:00.001Z"},
    {INT64_C(86399999), "1970-01-01T23:59:59.999Z"},
    {INT64_C(31536000000), "1971-01-01T00:00:00.000Z"},
    {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
    {INT64_C(951868800000), "2000-03-01T00:00:00.000Z"},
    {INT64_C(1709164800000), "2024-02-29T00:00:00.000Z"},
    {INT64_C(1735689599999), "2024-12-31T23:59:59.999Z"},
    {INT64_C(1735689600000), "2025-01-01T00:00:00.000Z"},
    {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
    {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
};

START_TEST(moments_are_written_and_read_as_rfc3339)
{
    for (size_t i = 0; i < UNIT_COUNT(moments); i++) {
        char text[CLOCK_RFC3339_SIZE];
        int64_t wall_ms = -1;

        clock_format_rfc3339(moments[i].wall_ms, text);
        ck_assert_str_eq(text, moments[i].text);
        ck_assert(clock_parse_rfc3339(text, &wall_ms));
        ck_assert_int_eq(wall_ms, moments[i].wall_ms);
    }
}
END_TEST

START_TEST(every_day_is_written_as_gmtime_has_it)
{
    for (time_t day = 0; day < 800000; day += 1) {
        time_t at = day * 86400 + day % 86400;
        struct tm tm;
        char wanted[40], text[CLOCK_RFC3339_SIZE];
        int64_t wall_ms;

        gmtime_r(&at, &tm);
        strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        clock_format_rfc3339((int64_t)at * 1000, text);
        if (strcmp(text, wanted) != 0 || !clock_parse_rfc3339(text, &wall_ms) || wall_ms != (int64_t)at * 1000)
            ck_abort_msg("%s is not %s", text, wanted);
    }
}
END_TEST

START_TEST(moments_out_of_range_are_clamped)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(-1, text);
    ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
    clock_format_rfc3339(INT64_MAX, text);
    ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(other_forms_of_a_moment_are_refused)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000",
        "2026-01-31T12:00:00.000z",
        "2026-01-31t12:00:00.000Z",
        "2026-01-31 12:00:00.000Z",
        "2026-01-31T12:00:00.000+00:00",
        "2026-01-31T12:00:00.000Z ",
        " 2026-01-31T12:00:00.000Z",
        "2026-02-29T12:00:00.000Z",
        "2026-00-31T12:00:00.000Z",
        "2026-13-31T12:00:00.000Z",
        "2026-01-00T12:00:00.000Z",
        "2026-01-32T12:00:00.000Z",
        "2026-01-31T24:00:00.000Z",
        "2026-01-31T12:60:00.000Z",
        "2026-01-31T12:00:60.000Z",
        "1969-12-31T12:00:00.000Z",
        "2026-01-31T12:00:00.0-1Z",
    };
    int64_t wall_ms;

    for (size_t i = 0; i < UNIT_COUNT(texts); i++)
        ck_assert_msg(!clock_parse_rfc3339(texts[i], &wall_ms), "%s", texts[i]);
}
END_TEST

START_TEST(a_manual_clock_moves_only_when_told)
{
    struct manual_clock clock;

    manual_clock_init(&clock, 5000);
    ck_assert_int_eq(clock_wall_ms(&clock.clock), 5000);
    int64_t mono = clock_mono_ms(&clock.clock);
    manual_clock_advance(&clock, 250);
    ck_assert_int_eq(clock_wall_ms(&clock.clock), 5250);
    ck_assert_int_eq(clock_mono_ms(&clock.clock), mono + 250);
}
END_TEST

START_TEST(the_system_clock_is_about_now)
{
    int64_t mono = clock_mono_ms(clock_system());

    ck_assert_int_le(llabs(clock_wall_ms(clock_system()) / 1000 - (int64_t)time(NULL)), 2);
    ck_assert_int_ge(clock_mono_ms(clock_system()), mono);
}
END_TEST

START_TEST(uuids_of_one_millisecond_ascend)
{
    char last[UUID_TEXT_SIZE] = "", id[UUID_TEXT_SIZE];

    for (int i = 0; i < 20000; i++) { /* more than the counter holds */
        uuid_v7(INT64_C(1700000000000), id);
        ck_assert_str_gt(id, last);
        memcpy(last, id, sizeof id);
    }
    uuid_v7(INT64_C(1699999999990), id); /* the clock went back a little */
    ck_assert_str_gt(id, last);
}
END_TEST

START_TEST(uuids_carry_version_variant_and_time)
{
    char id[UUID_TEXT_SIZE], later[UUID_TEXT_SIZE];

    uuid_v7(INT64_C(0x0123456789ab), id);
    ck_assert_uint_eq(strlen(id), 36);
    ck_assert(strncmp(id, "01234567-89ab-7", 15) == 0);
    ck_assert(strchr("89ab", id[19]));
    ck_assert(uuid_parse(id, 36, later));
    uuid_v7(INT64_C(0x0123456789ac), later);
    ck_assert_str_gt(later, id);
    uuid_v7(INT64_C(0x012300000000), later); /* far back: the clock was set, and is believed */
    ck_assert(strncmp(later, "01230000-0000-7", 15) == 0);
}
END_TEST

enum { THREADS = 4, EACH = 5000 };
static char made[THREADS * EACH][UUID_TEXT_SIZE];

static void *make_ids(void *first)
{
    for (char(*id)[UUID_TEXT_SIZE] = first; id < (char(*)[UUID_TEXT_SIZE])first + EACH; id++)
        uuid_v7(INT64_C(1800000000000), *id);
    return NULL;
}

static int compare_ids(const void *left, const void *right)
{
    return strcmp(left, right);
}

START_TEST(uuids_of_several_threads_differ)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, make_ids, made[i * EACH]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    qsort(made, THREADS * EACH, sizeof made[0], compare_ids);
    for (int i = 1; i < THREADS * EACH; i++) ck_assert_str_ne(made[i - 1], made[i]);
}
END_TEST

START_TEST(uuids_of_a_forked_process_differ)
{
    char mine[UUID_TEXT_SIZE], theirs[UUID_TEXT_SIZE];
    int ends[2], status;
    pid_t child;

    uuid_v7(INT64_C(1900000000000), mine);
    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        uuid_v7(INT64_C(1900000000000), theirs);
        _exit(write(ends[1], theirs, sizeof theirs) == sizeof theirs ? 0 : 1);
    }
    uuid_v7(INT64_C(1900000000000), mine);
    ck_assert_int_eq(read(ends[0], theirs, sizeof theirs), sizeof theirs);
    waitpid(child, &status, 0);
    ck_assert_str_ne(mine, theirs);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(uuids_are_read_in_either_case_and_nothing_else)
{
    static const char *const bad[] = {
        "",
        "0190163d8694739baea66d2dcae9ff1a",
        "0190163d-8694-739b-aea6-6d2dcae9ff1",
        "0190163d-8694-739b-aea6-6d2dcae9ff1ab",
        "0190163d-8694-739b-aea6-6d2dcae9ff1g",
        "0190163d-8694-739b-aea606d2dcae9ff1a",
        "0190163d-8694-739b-aea6-6d2dcae9ff1 ",
        "{190163d-8694-739b-aea6-6d2dcae9ff1}",
        "0190163d-8694-739-baea6-6d2dcae9ff1a",
    };
    char out[UUID_TEXT_SIZE] = "untouched";

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) ck_assert_msg(!uuid_parse(bad[i], strlen(bad[i]), out), "%s", bad[i]);
    ck_assert(!uuid_parse("0190163d-8694-739b-aea6-6d2dcae9ff1\0", 36, out));
    ck_assert_str_eq(out, "untouched");
    ck_assert(uuid_parse("0190163D-8694-739B-AEA6-6d2dcae9fF1A", 36, out));
    ck_assert_str_eq(out, "0190163d-8694-739b-aea6-6d2dcae9ff1a");
    ck_assert(uuid_parse(out, 36, out)); /* in place */
}
END_TEST

UNIT_SUITE(base_time)
{
    Suite *suite = suite_create("base_time");

    UNIT_CASE(suite, "clock", moments_are_written_and_read_as_rfc3339, every_day_is_written_as_gmtime_has_it,
              moments_out_of_range_are_clamped, other_forms_of_a_moment_are_refused,
              a_manual_clock_moves_only_when_told, the_system_clock_is_about_now);
    UNIT_CASE(suite, "uuid", uuids_of_one_millisecond_ascend, uuids_carry_version_variant_and_time,
              uuids_of_several_threads_differ, uuids_of_a_forked_process_differ,
              uuids_are_read_in_either_case_and_nothing_else);
    return suite;
}
