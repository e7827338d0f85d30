/* The range of a report, and what may be asked of it. */
#include "usecases/list_usage.h"

#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/list_sessions.h"

static struct fake_chat chat;
static struct problem problem;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

/* At most 366 days. NULL: refused. */
static const struct {
    const char *from, *to, *from_out, *to_out;
} ranges[] = {
    {NULL, NULL, "2026-01-02", "2026-01-31"}, /* 30 days, up to today */
    {NULL, "2026-01-15", "2025-12-17", "2026-01-15"},
    {"2026-01-20", NULL, "2026-01-20", "2026-01-31"},
    {"2026-01-15", "2026-01-15", "2026-01-15", "2026-01-15"},
    {NULL, "1970-01-03", "1970-01-01", "1970-01-03"}, /* there is no day before */
    {"2025-01-31", "2026-01-31", "2025-01-31", "2026-01-31"},
    {"2025-01-30", "2026-01-31", NULL, NULL},
    {"2026-01-16", "2026-01-15", NULL, NULL},
    {"2026-01-16", "tomorrow", NULL, NULL},
    {"tomorrow", "2026-01-16", NULL, NULL},
};

START_TEST(a_range_is_thirty_days_up_to_today_and_at_most_a_year)
{
    char from[QUOTA_DAY_SIZE], to[QUOTA_DAY_SIZE];
    enum chat_error error =
        usage_range(&chat.ports, ranges[_i].from, ranges[_i].to, USAGE_DAYS_MAX, &problem, from, to);

    if (!ranges[_i].from_out) {
        ck_assert_int_eq(error, CHAT_ERR_VALIDATION_FAILED);
        return;
    }
    ck_assert_int_eq(error, CHAT_OK);
    ck_assert_str_eq(from, ranges[_i].from_out);
    ck_assert_str_eq(to, ranges[_i].to_out);
}
END_TEST

START_TEST(what_is_asked_of_a_report_has_bounds)
{
    static char text[USER_ID_SIZE + 1];
    struct {
        int limit;
        size_t user_len, model_len;
        const char *param;
    } cases[] = {
        {PAGE_LIMIT_MIN, 0, 0, NULL},        {PAGE_LIMIT_MAX, USER_ID_SIZE - 1, MODEL_NAME_SIZE - 1, NULL},
        {PAGE_LIMIT_MIN - 1, 0, 0, "limit"}, {PAGE_LIMIT_MAX + 1, 0, 0, "limit"},
        {1, USER_ID_SIZE, 0, "user"},        {1, 0, MODEL_NAME_SIZE, "model"},
    };

    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        struct usage_query query = {
            .from = "2026-01-01", .to = "2026-01-31", .group = USAGE_BY_DAY, .limit = cases[i].limit};
        struct usage_page page;

        if (cases[i].user_len) query.user_id = text + USER_ID_SIZE - cases[i].user_len;
        if (cases[i].model_len) query.model = text + USER_ID_SIZE - cases[i].model_len;
        problem = (struct problem){0};
        enum chat_error error = list_usage(&chat.ports, &query, &chat.arena, &problem, &page);
        ck_assert_int_eq(error, cases[i].param ? CHAT_ERR_VALIDATION_FAILED : CHAT_OK);
        ck_assert_pstr_eq(problem.param, cases[i].param);
    }
}
END_TEST

UNIT_SUITE(usecases_list_usage)
{
    Suite *suite = suite_create("usecases_list_usage");
    TCase *tcase = UNIT_CASE(suite, "reports", what_is_asked_of_a_report_has_bounds);

    tcase_add_loop_test(tcase, a_range_is_thirty_days_up_to_today_and_at_most_a_year, 0, (int)UNIT_COUNT(ranges));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
