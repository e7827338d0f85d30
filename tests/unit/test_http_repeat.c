/* Idempotency-Key: the same request again gets what the first one made, and counts nothing. */
#include "http/repeat.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fakes/fake_service.h"
#include "unit.h"

#define SESSIONS "/api/v1/chat/sessions"
#define MESSAGES "/api/v1/chat/messages"

static struct fake_service service;
static struct fake_request request, first;

static void set_up(void)
{
    fake_service_init(&service);
    fake_request_init(&request, "GET", "/");
    fake_request_init(&first, "GET", "/");
}

static void tear_down(void)
{
    fake_service_fini(&service);
    fake_request_fini(&request);
    fake_request_fini(&first);
}

static const char *call_as(struct fake_request *to, const char *user_id, const char *path, const char *key,
                           const char *body)
{
    fake_request_fini(to);
    fake_request_init(to, "POST", path);
    fake_request_param(to, "HTTP_AUTHORIZATION",
                       arena_printf(&service.arena, "Bearer %s", fake_chat_token(&service.chat, user_id, "user")));
    if (key) fake_request_param(to, "HTTP_IDEMPOTENCY_KEY", key);
    fake_request_json(to, body);
    fake_service_serve(&service, to);
    return to->status >= 400 ? fake_service_text(fake_service_json(&service, to), "error.code") : "";
}

static const char *call(const char *path, const char *key, const char *body)
{
    return call_as(&request, "alice", path, key, body);
}

/* The answer under way ends, and its client gets it. */
static void end_answer(const char *content, enum message_status status)
{
    struct fake_answers *answers = &service.chat.answers;
    struct message_repo *messages = service.chat.ports.messages;
    struct answer_end end = {.message_id = answers->answer.id,
                             .epoch = 1,
                             .status = status,
                             .content = content,
                             .content_len = strlen(content),
                             .usage = {-1, -1, -1}};
    struct session session;
    bool written;

    ck_assert_int_eq(messages->ops->end_answer(messages, &end, &service.arena, &written, &session), CHAT_OK);
    answers->listener->ops->close(answers->listener);
    answers->listener = NULL;
}

START_TEST(a_session_made_twice_with_one_key_is_one_session)
{
    const char *id;

    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    ck_assert_int_eq(request.status, 201);
    id = fake_service_text(fake_service_json(&service, &request), "id");
    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    ck_assert_int_eq(request.status, 201);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "id"), id);
    ck_assert_int_eq(fake_repo_calls(service.chat.repo, FAKE_SESSION_CREATE), 1);
    call(SESSIONS, "another", "{\"title\":\"Birds\"}");
    ck_assert_str_ne(fake_service_text(fake_service_json(&service, &request), "id"), id);
}
END_TEST

START_TEST(a_key_is_its_user_s_own)
{
    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    call_as(&request, "bob", SESSIONS, "k", "{\"title\":\"Bees\"}");
    ck_assert_int_eq(request.status, 201);
    ck_assert_int_eq(fake_repo_calls(service.chat.repo, FAKE_SESSION_CREATE), 2);
}
END_TEST

START_TEST(another_request_with_the_same_key_is_422)
{
    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    ck_assert_str_eq(call(SESSIONS, "k", "{\"title\":\"Bees\"}"), "idempotency_mismatch");
    ck_assert_int_eq(request.status, 422);
    ck_assert_str_eq(call(MESSAGES, "k", "{\"content\":\"Birds\"}"), "idempotency_mismatch");
    ck_assert_int_eq(service.chat.admission.admitted, 0);
    call(SESSIONS, "k", "{\"title\":\"Birds\"}"); /* the first one's key is still its own */
    ck_assert_int_eq(request.status, 201);
}
END_TEST

START_TEST(a_question_sent_again_attaches_to_the_running_answer_and_counts_nothing)
{
    struct answer_listener *listener;

    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Hi\"}");
    listener = service.chat.answers.listener;
    call(MESSAGES, "k", "{\"content\":\"Hi\",\"stream\":true}");
    ck_assert_int_eq(service.chat.answers.started, 1);
    ck_assert_int_eq(service.chat.answers.attached, 1);
    ck_assert_int_eq(service.chat.admission.admitted, 1);
    ck_assert_ptr_ne(service.chat.answers.listener, listener);
    listener->ops->close(listener);
}
END_TEST

START_TEST(a_question_sent_again_after_the_end_gets_the_answer_in_either_form)
{
    const struct json *json;

    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Hi\"}");
    end_answer("Hello", MESSAGE_COMPLETE);
    call(MESSAGES, "k", "{\"content\":\"Hi\",\"stream\":false}"); /* `stream` makes no other request of it */
    ck_assert_int_eq(request.status, 201);
    json = fake_service_json(&service, &request);
    ck_assert_str_eq(fake_service_text(json, "message.content"), "Hello");
    ck_assert_str_eq(fake_service_text(json, "user_message.content"), "Hi");
    ck_assert_str_eq(fake_service_text(json, "session.title"), "Hi");
    ck_assert_str_eq(fake_request_header(&request, "X-RateLimit-Remaining"), "9");
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    ck_assert_int_eq(request.status, 200);
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "event: start\n"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "{\"content\":\"Hello\"}"));
    ck_assert_ptr_nonnull(strstr(fake_request_body(&request), "event: done\n"));
    ck_assert_int_eq(service.chat.answers.started, 1);
    ck_assert_int_eq(service.chat.admission.admitted, 1);
}
END_TEST

START_TEST(a_refused_request_frees_its_key)
{
    service.chat.admission.refuse = CHAT_ERR_RATE_LIMITED;
    ck_assert_str_eq(call(MESSAGES, "k", "{\"content\":\"Hi\"}"), "rate_limited");
    ck_assert_int_eq(service.chat.keys.count, 0);
    service.chat.admission.refuse = CHAT_OK;
    fake_repo_fail(service.chat.repo, FAKE_MESSAGE_BEGIN, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_str_eq(call(MESSAGES, "k", "{\"content\":\"Hi\"}"), "database_unavailable");
    ck_assert_int_eq(service.chat.keys.count, 0);
    fake_repo_fail(service.chat.repo, FAKE_SESSION_CREATE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    call(SESSIONS, "k", "{}");
    ck_assert_int_eq(service.chat.keys.count, 0);
    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Other\"}"); /* free for anything */
    ck_assert_int_eq(service.chat.answers.started, 1);
    ck_assert_int_eq(service.chat.keys.count, 1);
}
END_TEST

START_TEST(a_malformed_body_takes_no_key)
{
    call(MESSAGES, "k", "{\"content\":1}");
    call(MESSAGES, "k", "{");
    ck_assert_int_eq(service.chat.keys.takes, 0);
}
END_TEST

/* What the body says is looked at before the key: neither a used one nor one that is none hides it. */
static void assert_body_first(const char *path, const char *body, int status, const char *code, const char *param)
{
    char long_key[IDEMPOTENCY_KEY_MAX + 2];
    const char *const keys[] = {"used", long_key};
    int takes_before = service.chat.keys.takes;

    memset(long_key, 'k', sizeof long_key);
    long_key[IDEMPOTENCY_KEY_MAX + 1] = '\0';
    for (size_t i = 0; i < UNIT_COUNT(keys); i++) {
        ck_assert_str_eq(call(path, keys[i], body), code);
        ck_assert_int_eq(request.status, status);
        ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.param"), param);
    }
    ck_assert_int_eq(service.chat.keys.takes, takes_before);
}

START_TEST(the_body_is_looked_at_before_the_key)
{
    static const char regenerate[] = MESSAGES "/0198c0de-0000-7000-8000-0123456789ab/regenerate";

    call(SESSIONS, "used", "{\"title\":\"Birds\"}");
    ck_assert_int_eq(request.status, 201);
    assert_body_first(MESSAGES, "{\"content\":\"\"}", 422, "validation_failed", "content");
    assert_body_first(MESSAGES, "{\"content\":\"  \"}", 422, "validation_failed", "content");
    assert_body_first(MESSAGES, "{\"content\":\"Hi\",\"model\":\"gpt\"}", 404, "model_not_found", "model");
    assert_body_first(SESSIONS, "{\"title\":\"\"}", 422, "validation_failed", "title");
    assert_body_first(SESSIONS, "{\"model\":\"gpt\"}", 404, "model_not_found", "model");
    assert_body_first(regenerate, "{\"model\":\"gpt\"}", 404, "model_not_found", "model");
}
END_TEST

START_TEST(a_key_is_1_to_128_visible_characters)
{
    char key[IDEMPOTENCY_KEY_MAX + 2];
    static const char *const bad[] = {"", "a b", "\t", "\xc3\xa4", "a\x7f"};

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        ck_assert_str_eq(call(MESSAGES, bad[i], "{\"content\":\"Hi\"}"), "invalid_request");
        ck_assert_int_eq(request.status, 400);
    }
    memset(key, 'k', sizeof key);
    key[IDEMPOTENCY_KEY_MAX + 1] = '\0';
    ck_assert_str_eq(call(SESSIONS, key, "{}"), "invalid_request");
    key[IDEMPOTENCY_KEY_MAX] = '\0';
    call(SESSIONS, key, "{}");
    ck_assert_int_eq(request.status, 201);
    ck_assert_int_eq(service.chat.admission.admitted, 0);
}
END_TEST

START_TEST(where_keys_cannot_be_told_the_request_is_refused)
{
    service.chat.keys.error = CHAT_ERR_QUOTA_UNAVAILABLE;
    ck_assert_str_eq(call(MESSAGES, "k", "{\"content\":\"Hi\"}"), "quota_unavailable");
    ck_assert_int_eq(service.chat.admission.admitted, 0);
    call(SESSIONS, NULL, "{}"); /* without a key nobody asks */
    ck_assert_int_eq(request.status, 201);
}
END_TEST

/* Both arrive at once: the second waits for the row of the first. */
static int takes;

static void first_stores_its_session(void *context)
{
    struct fake_service *of = context;
    struct session session = {.title = "Birds", .model = "llama", .created_at_ms = 1};

    if (++takes != 3) return;
    memcpy(session.id, of->chat.keys.keys[0].id, UUID_TEXT_SIZE);
    ck_assert_int_eq(of->chat.ports.sessions->ops->create(of->chat.ports.sessions, "alice", &session), CHAT_OK);
}

static void take_for_another(const char *id)
{
    const char *const same[] = {"create_session", "Birds", NULL};
    char fingerprint[FINGERPRINT_SIZE], none[UUID_TEXT_SIZE];
    enum key_state state;

    idempotency_fingerprint(same, 3, fingerprint);
    ck_assert_int_eq(service.chat.ports.idempotency->ops->take(service.chat.ports.idempotency, "alice", "k",
                                                               fingerprint, id, &state, none),
                     CHAT_OK);
}

START_TEST(the_second_of_two_at_once_waits_for_the_first)
{
    static const char id[] = "0198c0de-0000-7000-8000-0123456789ab";

    take_for_another(id);
    takes = 0;
    service.chat.keys.on_take = first_stores_its_session;
    service.chat.keys.context = &service;
    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    ck_assert_int_eq(request.status, 201);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "id"), id);
    ck_assert_int_eq(takes, 3);
}
END_TEST

START_TEST(it_does_not_wait_for_ever)
{
    int64_t started_ms = service.chat.clock.now_mono_ms;

    take_for_another("0198c0de-0000-7000-8000-0123456789ab");
    ck_assert_str_eq(call(SESSIONS, "k", "{\"title\":\"Birds\"}"), "session_not_found");
    ck_assert_int_lt(service.chat.clock.now_mono_ms - started_ms, 5000);
    ck_assert_int_eq(service.chat.keys.count, 1); /* it is not ours to free */
}
END_TEST

UNIT_SUITE(http_repeat)
{
    Suite *suite = suite_create("http_repeat");
    TCase *tcase =
        UNIT_CASE(suite, "keys", a_session_made_twice_with_one_key_is_one_session, a_key_is_its_user_s_own,
                  another_request_with_the_same_key_is_422,
                  a_question_sent_again_attaches_to_the_running_answer_and_counts_nothing,
                  a_question_sent_again_after_the_end_gets_the_answer_in_either_form, a_refused_request_frees_its_key,
                  a_malformed_body_takes_no_key, the_body_is_looked_at_before_the_key,
                  a_key_is_1_to_128_visible_characters, where_keys_cannot_be_told_the_request_is_refused,
                  the_second_of_two_at_once_waits_for_the_first, it_does_not_wait_for_ever);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
