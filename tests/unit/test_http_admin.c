/* The routes of administrators: who may, what they take, and the shape of what they give. */
#include <string.h>

#include "http/cursor.h"
#include "tests/fakes/fake_service.h"
#include "unit.h"

#define USAGE "/api/v1/chat/admin/usage"
#define ENGAGEMENT "/api/v1/chat/admin/engagement"

static struct fake_service service;
static struct fake_request request;

static void set_up(void)
{
    fake_service_init(&service);
    fake_request_init(&request, "GET", "/");
    const char *session = fake_chat_session(&service.chat);
    fake_chat_exchange(&service.chat, session, "Why?", "Because.", MESSAGE_COMPLETE);
    fake_chat_exchange(&service.chat, session, "Really?", "Yes", MESSAGE_STOPPED);
}

static void tear_down(void)
{
    fake_service_fini(&service);
    fake_request_fini(&request);
}

static const struct json *ask(const char *role, const char *path, const char *query)
{
    fake_request_fini(&request);
    fake_request_init(&request, "GET", path);
    fake_request_param(&request, "HTTP_AUTHORIZATION",
                       arena_printf(&service.arena, "Bearer %s", fake_chat_token(&service.chat, "root", role)));
    request.request.query = query;
    fake_service_serve(&service, &request);
    return fake_service_json(&service, &request);
}

static int64_t number(const struct json *json, const char *path)
{
    int64_t value = -1;
    ck_assert_msg(json_integer(fake_service_at(json, path), &value), "%s", path);
    return value;
}

START_TEST(a_user_may_not)
{
    ck_assert_str_eq(fake_service_text(ask("user", USAGE, ""), "error.code"), "forbidden");
    ck_assert_int_eq(request.status, 403);
    ck_assert_str_eq(fake_service_text(ask("user", ENGAGEMENT, ""), "error.code"), "forbidden");
}
END_TEST

START_TEST(a_wrong_method_is_said_to_whoever_asks)
{
    fake_request_fini(&request);
    fake_request_init(&request, "POST", USAGE);
    fake_service_sign_in(&service, &request);
    fake_service_serve(&service, &request);
    ck_assert_int_eq(request.status, 405);
}
END_TEST

START_TEST(use_is_told_row_by_row)
{
    const struct json *json = ask("admin", USAGE, "");
    const struct json *row = json_first(json_get(json, "items"));

    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(row, "user_id"), "alice");
    ck_assert_str_eq(fake_service_text(row, "model"), "llama");
    ck_assert_int_eq(number(row, "answers"), 2);
    ck_assert_int_eq(number(row, "completions"), 0);
    ck_assert_int_eq(json_type(json_get(json, "next_cursor")), JSON_NULL);
    row = json_first(json_get(ask("admin", USAGE, "group_by=model"), "items"));
    ck_assert_int_eq(json_type(json_get(row, "user_id")), JSON_NULL);
    ck_assert_int_eq(json_type(json_get(row, "day")), JSON_NULL);
}
END_TEST

START_TEST(the_next_page_goes_on_where_the_first_ended)
{
    const struct usage_row rows[] = {{.key = {"bob", "2020-02-01", "m"}, .counts = {.completions = 1}},
                                     {.key = {"bob", "2020-02-02", "m"}, .counts = {.completions = 2}}};
    const struct usage_batch batch = {.writer_id = "w", .number = 1, .rows = rows, .count = 2};
    const char *query = "user=bob&from=2020-02-01&to=2020-02-02&limit=1";

    ck_assert_int_eq(usage_repo_count(service.chat.ports.usage, &batch), CHAT_OK);
    const struct json *json = ask("admin", USAGE, query);
    ck_assert_int_eq(number(json_first(json_get(json, "items")), "completions"), 1);
    json = ask("admin", USAGE,
               arena_printf(&service.arena, "%s&cursor=%s", query, fake_service_text(json, "next_cursor")));
    ck_assert_int_eq(number(json_first(json_get(json, "items")), "completions"), 2);
    ck_assert_int_eq(json_type(json_get(json, "next_cursor")), JSON_NULL);
}
END_TEST

static const struct {
    const char *path, *query, *param;
    int status;
} bad[] = {
    {USAGE, "limit=0", "limit", 422},
    {USAGE, "limit=x", "limit", 422},
    {USAGE, "from=yesterday", "from", 422},
    {USAGE, "to=2026-02-30", "to", 422},
    {USAGE, "from=2026-02-02&to=2026-02-01", "from", 422},
    {USAGE, "from=2024-01-01&to=2026-01-01", "from", 422},
    {USAGE, "group_by=day,,user", "group_by", 422},
    {USAGE, "group_by=users", "group_by", 422},
    {USAGE, "group_by=user,user", "group_by", 422},
    {USAGE, "user=a&user=b", "user", 422},
    {USAGE, "model=%zz", "model", 422},
    {USAGE, "cursor=AAAA", "cursor", 400},
    {ENGAGEMENT, "from=2025-01-01&to=2025-04-03", "from", 422},
    {ENGAGEMENT, "to=a&to=b", "to", 422},
};

START_TEST(what_can_not_be_is_refused)
{
    const struct json *json = ask("admin", bad[_i].path, bad[_i].query);

    ck_assert_int_eq(request.status, bad[_i].status);
    ck_assert_str_eq(fake_service_text(json, "error.param"), bad[_i].param);
}
END_TEST

START_TEST(a_store_that_is_away_is_said)
{
    fake_repo_fail(service.chat.repo, FAKE_USAGE_LIST, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    fake_repo_fail(service.chat.repo, FAKE_USAGE_ENGAGEMENT, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_str_eq(fake_service_text(ask("admin", USAGE, ""), "error.code"), "database_unavailable");
    ck_assert_str_eq(fake_service_text(ask("admin", ENGAGEMENT, ""), "error.code"), "database_unavailable");
}
END_TEST

static double rate(const struct json *day, const char *key)
{
    double value = -1;
    ck_assert_msg(json_number(json_get(day, key), &value), "%s", key);
    return value;
}

START_TEST(engagement_is_told_day_by_day)
{
    const char *day = arena_strndup(&service.arena, FAKE_NOW, QUOTA_DAY_SIZE - 1);
    const struct json *json = ask("admin", ENGAGEMENT, arena_printf(&service.arena, "from=%s&to=%s", day, day));
    const struct json *row = json_first(json_get(json, "days"));

    ck_assert_int_eq(request.status, 200);
    ck_assert_int_eq(number(row, "daily_active_users"), 1);
    ck_assert_int_eq(number(row, "weekly_active_users"), 1);
    ck_assert_int_eq(number(row, "messages"), 2);
    ck_assert_double_eq(rate(row, "messages_per_session"), 2);
    ck_assert_double_eq(rate(row, "stop_rate"), 0.5);
    ck_assert_double_eq(rate(row, "regenerate_rate"), 0);
    ck_assert_int_eq(json_type(json_get(row, "positive_feedback_rate")), JSON_NULL);
    row = json_first(json_get(ask("admin", ENGAGEMENT, "from=2020-01-31&to=2020-01-31"), "days"));
    ck_assert_int_eq(json_type(json_get(row, "stop_rate")), JSON_NULL);
}
END_TEST

/* ---- the cursor ---- */

START_TEST(a_cursor_of_the_report_comes_back_as_it_was)
{
    for (unsigned group = 1; group < USAGE_GROUPS; group++) {
        struct usage_key in = {"", "", ""}, out;
        if (group & USAGE_BY_DAY) strcpy(in.day, "2026-01-31");
        if (group & USAGE_BY_USER) memset(in.user_id, '+', sizeof in.user_id - 1);
        if (group & USAGE_BY_MODEL) memset(in.model, 'm', sizeof in.model - 1);
        const char *text = cursor_encode_usage(group, &in, &service.arena);

        ck_assert(cursor_decode_usage(text, group, &out));
        ck_assert_str_eq(out.day, in.day);
        ck_assert_str_eq(out.user_id, in.user_id);
        ck_assert_str_eq(out.model, in.model);
        ck_assert(!cursor_decode_usage(text, group ^ 1, &out));
        ck_assert(!cursor_decode_usage(arena_printf(&service.arena, "%sAA", text), group, &out));
    }
}
END_TEST

UNIT_SUITE(http_admin)
{
    Suite *suite = suite_create("http_admin");
    TCase *tcase =
        UNIT_CASE(suite, "admin", a_user_may_not, a_wrong_method_is_said_to_whoever_asks, use_is_told_row_by_row,
                  the_next_page_goes_on_where_the_first_ended, a_store_that_is_away_is_said,
                  engagement_is_told_day_by_day, a_cursor_of_the_report_comes_back_as_it_was);

    tcase_add_loop_test(tcase, what_can_not_be_is_refused, 0, UNIT_COUNT(bad));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
