/* The routes of sessions, messages and models: what comes in reaches the use case, what goes out has its shape. */
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/fake_service.h"
#include "unit.h"

#define SESSIONS "/api/v1/chat/sessions"
#define MESSAGES "/api/v1/chat/messages"

static struct fake_service service;
static struct fake_request request;
static const char *session_id, *answer_id, *session_path, *answer_path;

static void set_up(void)
{
    fake_service_init(&service);
    fake_request_init(&request, "GET", "/");
    session_id = fake_chat_session(&service.chat);
    answer_id = fake_chat_exchange(&service.chat, session_id, "Why?", "Because.", MESSAGE_COMPLETE);
    session_path = arena_printf(&service.arena, SESSIONS "/%s", session_id);
    answer_path = arena_printf(&service.arena, MESSAGES "/%s", answer_id);
}

static void tear_down(void)
{
    fake_service_fini(&service);
    fake_request_fini(&request);
}

/* As far as its request thread goes. */
static void ask(const char *method, const char *path, const char *parameters, const char *body)
{
    fake_request_fini(&request);
    fake_request_init(&request, method, path);
    fake_service_sign_in(&service, &request);
    request.request.query = parameters;
    if (body) fake_request_json(&request, body);
    fake_service_serve(&service, &request);
}

static void query(const char *method, const char *path, const char *parameters, const char *body)
{
    ask(method, path, parameters, body);
    while (service.chat.answers.stepped) fake_answers_step(&service.chat.answers, &service.chat.ports);
}

/* The answer as JSON, where it was answered at once. */
static const struct json *call(const char *method, const char *path, const char *body)
{
    query(method, path, "", body);
    return request.finished && request.out.len ? fake_service_json(&service, &request) : NULL;
}

static const char *below(const char *path, const char *rest)
{
    return arena_printf(&service.arena, "%s%s", path, rest);
}

static bool is(const struct json *json, const char *path, enum json_type type)
{
    return json_type(fake_service_at(json, path)) == type;
}

/* ---- sessions ---- */

START_TEST(a_session_is_renamed_pinned_and_archived)
{
    const struct json *json = call("PATCH", session_path, "{\"title\":\"Birds\",\"pinned\":true,\"archived\":true}");
    bool flag;

    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(json, "title"), "Birds");
    ck_assert(json_bool(json_get(json, "pinned"), &flag) && flag);
    ck_assert(json_bool(json_get(json, "archived"), &flag) && flag);
    json = call("PATCH", session_path, "{\"pinned\":false}");
    ck_assert_str_eq(fake_service_text(json, "title"), "Birds"); /* what isn't given stays */
    ck_assert(json_bool(json_get(json, "pinned"), &flag) && !flag);
    ck_assert(json_bool(json_get(json, "archived"), &flag) && flag);
}
END_TEST

static const struct {
    const char *body, *param;
} bad_patches[] = {
    {"{\"title\":null}", "title"}, {"{\"title\":\"\"}", "title"},        {"{\"title\":1}", "title"},
    {"{\"pinned\":1}", "pinned"},  {"{\"archived\":\"x\"}", "archived"}, {"{\"model\":\"qwen\"}", "model"},
};

START_TEST(a_bad_change_is_422)
{
    const struct json *json = call("PATCH", session_path, bad_patches[_i].body);

    ck_assert_int_eq(request.status, 422);
    ck_assert_str_eq(fake_service_text(json, "error.param"), bad_patches[_i].param);
}
END_TEST

START_TEST(a_deleted_session_comes_back_whole)
{
    call("DELETE", session_path, NULL);
    ck_assert_str_eq(fake_service_text(call("PATCH", session_path, "{\"pinned\":true}"), "error.code"),
                     "session_not_found");
    ck_assert_str_eq(fake_service_text(call("POST", below(session_path, "/restore"), NULL), "id"), session_id);
    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(json_first(json_get(call("GET", session_path, NULL), "messages")), "content"),
                     "Why?");
    ck_assert_str_eq(
        fake_service_text(call("POST", SESSIONS "/00000000-0000-7000-8000-000000000000/restore", NULL), "error.code"),
        "session_not_found");
}
END_TEST

START_TEST(a_conversation_can_be_taken_away_as_markdown_or_json)
{
    const struct json *json;

    query("GET", below(session_path, "/export"), "", NULL);
    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_request_header(&request, "Content-Type"), "text/markdown; charset=utf-8");
    ck_assert_ptr_nonnull(strstr(fake_request_header(&request, "Content-Disposition"), "attachment"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "Why?"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "Because."));
    query("GET", below(session_path, "/export"), "format=json", NULL);
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "session.id"), session_id);
    ck_assert_str_eq(fake_service_text(json_next(json_first(json_get(json, "messages"))), "content"), "Because.");
    ck_assert_ptr_nonnull(strstr(fake_request_header(&request, "Content-Disposition"), ".json"));
}
END_TEST

START_TEST(another_format_is_422)
{
    static const char *const bad[] = {"format=pdf", "format=", "format=json&format=json", "format=%zz"};

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        query("GET", below(session_path, "/export"), bad[i], NULL);
        ck_assert_int_eq(request.status, 422);
    }
    query("GET", SESSIONS "/00000000-0000-7000-8000-000000000000/export", "format=json", NULL);
    ck_assert_int_eq(request.status, 404);
    fake_repo_fail(service.chat.repo, FAKE_MESSAGE_PAGE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    query("GET", below(session_path, "/export"), "", NULL);
    ck_assert_int_eq(request.status, 503);
    ck_assert_ptr_null(fake_request_header(&request, "Content-Disposition"));
    fake_repo_fail(service.chat.repo, FAKE_MESSAGE_AFTER, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    query("GET", below(session_path, "/export"), "", NULL);
    ck_assert_int_eq(request.status, 503); /* nothing was written yet */
    ck_assert_ptr_null(fake_request_header(&request, "Content-Disposition"));
    ck_assert_int_eq(service.chat.answers.readers, 0);
}
END_TEST

/* (A6) */
START_TEST(an_export_is_one_at_a_time_and_its_head_can_be_had_alone)
{
    service.chat.answers.longs = 1;
    query("HEAD", below(session_path, "/export"), "", NULL);
    ck_assert_int_eq(request.status, 200);
    ck_assert_ptr_nonnull(fake_request_header(&request, "Content-Disposition"));
    ck_assert_str_eq(fake_request_body(&request), "");
    query("GET", below(session_path, "/export"), "", NULL);
    ck_assert_int_eq(request.status, 429);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.code"), "too_many_streams");
    ck_assert_str_eq(fake_request_header(&request, "Retry-After"), "5");
}
END_TEST

START_TEST(a_search_says_where_it_matched)
{
    const struct json *item;

    query("GET", SESSIONS, "q=Becau", NULL);
    item = json_first(json_get(fake_service_json(&service, &request), "items"));
    ck_assert_str_eq(fake_service_text(item, "id"), session_id);
    ck_assert_str_eq(fake_service_text(item, "match.message_id"), answer_id);
    ck_assert_str_eq(fake_service_text(item, "match.snippet"), "Because.");
    query("GET", SESSIONS, "q=chat", NULL); /* in the title */
    item = json_first(json_get(fake_service_json(&service, &request), "items"));
    ck_assert(is(item, "match.message_id", JSON_NULL));
}
END_TEST

/* ---- messages ---- */

START_TEST(a_message_has_all_its_fields)
{
    static const char *const fields[] = {
        "id",        "session_id",       "seq",           "parent_id",     "role",         "content",
        "reasoning", "status",           "content_bytes", "model",         "token_count",  "usage",
        "feedback",  "tokens_estimated", "created_at",    "superseded_by", "finish_reason"};
    const struct json *json = call("GET", answer_path, NULL);

    for (size_t i = 0; i < UNIT_COUNT(fields); i++)
        ck_assert_msg(json_get(json, fields[i]) != NULL, "lacks %s", fields[i]);
    ck_assert_str_eq(fake_service_text(json, "content"), "Because.");
    ck_assert_str_eq(fake_service_text(json, "role"), "assistant");
    ck_assert_str_eq(fake_service_text(json, "finish_reason"), "stop");
    ck_assert(is(json, "usage", JSON_NULL) && is(json, "feedback", JSON_NULL) && is(json, "reasoning", JSON_NULL));
}
END_TEST

START_TEST(usage_is_three_numbers)
{
    struct message message;
    const struct json *json;
    int64_t number;

    ck_assert(fake_repo_message(service.chat.repo, answer_id, &message));
    memcpy(message.id, "0198c0de-0000-7000-8000-0123456789ab", UUID_TEXT_SIZE);
    message.usage = (struct token_usage){7, 2, -1, 3};
    message.reasoning = "hm";
    message.reasoning_len = 2;
    fake_repo_put(service.chat.repo, &message);
    json = call("GET", MESSAGES "/0198C0DE-0000-7000-8000-0123456789AB", NULL);
    ck_assert(json_integer(fake_service_at(json, "usage.prompt_tokens"), &number) && number == 7);
    ck_assert(json_integer(fake_service_at(json, "usage.completion_tokens"), &number) && number == 2);
    ck_assert(json_integer(fake_service_at(json, "usage.total_tokens"), &number) && number == 9);
    ck_assert(json_integer(fake_service_at(json, "usage.prompt_tokens_details.cached_tokens"), &number) && number == 3);
    ck_assert_str_eq(fake_service_text(json, "reasoning"), "hm");
}
END_TEST

START_TEST(stopping_a_finished_answer_changes_nothing)
{
    const struct json *json = call("POST", below(answer_path, "/stop"), NULL);

    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(json, "status"), "complete");
    ck_assert_int_eq(service.chat.answers.stopped, 0);
}
END_TEST

static void end_as_stopped(const char *id)
{
    struct answer_end end = {
        .message_id = id, .epoch = 1, .status = MESSAGE_STOPPED, .content = "Bec", .content_len = 3};
    struct message_repo *messages = service.chat.ports.messages;
    struct session session;
    bool written;

    ck_assert_int_eq(message_repo_end(messages, &end, &service.arena, &written, &session), CHAT_OK);
}

START_TEST(a_stop_is_waited_for_without_a_thread)
{
    struct fake_answers *answers = &service.chat.answers;
    const char *id = fake_chat_exchange(&service.chat, session_id, "And?", NULL, MESSAGE_STREAMING);
    const struct json *json;

    ask("POST", arena_printf(&service.arena, MESSAGES "/%s/stop", id), "", NULL);
    ck_assert(request.taken && !request.finished);
    ck_assert_int_eq(answers->stopped, 1); /* it is asked for at once */
    manual_clock_advance(&service.chat.clock, answers->step_in_ms);
    ck_assert_int_eq(fake_answers_step(answers, &service.chat.ports), STEP_LATER);
    end_as_stopped(id);
    ck_assert_int_eq(fake_answers_step(answers, &service.chat.ports), STEP_OVER);
    ck_assert_int_eq(request.status, 200);
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "status"), "stopped");
    ck_assert_str_eq(fake_service_text(json, "content"), "Bec");
    ck_assert_int_eq(answers->readers, 0);
}
END_TEST

START_TEST(a_stop_without_a_place_to_wait_gives_the_message_as_it_is)
{
    const char *id = fake_chat_exchange(&service.chat, session_id, "And?", NULL, MESSAGE_STREAMING);

    service.chat.answers.refuse = CHAT_ERR_TOO_MANY_STREAMS;
    call("POST", arena_printf(&service.arena, MESSAGES "/%s/stop", id), NULL);
    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "status"), "streaming");
    ck_assert_int_eq(service.chat.answers.stopped, 1);
}
END_TEST

START_TEST(what_a_user_thinks_is_kept)
{
    const struct json *json = call("PUT", below(answer_path, "/feedback"), "{\"rating\":\"up\",\"comment\":\"good\"}");

    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(json, "feedback"), "up");
    ck_assert_str_eq(
        fake_service_text(call("PUT", below(answer_path, "/feedback"), "{\"rating\":\"great\"}"), "error.param"),
        "rating");
    call("PUT", below(answer_path, "/feedback"), "{\"rating\":1,\"stars\":5}");
    ck_assert_int_eq(request.status, 422);
    ck_assert(is(call("PUT", below(answer_path, "/feedback"), "{\"rating\":\"none\"}"), "feedback", JSON_NULL));
}
END_TEST

START_TEST(an_answer_is_written_anew_as_asked)
{
    call("POST", below(answer_path, "/regenerate"), "{\"model\":\"qwen\"}");
    ck_assert_int_eq(service.chat.answers.started, 1);
    ck_assert_str_eq(service.chat.answers.answer.model, "qwen");
    ck_assert(request.taken);
    listener_close(service.chat.answers.listener);
    service.chat.answers.listener = NULL;
    ck_assert_str_eq(
        fake_service_text(call("POST", below(answer_path, "/regenerate"), "{\"content\":\"x\"}"), "error.param"),
        "content");
    ck_assert_str_eq(
        fake_service_text(call("POST", below(answer_path, "/regenerate"), "{\"model\":\"gpt\"}"), "error.code"),
        "model_not_found");
}
END_TEST

START_TEST(without_a_body_an_answer_is_written_anew_too)
{
    call("POST", below(answer_path, "/regenerate"), NULL);
    ck_assert_int_eq(service.chat.answers.started, 1);
    ck_assert_str_eq(service.chat.answers.answer.model, "llama");
}
END_TEST

/* ---- models ---- */

START_TEST(models_are_listed_in_openai_s_shape)
{
    const struct json *json = call("GET", "/api/v1/models", NULL);

    ck_assert_str_eq(fake_service_text(json, "object"), "list");
    ck_assert_str_eq(fake_service_text(json_first(json_get(json, "data")), "id"), "llama");
    ck_assert_str_eq(fake_service_text(json_first(json_get(json, "data")), "object"), "model");
    ck_assert_str_eq(fake_service_text(call("GET", "/api/v1/models/qwen", NULL), "id"), "qwen");
    ck_assert_str_eq(fake_service_text(call("GET", "/api/v1/models/gpt", NULL), "error.code"), "model_not_found");
    ck_assert_int_eq(request.status, 404);
}
END_TEST

UNIT_SUITE(http_resources)
{
    Suite *suite = suite_create("http_resources");
    TCase *tcase = UNIT_CASE(suite, "resources", a_session_is_renamed_pinned_and_archived,
                             a_deleted_session_comes_back_whole, a_conversation_can_be_taken_away_as_markdown_or_json,
                             an_export_is_one_at_a_time_and_its_head_can_be_had_alone, another_format_is_422,
                             a_search_says_where_it_matched, a_message_has_all_its_fields, usage_is_three_numbers,
                             stopping_a_finished_answer_changes_nothing, a_stop_is_waited_for_without_a_thread,
                             a_stop_without_a_place_to_wait_gives_the_message_as_it_is, what_a_user_thinks_is_kept,
                             an_answer_is_written_anew_as_asked, without_a_body_an_answer_is_written_anew_too,
                             models_are_listed_in_openai_s_shape);

    tcase_add_loop_test(tcase, a_bad_change_is_422, 0, (int)UNIT_COUNT(bad_patches));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
