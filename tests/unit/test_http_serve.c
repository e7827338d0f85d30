/* The life of a request: who may, what is there, what the body may be, and what an error looks like. */
#include "http/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/errors.h"
#include "http/routes.h"
#include "tests/fakes/fake_service.h"
#include "unit.h"

#define NO_SUCH_ID "00000000-0000-7000-8000-000000000000"
#define SESSIONS "/api/v1/chat/sessions"
#define MESSAGES "/api/v1/chat/messages"

static struct fake_service service;
static struct fake_request request;

static void set_up(void)
{
    fake_service_init(&service);
    fake_request_init(&request, "GET", "/");
}

static void tear_down(void)
{
    fake_service_fini(&service);
    fake_request_fini(&request);
}

/* A new request; the last one's answer is dropped. */
static void new_request(const char *method, const char *path)
{
    fake_request_fini(&request);
    fake_request_init(&request, method, path);
}

static const char *serve(void)
{
    fake_service_serve(&service, &request);
    ck_assert_int_eq(request.responses, 1);
    return request.status >= 400 ? fake_service_text(fake_service_json(&service, &request), "error.code") : "";
}

static const char *call(const char *method, const char *path)
{
    new_request(method, path);
    fake_service_sign_in(&service, &request);
    return serve();
}

static const char *call_with(const char *method, const char *path, const char *body)
{
    new_request(method, path);
    fake_service_sign_in(&service, &request);
    fake_request_json(&request, body);
    return serve();
}

static const char *header(const char *name)
{
    const char *value = fake_request_header(&request, name);

    return value ? value : "(none)";
}

/* ---- who ---- */

START_TEST(without_a_token_everything_but_health_is_401)
{
    for (const struct route *route = route_table(); route->method; route++) {
        const char *code;

        if (route->access == FOR_ALL) continue;
        new_request(route->method, route->path);
        fake_request_json(&request, "{\"unknown\":1}");
        code = serve();
        ck_assert_msg(request.status == 401 && strcmp(code, "unauthenticated") == 0, "%s %s: %d %s", route->method,
                      route->path, request.status, code);
        ck_assert_str_eq(header("WWW-Authenticate"), "Bearer");
    }
}
END_TEST

START_TEST(the_token_is_asked_for_before_the_address_is_looked_at)
{
    new_request("GET", "/api/v1/chat/nothing");
    ck_assert_str_eq(serve(), "unauthenticated");
    new_request("PATCH", SESSIONS);
    ck_assert_str_eq(serve(), "unauthenticated");
    ck_assert_str_eq(header("Allow"), "(none)");
    new_request("GET", SESSIONS "/no-uuid");
    ck_assert_str_eq(serve(), "unauthenticated");
}
END_TEST

static const struct {
    const char *authorization, *cookie, *origin, *site;
    const char *method;
    int status;
} doors[] = {
    {"Bearer TOKEN", NULL, NULL, NULL, "POST", 201},
    {"bearer   TOKEN", NULL, "https://evil.example", "cross-site", "POST", 201}, /* no cookie: nobody else's doing */
    {"Basic TOKEN", NULL, NULL, NULL, "POST", 401},
    {"Bearer ", NULL, NULL, NULL, "POST", 401},
    {"Bearer x.y.z", "__Host-chat_token=TOKEN", "https://chat.example", NULL, "POST", 401}, /* the header wins */
    {NULL, "__Host-chat_token=TOKEN", "https://chat.example", NULL, "POST", 201},
    {NULL, "a=b; __Host-chat_token=TOKEN ; c=d", "https://CHAT.example", NULL, "POST", 201},
    {NULL, "__Host-chat_token=TOKEN", NULL, "same-origin", "POST", 201},
    {NULL, "__Host-chat_token=TOKEN", "null", "same-origin", "POST", 201},
    {NULL, "__Host-chat_token=TOKEN", NULL, NULL, "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", NULL, "same-site", "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", NULL, "cross-site", "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", "null", NULL, "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", "https://evil.example", NULL, "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", "https://evil.example", "same-origin", "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", "https://chat.example.evil.example", NULL, "POST", 403},
    {NULL, "__Host-chat_token=TOKEN", "http://chat.example", NULL, "POST", 403},
    {NULL, "x__Host-chat_token=TOKEN", NULL, "same-origin", "POST", 401},
    {NULL, "chat_token=TOKEN", NULL, "same-origin", "POST", 401},
    {NULL, "__Host-chat_token=", NULL, "same-origin", "POST", 401},
    {NULL, "__Host-chat_token=TOKEN", "https://evil.example", "cross-site", "GET", 200}, /* safe methods only read */
    {NULL, "__Host-chat_token=TOKEN", NULL, NULL, "HEAD", 200},
};

static const char *with_token(const char *text)
{
    const char *at = text ? strstr(text, "TOKEN") : NULL;

    if (!at) return text;
    return arena_printf(&service.arena, "%.*s%s%s", (int)(at - text), text,
                        fake_chat_token(&service.chat, "alice", "user"), at + 5);
}

START_TEST(a_header_or_a_cookie_from_our_own_page_lets_in)
{
    new_request(doors[_i].method, SESSIONS);
    if (doors[_i].authorization)
        fake_request_param(&request, "HTTP_AUTHORIZATION", with_token(doors[_i].authorization));
    if (doors[_i].cookie) fake_request_param(&request, "HTTP_COOKIE", with_token(doors[_i].cookie));
    if (doors[_i].origin) fake_request_param(&request, "HTTP_ORIGIN", doors[_i].origin);
    if (doors[_i].site) fake_request_param(&request, "HTTP_SEC_FETCH_SITE", doors[_i].site);
    fake_request_param(&request, "HTTP_HOST", "chat.example");
    if (strcmp(doors[_i].method, "HEAD") == 0) {
        fake_service_serve(&service, &request);
        ck_assert_uint_eq(request.out.len, 0);
    } else {
        serve();
    }
    ck_assert_int_eq(request.status, doors[_i].status);
}
END_TEST

START_TEST(the_gate_for_pages_answers_204_401_or_403)
{
    new_request("GET", "/_auth");
    fake_request_param(&request, "X_INTERNAL", "auth");
    ck_assert_str_eq(serve(), "unauthenticated");
    new_request("GET", "/_auth");
    fake_request_param(&request, "X_INTERNAL", "auth");
    fake_request_param(&request, "HTTP_COOKIE", with_token("__Host-chat_token=TOKEN"));
    serve();
    ck_assert_int_eq(request.status, 204);
    ck_assert_uint_eq(request.out.len, 0);
    /* a client's own header has another name */
    new_request("GET", "/_auth");
    fake_request_param(&request, "HTTP_X_INTERNAL", "auth");
    fake_service_sign_in(&service, &request);
    ck_assert_str_eq(serve(), "not_found");
}
END_TEST

START_TEST(where_chat_is_off_only_features_answers)
{
    service.chat.policy.feature_enabled = false;
    ck_assert_str_eq(call("GET", SESSIONS), "feature_disabled");
    ck_assert_int_eq(request.status, 403);
    ck_assert_str_eq(call("GET", "/api/v1/chat/quota"), "feature_disabled");
    ck_assert_str_eq(call("GET", "/api/v1/models"), "feature_disabled");
    ck_assert_str_eq(call_with("POST", MESSAGES, "{}"), "feature_disabled"); /* before the body is looked at */
    ck_assert(request.body_read);
    call("GET", "/api/v1/chat/features");
    ck_assert_int_eq(request.status, 200);
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "\"enabled\":false"));
    call("POST", "/api/v1/auth/session");
    ck_assert_int_eq(request.status, 204);
}
END_TEST

START_TEST(features_tell_who_is_asking_and_what_there_is)
{
    const struct json *json;

    call("GET", "/api/v1/chat/features");
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "user.id"), "alice");
    ck_assert_str_eq(fake_service_text(json, "user.role"), "user");
    ck_assert_str_eq(fake_service_text(json, "default_model"), "llama");
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "\"models\":[\"llama\",\"qwen\"]"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "\"max_message_length\":8000"));
}
END_TEST

START_TEST(signing_in_makes_the_token_a_cookie_for_as_long_as_it_lasts)
{
    const char *token = fake_chat_token(&service.chat, "alice", "user");
    const char *cookie = arena_printf(
        &service.arena, "__Host-chat_token=%s; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Strict", token);

    call("POST", "/api/v1/auth/session");
    ck_assert_int_eq(request.status, 204);
    ck_assert_str_eq(header("Set-Cookie"), cookie);
    ck_assert_str_eq(header("Content-Length"), "(none)");

    new_request("POST", "/api/v1/auth/session"); /* a cookie alone is not enough */
    fake_request_param(&request, "HTTP_COOKIE", with_token("__Host-chat_token=TOKEN"));
    fake_request_param(&request, "HTTP_SEC_FETCH_SITE", "same-origin");
    ck_assert_str_eq(serve(), "unauthenticated");

    new_request("DELETE", "/api/v1/auth/session");
    fake_request_param(&request, "HTTP_COOKIE", with_token("__Host-chat_token=TOKEN"));
    fake_request_param(&request, "HTTP_SEC_FETCH_SITE", "same-origin");
    serve();
    ck_assert_int_eq(request.status, 204);
    ck_assert_str_eq(header("Set-Cookie"), "__Host-chat_token=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
}
END_TEST

/* ---- where ---- */

static const struct {
    const char *method, *path, *code, *allow;
} addresses[] = {
    {"GET", "/api/v1/chat/nothing", "not_found", NULL},
    {"GET", SESSIONS "/", "not_found", NULL}, /* a trailing slash */
    {"GET", "/api/v1//chat/sessions", "not_found", NULL},
    {"GET", SESSIONS "/" NO_SUCH_ID "/", "not_found", NULL},
    {"GET", "", "not_found", NULL},
    {"GET", SESSIONS "/" NO_SUCH_ID, "session_not_found", NULL},
    {"GET", SESSIONS "/17", "session_not_found", NULL}, /* no UUID: as if it didn't exist */
    {"GET", SESSIONS "/" NO_SUCH_ID "0", "session_not_found", NULL},
    {"DELETE", SESSIONS "/" NO_SUCH_ID, "session_not_found", NULL},
    {"GET", MESSAGES "/17", "message_not_found", NULL},
    {"GET", MESSAGES "/" NO_SUCH_ID, "message_not_found", NULL},
    {"GET", MESSAGES "/" NO_SUCH_ID "/stream", "message_not_found", NULL},
    {"POST", MESSAGES "/" NO_SUCH_ID "/stop", "message_not_found", NULL},
    {"PUT", SESSIONS, "method_not_allowed", "POST, GET, HEAD"},
    {"OPTIONS", SESSIONS, "method_not_allowed", "POST, GET, HEAD"},
    {"GET", SESSIONS "/" NO_SUCH_ID "/messages", "method_not_allowed", "POST"},
    {"POST", "/api/v1/chat/quota", "method_not_allowed", "GET, HEAD"},
    {"POST", "/healthz", "method_not_allowed", "GET, HEAD"},
};

START_TEST(every_address_has_its_404_or_405)
{
    const char *code = call(addresses[_i].method, addresses[_i].path);

    ck_assert_msg(strcmp(code, addresses[_i].code) == 0, "%s %s: %s", addresses[_i].method, addresses[_i].path, code);
    ck_assert_str_eq(header("Allow"), addresses[_i].allow ? addresses[_i].allow : "(none)");
    ck_assert(request.body_read); /* an unread body would reset the connection */
}
END_TEST

START_TEST(upper_case_ids_are_the_same_ids)
{
    const char *session_id = fake_chat_session(&service.chat);
    char path[128];

    snprintf(path, sizeof path, SESSIONS "/%s", session_id);
    for (char *at = path + sizeof SESSIONS; *at; at++)
        if (*at >= 'a' && *at <= 'f') *at = (char)(*at - 'a' + 'A');
    call("GET", path);
    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "id"), session_id);
}
END_TEST

START_TEST(somebody_else_s_session_is_byte_for_byte_one_that_does_not_exist)
{
    const char *path = arena_printf(&service.arena, SESSIONS "/%s", fake_chat_session(&service.chat));
    const char *missing;

    call("GET", SESSIONS "/" NO_SUCH_ID);
    missing = arena_strdup(&service.arena, fake_request_body(&request));
    new_request("GET", path);
    fake_request_param(&request, "HTTP_AUTHORIZATION",
                       arena_printf(&service.arena, "Bearer %s", fake_chat_token(&service.chat, "bob", "user")));
    serve();
    ck_assert_int_eq(request.status, 404);
    ck_assert_str_eq(fake_request_body(&request), missing);
}
END_TEST

START_TEST(head_is_get_without_the_body)
{
    const char *length;

    call("GET", "/api/v1/chat/quota");
    length = arena_strdup(&service.arena, header("Content-Length"));
    ck_assert_int_eq(atoi(length), (int)request.out.len);
    call("HEAD", "/api/v1/chat/quota");
    ck_assert_int_eq(request.status, 200);
    ck_assert_str_eq(header("Content-Length"), length);
    ck_assert_uint_eq(request.out.len, 0);
    call("HEAD", "/healthz");
    ck_assert_int_eq(request.status, 200);
}
END_TEST

START_TEST(no_answer_is_kept_by_caches)
{
    call("GET", SESSIONS);
    ck_assert_str_eq(header("Cache-Control"), "no-store");
    call("GET", "/api/v1/chat/nothing");
    ck_assert_str_eq(header("Cache-Control"), "no-store");
}
END_TEST

/* ---- what the body may be ---- */

#define COMPLETIONS "/api/v1/chat/completions"
#define SOME_MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"

static const struct {
    const char *path, *type, *body;
    int status;
    const char *code, *param;
} bodies[] = {
    {SESSIONS, "application/json", "{}", 201, "", NULL},
    {SESSIONS, "Application/JSON; charset=utf-8", "{}", 201, "", NULL},
    {SESSIONS, NULL, "", 201, "", NULL}, /* nothing at all is an empty object, where all is optional */
    {SESSIONS, "application/json", "", 201, "", NULL},
    {SESSIONS, NULL, "{}", 415, "unsupported_media_type", NULL},
    {SESSIONS, "text/plain", "{}", 415, "unsupported_media_type", NULL},
    {SESSIONS, "application/jsonx", "{}", 415, "unsupported_media_type", NULL},
    {SESSIONS, "application/x-www-form-urlencoded", "title=x", 415, "unsupported_media_type", NULL},
    {SESSIONS, "application/json", "{", 400, "invalid_json", NULL},
    {SESSIONS, "application/json", "{} x", 400, "invalid_json", NULL},
    {SESSIONS, "application/json", "{\"title\":\"a\",\"title\":\"b\"}", 400, "invalid_json", NULL},
    {SESSIONS, "application/json", "\xef\xbb\xbf{}", 400, "invalid_json", NULL},
    {SESSIONS, "application/json", "{\"title\":\"\xff\"}", 400, "invalid_json", NULL},
    {SESSIONS, "application/json", "{\"title\":\"a\\u0000b\"}", 400, "invalid_json", NULL},
    {SESSIONS, "application/json", "[]", 422, "validation_failed", "body"},
    {SESSIONS, "application/json", "null", 422, "validation_failed", "body"},
    {SESSIONS, "application/json", "\"x\"", 422, "validation_failed", "body"},
    {SESSIONS, "application/json", "{\"name\":\"x\"}", 422, "validation_failed", "name"},
    {SESSIONS, "application/json", "{\"Title\":\"x\"}", 422, "validation_failed", "Title"},
    {SESSIONS, "application/json", "{\"title\":7}", 422, "validation_failed", "title"},
    {SESSIONS, "application/json", "{\"title\":\" \"}", 422, "validation_failed", "title"},
    {SESSIONS, "application/json", "{\"title\":null}", 201, "", NULL},
    {SESSIONS, "application/json", "{\"model\":\"gpt\"}", 404, "model_not_found", "model"},
    {MESSAGES, "application/json", "", 400, "invalid_json", NULL},
    {MESSAGES, NULL, "", 415, "unsupported_media_type", NULL},
    {MESSAGES, "application/json", "{}", 422, "validation_failed", "content"},
    {MESSAGES, "application/json", "{\"content\":null}", 422, "validation_failed", "content"},
    {MESSAGES, "application/json", "{\"content\":\" \\n\"}", 422, "validation_failed", "content"},
    {MESSAGES, "application/json", "{\"content\":[]}", 422, "validation_failed", "content"},
    {MESSAGES, "application/json", "{\"content\":\"x\",\"stream\":\"yes\"}", 422, "validation_failed", "stream"},
    {MESSAGES, "application/json", "{\"content\":\"x\",\"stream\":null}", 422, "validation_failed", "stream"},
    {MESSAGES, "application/json", "{\"content\":\"x\",\"replaces\":\"" NO_SUCH_ID "\"}", 422, "validation_failed",
     "replaces"}, /* not in the one-call form */
    {SESSIONS "/" NO_SUCH_ID "/messages", "application/json", "{\"content\":\"x\",\"replaces\":\"17\"}", 422,
     "validation_failed", "replaces"},
    {COMPLETIONS, "application/json", "[]", 422, "validation_failed", "body"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"model\":5}", 422, "validation_failed", "model"},
    /* what goes on to the provider is within our bounds, whatever its type or its name's spelling (A4) */
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":\"100000\"}", 422, "validation_failed",
     "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":-1}", 422, "validation_failed", "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":0}", 422, "validation_failed", "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":true}", 422, "validation_failed",
     "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":[9]}", 422, "validation_failed", "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":{}}", 422, "validation_failed", "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":1.5}", 422, "validation_failed", "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_tokens\":\"\"}", 422, "validation_failed",
     "max_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":\"100000\"}", 422,
     "validation_failed", "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":-1}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":0}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":true}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":[9]}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":{}}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":1.5}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_completion_tokens\":\"\"}", 422, "validation_failed",
     "max_completion_tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":\"2\"}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":0}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":-1}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":5}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":128}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":1e30}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":true}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":[1]}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"n\":1.5}", 422, "validation_failed", "n"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream\":\"true\"}", 422, "validation_failed", "stream"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream\":1}", 422, "validation_failed", "stream"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream\":[]}", 422, "validation_failed", "stream"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":true}", 422, "validation_failed",
     "stream_options"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":\"x\"}", 422, "validation_failed",
     "stream_options"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":[]}", 422, "validation_failed",
     "stream_options"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":1}", 422, "validation_failed",
     "stream_options"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":{\"include_usage\":1}}", 422,
     "validation_failed", "stream_options.include_usage"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":{\"include_usage\":\"true\"}}", 422,
     "validation_failed", "stream_options.include_usage"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":{\"include_usage\":{}}}", 422,
     "validation_failed", "stream_options.include_usage"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":{\"Include_Usage\":false}}", 422,
     "validation_failed", "Include_Usage"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"stream_options\":{\"include_us\\u0061ge\":false}}", 422,
     "validation_failed", "body"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"Max_Tokens\":1}", 422, "validation_failed", "Max_Tokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"MAX_COMPLETION_TOKENS\":1}", 422, "validation_failed",
     "MAX_COMPLETION_TOKENS"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"maxTokens\":1}", 422, "validation_failed", "maxTokens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"MODEL\":1}", 422, "validation_failed", "MODEL"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"N\":1}", 422, "validation_failed", "N"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"STREAM\":1}", 422, "validation_failed", "STREAM"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"Stream_Options\":1}", 422, "validation_failed",
     "Stream_Options"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"Messages\":1}", 422, "validation_failed", "Messages"},
    {COMPLETIONS, "application/json",
     "{" SOME_MESSAGES ",\"max_to\xe2\x84\xaa"
     "ens\":9}",
     422, "validation_failed",
     "max_to\xe2\x84\xaa"
     "ens"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"\xc5\xbftream\":true}", 422, "validation_failed",
     "\xc5\xbftream"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"max_t\\u006fkens\":5}", 422, "validation_failed", "body"},
    {COMPLETIONS, "application/json", "{" SOME_MESSAGES ",\"mod\\u0065l\":\"llama\"}", 422, "validation_failed",
     "body"},
};

START_TEST(a_body_is_let_through_or_refused_with_its_reason)
{
    const struct json *json;
    const char *code;

    new_request("POST", bodies[_i].path);
    fake_service_sign_in(&service, &request);
    if (bodies[_i].type) fake_request_param(&request, "CONTENT_TYPE", bodies[_i].type);
    request.body = bodies[_i].body;
    request.body_len = strlen(bodies[_i].body);
    code = serve();
    ck_assert_str_eq(code, bodies[_i].code);
    ck_assert_int_eq(request.status, bodies[_i].status);
    if (!bodies[_i].param) return;
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "error.param"), bodies[_i].param);
    if (bodies[_i].status == 422)
        ck_assert_ptr_nonnull(
            json_string(json_get(fake_service_at(json, "error.details.fields"), bodies[_i].param), NULL));
}
END_TEST

START_TEST(a_validation_that_failed_names_fields_whoever_found_it)
{
    const struct problem problem = {.error = CHAT_ERR_VALIDATION_FAILED};
    struct json_writer json;
    struct buf out;

    buf_init(&out, 4096);
    json_writer_init(&json, &out);
    error_write(&json, &problem, "r-1");
    ck_assert_ptr_nonnull(memmem(out.data, out.len, "\"details\":{\"fields\":{}}", 23));
    buf_fini(&out);
}
END_TEST

START_TEST(all_wrong_fields_are_named_at_once)
{
    const struct json *json;

    call_with("POST", MESSAGES, "{\"content\":1,\"stream\":2,\"model\":3,\"x\":4}");
    ck_assert_int_eq(request.status, 422);
    json = fake_service_json(&service, &request);
    ck_assert_ptr_nonnull(fake_service_at(json, "error.details.fields.content"));
    ck_assert_ptr_nonnull(fake_service_at(json, "error.details.fields.stream"));
    ck_assert_ptr_nonnull(fake_service_at(json, "error.details.fields.model"));
    ck_assert_ptr_nonnull(fake_service_at(json, "error.details.fields.x"));
    ck_assert_int_eq(service.chat.admission.admitted, 0);
}
END_TEST

static const struct {
    const char *method, *path;
    size_t limit;
} limits[] = {
    {"POST", SESSIONS, 64 << 10},
    {"POST", MESSAGES, 128 << 10},
    {"POST", SESSIONS "/" NO_SUCH_ID "/messages", 128 << 10},
    {"GET", SESSIONS, 64 << 10},
    {"POST", "/api/v1/auth/session", 64 << 10},
    {"POST", COMPLETIONS, 4 << 20}, /* the test's policy */
};

START_TEST(a_body_over_its_limit_is_413)
{
    char *body = arena_alloc(&service.arena, limits[_i].limit + 2);
    int64_t said;

    memset(body, ' ', limits[_i].limit + 1);
    new_request(limits[_i].method, limits[_i].path);
    fake_service_sign_in(&service, &request);
    fake_request_param(&request, "CONTENT_TYPE", "application/json");
    request.body = body;
    request.body_len = limits[_i].limit + 1;
    ck_assert_str_eq(serve(), "payload_too_large");
    ck_assert_int_eq(request.status, 413);
    ck_assert(json_integer(fake_service_at(fake_service_json(&service, &request), "error.details.max_bytes"), &said));
    ck_assert_int_eq(said, (int64_t)limits[_i].limit);
    new_request(limits[_i].method, limits[_i].path);
    fake_service_sign_in(&service, &request);
    fake_request_param(&request, "CONTENT_TYPE", "application/json");
    request.body = body;
    request.body_len = limits[_i].limit;
    serve();
    ck_assert_int_ne(request.status, 413);
}
END_TEST

/* A completion with a picture of so many bytes. */
static const char *picture(size_t bytes, size_t *len)
{
    static const char head[] = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
                               "{\"url\":\"data:image/jpeg;base64,";
    static const char tail[] = "\"}}]}]}";
    char *body = arena_alloc(&service.arena, sizeof head + bytes + sizeof tail);

    memcpy(body, head, sizeof head - 1);
    memset(body + sizeof head - 1, 'A', bytes);
    memcpy(body + sizeof head - 1 + bytes, tail, sizeof tail);
    *len = sizeof head - 1 + bytes + sizeof tail - 1;
    return body;
}

static const char *send_picture(size_t bytes)
{
    new_request("POST", COMPLETIONS);
    fake_service_sign_in(&service, &request);
    fake_request_param(&request, "CONTENT_TYPE", "application/json");
    request.body = picture(bytes, &request.body_len);
    fake_request_param(&request, "CONTENT_LENGTH", arena_printf(&service.arena, "%zu", request.body_len));
    fake_service_serve(&service, &request);
    return request.finished && request.status >= 400
               ? fake_service_text(fake_service_json(&service, &request), "error.code")
               : "";
}

/* (A7) photo-by-sdk */
START_TEST(a_completion_may_hold_a_picture)
{
    ck_assert_str_eq(send_picture(3 << 20), "");
    ck_assert_int_eq(service.chat.admission.admitted, 1);
    ck_assert_int_eq(service.chat.admission.looks, 1);
    ck_assert_str_eq(send_picture(100 << 10), "");
    ck_assert_int_eq(service.chat.admission.looks, 1); /* a small one is read as any other */
    ck_assert_str_eq(send_picture(4 << 20), "payload_too_large");
}
END_TEST

/* (A7) */
START_TEST(of_whoever_is_over_a_limit_no_large_body_is_kept)
{
    size_t before;

    service.chat.policy.rate_limit_per_minute = 0;
    send_picture(3 << 20);
    before = service.arena.used_bytes;
    ck_assert_str_eq(send_picture(3 << 20), "rate_limited");
    ck_assert_uint_lt(service.arena.used_bytes - before, (size_t)(3 << 20) + (64 << 10)); /* the test's own copy */
    ck_assert(request.body_read);
    ck_assert_int_eq(request.status, 429);
    ck_assert_str_eq(header("X-RateLimit-Remaining"), "0");
    ck_assert_int_gt(atoi(header("Retry-After")), 0);
    ck_assert_int_eq(service.chat.admission.admitted, 0);
    service.chat.policy.rate_limit_per_minute = 10;
    service.chat.policy.max_concurrent_streams = 0;
    ck_assert_str_eq(send_picture(3 << 20), "too_many_streams");
}
END_TEST

START_TEST(the_responses_api_is_told_where_completions_are)
{
    const char *message;

    ck_assert_str_eq(call_with("POST", "/api/v1/responses", "{\"input\":\"Hi\"}"), "not_found");
    message = fake_service_text(fake_service_json(&service, &request), "error.message");
    ck_assert_ptr_nonnull(strstr(message, "/chat/completions"));
    ck_assert_ptr_nonnull(strstr(message, ".chat(model)"));
    ck_assert_str_eq(call("GET", "/api/v1/responses/resp_1"), "not_found");
    ck_assert_ptr_nonnull(strstr(fake_service_text(fake_service_json(&service, &request), "error.message"), ".chat("));
    call("GET", "/api/v1/responsesx");
    ck_assert_ptr_null(strstr(fake_service_text(fake_service_json(&service, &request), "error.message"), ".chat("));
}
END_TEST

START_TEST(a_body_that_broke_off_is_400)
{
    new_request("POST", SESSIONS);
    fake_service_sign_in(&service, &request);
    fake_request_json(&request, "{}");
    request.broken_body = true;
    ck_assert_str_eq(serve(), "invalid_request");
    ck_assert_int_eq(request.status, 400);
}
END_TEST

START_TEST(who_has_none_of_the_required_values_is_403)
{
    service.jwt.required_values = "staff";
    ck_assert_str_eq(call("GET", SESSIONS), "forbidden");
    ck_assert_int_eq(request.status, 403);
    ck_assert_str_eq(call("POST", "/api/v1/auth/session"), "forbidden");
    new_request("GET", "/_auth");
    fake_service_sign_in(&service, &request);
    fake_request_param(&request, "X_INTERNAL", "auth");
    serve();
    ck_assert_int_eq(request.status, 403);
    service.jwt.required_values = "staff,user";
    service.jwt.role_claim = "sub";
    service.jwt.required_values = "alice";
    ck_assert_str_eq(call("GET", SESSIONS), "");
}
END_TEST

/* ---- what an error looks like ---- */

START_TEST(an_error_is_one_object_with_all_its_fields)
{
    static const char *const fields[] = {"code",      "message",     "type",       "param",
                                         "retryable", "retry_after", "request_id", "details"};
    const struct json *json;

    call("GET", SESSIONS "/" NO_SUCH_ID);
    json = fake_service_json(&service, &request);
    for (size_t i = 0; i < UNIT_COUNT(fields); i++) ck_assert_ptr_nonnull(json_get(json_get(json, "error"), fields[i]));
    ck_assert_str_eq(fake_service_text(json, "error.type"), "invalid_request_error");
    ck_assert_str_eq(fake_service_text(json, "error.request_id"), "req-1");
    ck_assert_int_eq(json_type(fake_service_at(json, "error.param")), JSON_NULL);
    ck_assert_int_eq(json_type(fake_service_at(json, "error.details")), JSON_NULL);
    ck_assert_int_eq(json_type(fake_service_at(json, "error.retry_after")), JSON_NULL);
    ck_assert_str_eq(header("Content-Type"), "application/json; charset=utf-8");
    ck_assert_int_eq(atoi(header("Content-Length")), (int)request.out.len);
}
END_TEST

START_TEST(every_error_has_its_status_of_the_contract)
{
    static const struct {
        enum chat_error error;
        int status;
        bool retryable;
    } table[] = {
        {CHAT_ERR_INVALID_JSON, 400, false},
        {CHAT_ERR_INVALID_REQUEST, 400, false},
        {CHAT_ERR_UNAUTHENTICATED, 401, false},
        {CHAT_ERR_FORBIDDEN, 403, false},
        {CHAT_ERR_FEATURE_DISABLED, 403, false},
        {CHAT_ERR_NOT_FOUND, 404, false},
        {CHAT_ERR_SESSION_NOT_FOUND, 404, false},
        {CHAT_ERR_MESSAGE_NOT_FOUND, 404, false},
        {CHAT_ERR_MODEL_NOT_FOUND, 404, false},
        {CHAT_ERR_METHOD_NOT_ALLOWED, 405, false},
        {CHAT_ERR_GENERATION_IN_PROGRESS, 409, true},
        {CHAT_ERR_PAYLOAD_TOO_LARGE, 413, false},
        {CHAT_ERR_UNSUPPORTED_MEDIA_TYPE, 415, false},
        {CHAT_ERR_VALIDATION_FAILED, 422, false},
        {CHAT_ERR_IDEMPOTENCY_MISMATCH, 422, false},
        {CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, 422, false},
        {CHAT_ERR_RATE_LIMITED, 429, true},
        {CHAT_ERR_QUOTA_EXCEEDED, 429, true},
        {CHAT_ERR_TOO_MANY_STREAMS, 429, true},
        {CHAT_ERR_UPSTREAM_RATE_LIMITED, 429, true},
        {CHAT_ERR_INTERNAL, 500, true},
        {CHAT_ERR_UPSTREAM_ERROR, 502, true},
        {CHAT_ERR_UPSTREAM_INVALID_RESPONSE, 502, true},
        {CHAT_ERR_API_UNAVAILABLE, 503, true},
        {CHAT_ERR_OVERLOADED, 503, true},
        {CHAT_ERR_DATABASE_UNAVAILABLE, 503, true},
        {CHAT_ERR_QUOTA_UNAVAILABLE, 503, true},
        {CHAT_ERR_SHUTTING_DOWN, 503, true},
        {CHAT_ERR_INTERRUPTED, 503, true},
        {CHAT_ERR_UPSTREAM_TIMEOUT, 504, true},
    };

    for (size_t i = 0; i < UNIT_COUNT(table); i++) {
        const struct error_view *view = error_view(table[i].error);

        ck_assert_msg(view->status == table[i].status, "%s: %d", error_code(table[i].error), view->status);
        ck_assert_msg(view->retryable == table[i].retryable, "%s", error_code(table[i].error));
        ck_assert_uint_gt(strlen(view->message), 10);
        ck_assert_uint_gt(strlen(view->type), 5);
    }
}
END_TEST

/* day-used-up-sdk: an SDK sleeps for all of Retry-After where it isn't told that this is senseless. */
static const struct {
    struct problem problem;
    bool retryable;
    bool told_not_to; /* x-should-retry: false */
} tries[] = {
    {{.error = CHAT_ERR_QUOTA_EXCEEDED, .retry_after_s = 61}, false, true},
    {{.error = CHAT_ERR_QUOTA_EXCEEDED, .retry_after_s = 60}, true, false},
    {{.error = CHAT_ERR_QUOTA_EXCEEDED, .retry_after_s = 5, .has_quota = true}, false, true}, /* a limit of 0 */
    {{.error = CHAT_ERR_QUOTA_EXCEEDED, .retry_after_s = 5, .has_quota = true, .quota.daily_limit = 3}, true, false},
    {{.error = CHAT_ERR_RATE_LIMITED, .retry_after_s = 60}, true, false},
    {{.error = CHAT_ERR_RATE_LIMITED, .retry_after_s = 5, .has_quota = true, .quota.daily_limit = 3}, false, true},
    {{.error = CHAT_ERR_RATE_LIMITED, .retry_after_s = 5, .has_quota = true, .quota.rate_limit = 3}, true, false},
    {{.error = CHAT_ERR_TOO_MANY_STREAMS, .retry_after_s = 5}, true, false},
    {{.error = CHAT_ERR_TOO_MANY_STREAMS, .retry_after_s = 3600}, false, true},
    {{.error = CHAT_ERR_UPSTREAM_RATE_LIMITED, .retry_after_s = 1}, true, false},
    {{.error = CHAT_ERR_UPSTREAM_RATE_LIMITED, .retry_after_s = 1, .tried_out = true}, true, true},
    {{.error = CHAT_ERR_UPSTREAM_ERROR, .tried_out = true}, true, true},
    {{.error = CHAT_ERR_UPSTREAM_ERROR, .account_refused = true}, false, true},
    {{.error = CHAT_ERR_GENERATION_IN_PROGRESS}, true, false},
    {{.error = CHAT_ERR_VALIDATION_FAILED}, false, true},
    {{.error = CHAT_ERR_MODEL_NOT_FOUND}, false, true},
    {{.error = CHAT_ERR_OVERLOADED, .retry_after_s = 2}, true, false},
};

START_TEST(what_trying_again_cant_change_says_so)
{
    struct problem problem = tries[_i].problem;
    struct http_response response = {0};
    bool told = false;

    ck_assert_int_eq(error_may_pass(&problem), tries[_i].retryable);
    error_add_headers(&response, &problem, &service.arena);
    for (size_t i = 0; i < response.header_count; i++)
        if (strcmp(response.headers[i].name, "x-should-retry") == 0) {
            ck_assert_str_eq(response.headers[i].value, "false");
            told = true;
        }
    ck_assert_int_eq(told, tries[_i].told_not_to);
}
END_TEST

START_TEST(a_used_up_day_is_told_to_sdks)
{
    bool retryable;

    service.chat.admission.refuse = CHAT_ERR_QUOTA_EXCEEDED;
    service.chat.admission.retry_after_s = 7651;
    ck_assert_str_eq(call_with("POST", "/api/v1/chat/completions", "{\"messages\":[{}]}"), "quota_exceeded");
    ck_assert_str_eq(header("Retry-After"), "7651");
    ck_assert_str_eq(header("x-should-retry"), "false");
    ck_assert(json_bool(fake_service_at(fake_service_json(&service, &request), "error.retryable"), &retryable));
    ck_assert(!retryable);
    ck_assert_str_eq(call("GET", SESSIONS "/" NO_SUCH_ID), "session_not_found");
    ck_assert_str_eq(header("x-should-retry"), "false");
    call("GET", SESSIONS);
    ck_assert_str_eq(header("x-should-retry"), "(none)");
}
END_TEST

START_TEST(a_store_that_is_away_is_503)
{
    fake_repo_fail(service.chat.repo, FAKE_SESSION_LIST, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_str_eq(call("GET", SESSIONS), "database_unavailable");
    ck_assert_int_eq(request.status, 503);
    fake_repo_fail(service.chat.repo, FAKE_SESSION_CREATE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_str_eq(call_with("POST", SESSIONS, "{}"), "database_unavailable");
    fake_repo_fail(service.chat.repo, FAKE_MESSAGE_GET, CHAT_ERR_DATABASE_UNAVAILABLE, 2);
    ck_assert_str_eq(call("GET", MESSAGES "/" NO_SUCH_ID), "database_unavailable");
    ck_assert_str_eq(call("POST", MESSAGES "/" NO_SUCH_ID "/stop"), "database_unavailable");
    service.chat.admission.peek_error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_str_eq(call("GET", "/api/v1/chat/quota"), "quota_unavailable");
}
END_TEST

/* ---- limits on the wire ---- */

static void assert_quota_headers(const char *rate_remaining, const char *daily_remaining)
{
    ck_assert_str_eq(header("X-RateLimit-Limit"), "10");
    ck_assert_str_eq(header("X-RateLimit-Remaining"), rate_remaining);
    ck_assert_str_eq(header("X-RateLimit-Reset"), "1769860860");
    ck_assert_str_eq(header("X-Daily-Quota-Limit"), "100");
    ck_assert_str_eq(header("X-Daily-Quota-Remaining"), daily_remaining);
    ck_assert_str_eq(header("X-Daily-Quota-Reset"), "1769904000");
}

START_TEST(a_429_says_when_to_come_back_and_where_the_user_stands)
{
    const struct json *json;
    int64_t number;

    service.chat.admission.refuse = CHAT_ERR_RATE_LIMITED;
    service.chat.admission.retry_after_s = 30;
    service.chat.admission.quota.rate_remaining = 0;
    ck_assert_str_eq(call_with("POST", MESSAGES, "{\"content\":\"Hi\"}"), "rate_limited");
    ck_assert_int_eq(request.status, 429);
    ck_assert_str_eq(header("Retry-After"), "30");
    assert_quota_headers("0", "100");
    json = fake_service_json(&service, &request);
    ck_assert(json_integer(fake_service_at(json, "error.retry_after"), &number));
    ck_assert_int_eq(number, 30);
    ck_assert(json_integer(fake_service_at(json, "error.details.quota.rate_limit.remaining"), &number));
    ck_assert_int_eq(number, 0);
    ck_assert_str_eq(fake_service_text(json, "error.details.quota.rate_limit.reset_at"), "2026-01-31T12:01:00.000Z");
    ck_assert_str_eq(fake_service_text(json, "error.details.quota.daily.reset_at"), "2026-02-01T00:00:00.000Z");
}
END_TEST

static bool is_null(const char *path)
{
    const struct json *value = fake_service_at(fake_service_json(&service, &request), path);

    return value && json_type(value) == JSON_NULL;
}

START_TEST(no_limit_is_null_and_unlimited)
{
    struct chat_policy *policy = &service.chat.policy;

    policy->daily_message_quota = policy->rate_limit_per_minute = policy->max_concurrent_streams = QUOTA_UNLIMITED;
    call("GET", "/api/v1/chat/quota");
    ck_assert(is_null("rate_limit.limit") && is_null("rate_limit.remaining"));
    ck_assert(is_null("daily.limit") && is_null("daily.remaining") && !is_null("daily.used"));
    call("GET", "/api/v1/chat/features");
    ck_assert(is_null("limits.max_concurrent_streams"));
    call_with("POST", SESSIONS "/" NO_SUCH_ID "/messages", "{\"content\":\"Hi\"}");
    ck_assert_str_eq(header("X-RateLimit-Limit"), "unlimited");
    ck_assert_str_eq(header("X-RateLimit-Remaining"), "unlimited");
    ck_assert_str_eq(header("X-Daily-Quota-Limit"), "unlimited");
    ck_assert_str_eq(header("X-Daily-Quota-Remaining"), "unlimited");
}
END_TEST

/* (A5) */
START_TEST(making_sessions_has_a_limit_of_its_own)
{
    service.chat.policy.create_rate_per_minute = 2;
    for (int i = 0; i < 2; i++) ck_assert_str_eq(call_with("POST", SESSIONS, "{}"), "");
    ck_assert_str_eq(header("X-RateLimit-Limit"), "(none)");
    ck_assert_str_eq(call_with("POST", SESSIONS, "{\"title\":\"\"}"), "validation_failed");
    ck_assert_str_eq(call_with("POST", SESSIONS, "{}"), "rate_limited");
    ck_assert_int_eq(request.status, 429);
    ck_assert_str_eq(header("Retry-After"), "30");
    ck_assert_str_eq(header("X-RateLimit-Limit"), "2");
    ck_assert(!is_null("error.details.quota.daily.remaining"));
    ck_assert_int_eq(service.chat.admission.admitted, 0);
}
END_TEST

START_TEST(a_404_found_after_admission_has_the_headers_too)
{
    ck_assert_str_eq(call_with("POST", SESSIONS "/" NO_SUCH_ID "/messages", "{\"content\":\"Hi\"}"),
                     "session_not_found");
    assert_quota_headers("9", "100"); /* the daily unit came back, the minute's stays spent */
    ck_assert_str_eq(header("Retry-After"), "(none)");
    ck_assert_int_eq(json_type(fake_service_at(fake_service_json(&service, &request), "error.details")), JSON_NULL);
}
END_TEST

START_TEST(a_409_names_the_answer_that_is_being_written)
{
    const char *session_id = fake_chat_session(&service.chat);
    const char *active = fake_chat_exchange(&service.chat, session_id, "one", NULL, MESSAGE_STREAMING);

    ck_assert_str_eq(
        call_with("POST", arena_printf(&service.arena, SESSIONS "/%s/messages", session_id), "{\"content\":\"two\"}"),
        "generation_in_progress");
    ck_assert_int_eq(request.status, 409);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.details.active_message_id"),
                     active);
    assert_quota_headers("9", "100");
}
END_TEST

START_TEST(an_uncounted_request_has_no_quota_headers)
{
    call("GET", SESSIONS);
    ck_assert_str_eq(header("X-RateLimit-Limit"), "(none)");
    service.chat.admission.refuse = CHAT_ERR_QUOTA_UNAVAILABLE;
    ck_assert_str_eq(call_with("POST", MESSAGES, "{\"content\":\"Hi\"}"), "quota_unavailable");
    ck_assert_str_eq(header("X-RateLimit-Limit"), "(none)");
}
END_TEST

START_TEST(overload_says_when_to_come_back)
{
    service.chat.answers.refuse = CHAT_ERR_OVERLOADED;
    ck_assert_str_eq(call_with("POST", MESSAGES, "{\"content\":\"Hi\"}"), "overloaded");
    ck_assert_int_eq(request.status, 503);
    ck_assert_int_gt(atoi(header("Retry-After")), 0);
}
END_TEST

START_TEST(the_quota_route_counts_nothing)
{
    const struct json *json;
    int64_t number;

    call("GET", "/api/v1/chat/quota");
    json = fake_service_json(&service, &request);
    ck_assert(json_integer(fake_service_at(json, "daily.used"), &number));
    ck_assert_int_eq(number, 0);
    ck_assert(json_integer(fake_service_at(json, "rate_limit.window_seconds"), &number));
    ck_assert_int_eq(number, 60);
    ck_assert_int_eq(service.chat.admission.admitted, 0);
}
END_TEST

/* ---- sessions ---- */

START_TEST(a_new_session_has_its_address)
{
    const struct json *json;

    call_with("POST", SESSIONS, "{\"title\":\"Birds\"}");
    ck_assert_int_eq(request.status, 201);
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "title"), "Birds");
    ck_assert_str_eq(fake_service_text(json, "created_at"), FAKE_NOW);
    ck_assert_int_eq(json_type(json_get(json, "last_message_at")), JSON_NULL);
    ck_assert_str_eq(header("Location"), arena_printf(&service.arena, SESSIONS "/%s", fake_service_text(json, "id")));
}
END_TEST

START_TEST(a_list_goes_on_behind_its_cursor)
{
    const char *ids[3];
    const struct json *json;

    for (int i = 2; i >= 0; i--) {
        ids[i] = fake_chat_session(&service.chat);
        manual_clock_advance(&service.chat.clock, 1);
    }
    new_request("GET", SESSIONS);
    fake_service_sign_in(&service, &request);
    request.request.query = "limit=2";
    serve();
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json_first(json_get(json, "items")), "id"), ids[0]);
    ck_assert_str_eq(fake_service_text(json_next(json_first(json_get(json, "items"))), "id"), ids[1]);
    ck_assert_str_ne(fake_service_text(json, "next_cursor"), "");
    new_request("GET", SESSIONS);
    fake_service_sign_in(&service, &request);
    request.request.query =
        arena_printf(&service.arena, "cursor=%s&limit=2&ignored=1", fake_service_text(json, "next_cursor"));
    serve();
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json_first(json_get(json, "items")), "id"), ids[2]);
    ck_assert_int_eq(json_type(json_get(json, "next_cursor")), JSON_NULL);
}
END_TEST

static const struct {
    const char *query;
    int status;
    const char *param;
} queries[] = {
    {"", 200, NULL},
    {"limit=100&sort=updated_at&q=a+b%20c", 200, NULL},
    {"limited=0", 200, NULL},
    {"limit=0", 422, "limit"},
    {"limit=101", 422, "limit"},
    {"limit=", 422, "limit"},
    {"limit", 422, "limit"},
    {"limit=5&limit=5", 422, "limit"},
    {"limit=-1", 422, "limit"},
    {"limit=1e1", 422, "limit"},
    {"limit=99999999999999999999", 422, "limit"},
    {"limit=%31%30", 200, NULL},
    {"sort=title", 422, "sort"},
    {"cursor=garbage", 400, "cursor"},
    {"cursor=", 400, "cursor"},
    {"q=%zz", 400, "q"},
    {"q=%ff", 400, "q"},
    {"q=%00", 400, "q"},
    {"q=%4", 400, "q"},
};

START_TEST(query_parameters_are_taken_or_refused)
{
    new_request("GET", SESSIONS);
    fake_service_sign_in(&service, &request);
    request.request.query = queries[_i].query;
    serve();
    ck_assert_msg(request.status == queries[_i].status, "%s: %d", queries[_i].query, request.status);
    if (queries[_i].param)
        ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.param"), queries[_i].param);
}
END_TEST

START_TEST(a_session_opens_with_its_newest_messages_and_a_way_back)
{
    const char *session_id = fake_chat_session(&service.chat), *path;
    const struct json *json;

    fake_chat_exchange(&service.chat, session_id, "one", "1", MESSAGE_COMPLETE);
    fake_chat_exchange(&service.chat, session_id, "two", NULL, MESSAGE_STREAMING);
    path = arena_printf(&service.arena, SESSIONS "/%s", session_id);
    new_request("GET", path);
    fake_service_sign_in(&service, &request);
    request.request.query = "limit=2";
    serve();
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json_first(json_get(json, "messages")), "content"), "two");
    ck_assert_str_eq(fake_service_text(json, "next_before"), "3");
    ck_assert_str_eq(fake_service_text(json, "active_message_id"),
                     fake_service_text(json_next(json_first(json_get(json, "messages"))), "id"));
    new_request("GET", path);
    fake_service_sign_in(&service, &request);
    request.request.query = "before=3";
    serve();
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json_first(json_get(json, "messages")), "content"), "one");
    ck_assert_int_eq(json_type(json_get(json, "next_before")), JSON_NULL);
}
END_TEST

START_TEST(a_broken_before_is_400)
{
    static const char *const bad[] = {"before=0", "before=x", "before=", "before=1&before=2", "before=-1"};
    const char *path = arena_printf(&service.arena, SESSIONS "/%s", fake_chat_session(&service.chat));

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        new_request("GET", path);
        fake_service_sign_in(&service, &request);
        request.request.query = bad[i];
        ck_assert_str_eq(serve(), "invalid_request");
    }
}
END_TEST

START_TEST(deleting_twice_is_404)
{
    const char *path = arena_printf(&service.arena, SESSIONS "/%s", fake_chat_session(&service.chat));

    call("DELETE", path);
    ck_assert_int_eq(request.status, 204);
    ck_assert_uint_eq(request.out.len, 0);
    ck_assert_str_eq(call("DELETE", path), "session_not_found");
    ck_assert_str_eq(call("GET", path), "session_not_found");
}
END_TEST

/* ---- health ---- */

START_TEST(ready_names_each_part)
{
    call("GET", "/healthz");
    ck_assert_int_eq(request.status, 200);
    call("GET", "/readyz");
    ck_assert_int_eq(request.status, 200);
    service.postgres = CHAT_ERR_DATABASE_UNAVAILABLE;
    new_request("GET", "/readyz");
    fake_service_serve(&service, &request);
    ck_assert_int_eq(request.status, 503);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "checks.postgres.status"), "unavailable");
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "checks.migrations.status"),
                     "unavailable");
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "checks.redis.status"), "ok");
    service.postgres = CHAT_OK;
    service.chat.admission.ping_error = CHAT_ERR_REDIS_UNAVAILABLE;
    new_request("GET", "/readyz");
    fake_service_serve(&service, &request);
    ck_assert_int_eq(request.status, 503);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "checks.redis.status"), "unavailable");
    service.chat.admission.ping_error = CHAT_OK;
    service.draining = true;
    new_request("GET", "/readyz");
    fake_service_serve(&service, &request);
    ck_assert_int_eq(request.status, 503);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "status"), "unavailable");
}
END_TEST

UNIT_SUITE(http_serve)
{
    Suite *suite = suite_create("http_serve");
    TCase *cases[7];

    cases[0] =
        UNIT_CASE(suite, "who", without_a_token_everything_but_health_is_401,
                  the_token_is_asked_for_before_the_address_is_looked_at, the_gate_for_pages_answers_204_401_or_403,
                  where_chat_is_off_only_features_answers, features_tell_who_is_asking_and_what_there_is,
                  signing_in_makes_the_token_a_cookie_for_as_long_as_it_lasts);
    tcase_add_loop_test(cases[0], a_header_or_a_cookie_from_our_own_page_lets_in, 0, (int)UNIT_COUNT(doors));
    cases[1] = UNIT_CASE(suite, "where", upper_case_ids_are_the_same_ids,
                         somebody_else_s_session_is_byte_for_byte_one_that_does_not_exist, head_is_get_without_the_body,
                         no_answer_is_kept_by_caches);
    tcase_add_loop_test(cases[1], every_address_has_its_404_or_405, 0, (int)UNIT_COUNT(addresses));
    cases[2] = UNIT_CASE(suite, "bodies", all_wrong_fields_are_named_at_once,
                         a_validation_that_failed_names_fields_whoever_found_it, a_completion_may_hold_a_picture,
                         of_whoever_is_over_a_limit_no_large_body_is_kept, who_has_none_of_the_required_values_is_403,
                         the_responses_api_is_told_where_completions_are, a_body_that_broke_off_is_400);
    tcase_add_loop_test(cases[2], a_body_is_let_through_or_refused_with_its_reason, 0, (int)UNIT_COUNT(bodies));
    tcase_add_loop_test(cases[2], a_body_over_its_limit_is_413, 0, (int)UNIT_COUNT(limits));
    cases[3] = UNIT_CASE(suite, "errors", an_error_is_one_object_with_all_its_fields,
                         every_error_has_its_status_of_the_contract, a_used_up_day_is_told_to_sdks,
                         a_store_that_is_away_is_503);
    tcase_add_loop_test(cases[3], what_trying_again_cant_change_says_so, 0, (int)UNIT_COUNT(tries));
    cases[4] = UNIT_CASE(suite, "limits", a_429_says_when_to_come_back_and_where_the_user_stands,
                         no_limit_is_null_and_unlimited, making_sessions_has_a_limit_of_its_own,
                         a_404_found_after_admission_has_the_headers_too, a_409_names_the_answer_that_is_being_written,
                         an_uncounted_request_has_no_quota_headers, overload_says_when_to_come_back,
                         the_quota_route_counts_nothing);
    cases[5] = UNIT_CASE(suite, "sessions", a_new_session_has_its_address, a_list_goes_on_behind_its_cursor,
                         a_session_opens_with_its_newest_messages_and_a_way_back, a_broken_before_is_400,
                         deleting_twice_is_404);
    tcase_add_loop_test(cases[5], query_parameters_are_taken_or_refused, 0, (int)UNIT_COUNT(queries));
    cases[6] = UNIT_CASE(suite, "health", ready_names_each_part);
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) tcase_add_checked_fixture(cases[i], set_up, tear_down);
    return suite;
}
