/* Idempotency-Key: the same request again gets what the first one made, and counts nothing. */
#include "http/repeat.h"

#include <stdio.h>
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
                             .usage = USAGE_UNKNOWN};
    struct session session;
    bool written;

    ck_assert_int_eq(message_repo_end(messages, &end, &service.arena, &written, &session), CHAT_OK);
    listener_close(answers->listener);
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
    listener_close(listener);
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
    service.chat.keys.error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_str_eq(call(MESSAGES, "k", "{\"content\":\"Hi\"}"), "quota_unavailable");
    ck_assert_int_eq(service.chat.admission.admitted, 0);
    call(SESSIONS, NULL, "{}"); /* without a key nobody asks */
    ck_assert_int_eq(request.status, 201);
}
END_TEST

/* ---- the first is still at it ---- */

static struct fake_answers *answers(void)
{
    return &service.chat.answers;
}

/* The key is another request's that began just now. */
static const char *take_for_another(const char *const *same, size_t count, bool brief)
{
    char fingerprint[FINGERPRINT_SIZE], none[UUID_TEXT_SIZE], id[UUID_TEXT_SIZE];
    struct idempotency *keys = service.chat.ports.idempotency;
    const struct key_claim claim = {
        .user_id = "alice", .key = "k", .fingerprint = fingerprint, .our_id = id, .brief = brief};
    enum key_state state;

    uuid_v7(clock_wall_ms(service.chat.ports.clock), id);
    idempotency_fingerprint(same, count, fingerprint);
    ck_assert_int_eq(idempotency_take(keys, &claim, &state, none), CHAT_OK);
    return service.chat.keys.keys[0].id;
}

static const char *session_is_being_made(void)
{
    static const char *const same[] = {"create_session", "Birds", NULL};

    return take_for_another(same, 3, true);
}

static const char *answer_is_being_made(void)
{
    static const char *const same[] = {"send", NULL, "Hi", NULL, NULL};

    return take_for_another(same, 5, false);
}

static void store_session(const char *id)
{
    struct session session = {.title = "Birds", .model = "llama", .created_at_ms = 1};
    struct session_repo *sessions = service.chat.ports.sessions;

    memcpy(session.id, id, UUID_TEXT_SIZE);
    ck_assert_int_eq(session_repo_create(sessions, "alice", &session), CHAT_OK);
}

static void store_answer(const char *id, enum message_status status)
{
    struct message message = {.role = ROLE_ASSISTANT,
                              .status = status,
                              .content = "Hello",
                              .content_len = 5,
                              .seq = 2,
                              .model = "llama",
                              .epoch = 1,
                              .usage = USAGE_UNKNOWN};

    if (status == MESSAGE_STREAMING) message.content_len = 0;
    memcpy(message.id, id, UUID_TEXT_SIZE);
    snprintf(message.session_id, UUID_TEXT_SIZE, "%s", fake_chat_session(&service.chat));
    fake_repo_put(service.chat.repo, &message);
}

/* Time passes until the next step, which is made. */
static enum step_next next_step(void)
{
    ck_assert_ptr_nonnull(answers()->stepped);
    manual_clock_advance(&service.chat.clock, answers()->step_in_ms);
    return fake_answers_step(answers(), &service.chat.ports);
}

static const char *code(void)
{
    return fake_service_text(fake_service_json(&service, &request), "error.code");
}

/* (A1) */
START_TEST(the_second_of_two_at_once_waits_without_a_thread_and_gets_the_session)
{
    const char *id = session_is_being_made();

    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    ck_assert(request.taken && !request.finished);
    ck_assert_int_eq(request.responses, 0);
    ck_assert_int_eq(answers()->readers, 1);
    ck_assert_int_eq(next_step(), STEP_LATER);
    ck_assert_int_eq(next_step(), STEP_LATER);
    store_session(id);
    ck_assert_int_eq(next_step(), STEP_OVER);
    ck_assert(request.finished && request.closed);
    ck_assert_int_eq(request.status, 201);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "id"), id);
    ck_assert_ptr_nonnull(strstr(fake_request_header(&request, "Location"), id));
    ck_assert_int_eq(service.chat.keys.count, 1);
    ck_assert_int_eq(answers()->readers, 0);
}
END_TEST

START_TEST(it_attaches_to_the_answer_once_that_is_stored_and_counts_nothing)
{
    const char *id = answer_is_being_made();

    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    ck_assert_int_eq(next_step(), STEP_LATER);
    store_answer(id, MESSAGE_STREAMING);
    ck_assert_int_eq(next_step(), STEP_HANDED_ON);
    ck_assert_int_eq(answers()->attached, 1);
    ck_assert_str_eq(answers()->answer.id, id);
    ck_assert_int_eq(answers()->readers, 1); /* the place went along */
    ck_assert(!request.closed);
    ck_assert_int_eq(service.chat.admission.admitted, 0);
}
END_TEST

START_TEST(it_gets_a_finished_answer_in_either_form)
{
    const char *id = answer_is_being_made();

    call(MESSAGES, "k", "{\"content\":\"Hi\",\"stream\":false}");
    store_answer(id, MESSAGE_COMPLETE);
    ck_assert_int_eq(next_step(), STEP_HANDED_ON);
    ck_assert_int_eq(request.status, 201);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "message.content"), "Hello");
    ck_assert(request.closed);
    ck_assert_int_eq(answers()->readers, 0);
}
END_TEST

START_TEST(it_waits_ten_seconds_looks_seldom_and_is_told_to_come_again)
{
    int64_t started_ms = service.chat.clock.now_mono_ms;

    answer_is_being_made();
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    while (next_step() == STEP_LATER) ck_assert_int_le(service.chat.clock.now_mono_ms - started_ms, REPEAT_WAIT_MS);
    ck_assert_int_ge(service.chat.clock.now_mono_ms - started_ms, REPEAT_WAIT_MS);
    ck_assert_int_le(service.chat.clock.now_mono_ms - started_ms, REPEAT_WAIT_MS + 1000);
    ck_assert_int_le(service.chat.keys.looks, 20);
    ck_assert_int_eq(request.status, 409);
    ck_assert_str_eq(code(), "generation_in_progress");
    ck_assert_str_eq(fake_request_header(&request, "Retry-After"), "1");
    ck_assert_int_eq(service.chat.keys.count, 1); /* it is not ours to free */
    ck_assert_int_eq(service.chat.admission.admitted, 0);
}
END_TEST

START_TEST(where_the_first_is_refused_it_is_told_to_come_again_and_takes_the_key_then)
{
    answer_is_being_made();
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    service.chat.keys.count = 0;
    ck_assert_int_eq(next_step(), STEP_OVER);
    ck_assert_int_eq(request.status, 409);
    ck_assert_str_eq(fake_request_header(&request, "Retry-After"), "1");
    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Hi\"}");
    ck_assert_int_eq(answers()->started, 1);
}
END_TEST

START_TEST(where_another_request_takes_the_key_meanwhile_it_is_422)
{
    answer_is_being_made();
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    memset(service.chat.keys.keys[0].fingerprint, 'x', FINGERPRINT_SIZE - 1);
    ck_assert_int_eq(next_step(), STEP_OVER);
    ck_assert_int_eq(request.status, 422);
    ck_assert_str_eq(code(), "idempotency_mismatch");
}
END_TEST

START_TEST(a_store_that_goes_away_while_it_waits_is_told)
{
    answer_is_being_made();
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    fake_repo_fail(service.chat.repo, FAKE_MESSAGE_GET, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(next_step(), STEP_OVER);
    ck_assert_str_eq(code(), "database_unavailable");
    answer_is_being_made();
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    service.chat.keys.error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_int_eq(next_step(), STEP_OVER);
    ck_assert_str_eq(code(), "quota_unavailable");
}
END_TEST

START_TEST(without_a_place_to_wait_it_is_refused)
{
    answer_is_being_made();
    answers()->refuse = CHAT_ERR_TOO_MANY_STREAMS;
    ck_assert_str_eq(call(MESSAGES, "k", "{\"content\":\"Hi\"}"), "too_many_streams");
    ck_assert_int_eq(request.status, 429);
    ck_assert_ptr_nonnull(fake_request_header(&request, "Retry-After"));
    ck_assert_ptr_nonnull(fake_service_at(fake_service_json(&service, &request), "error.details.quota.daily"));
    ck_assert_int_eq(service.chat.keys.count, 1);
}
END_TEST

/* ---- what the first made is gone ---- */

START_TEST(a_session_that_was_deleted_since_is_404_at_once)
{
    struct session_repo *sessions = service.chat.ports.sessions;
    char id[UUID_TEXT_SIZE], active[UUID_TEXT_SIZE];
    int gets;

    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    snprintf(id, sizeof id, "%s", fake_service_text(fake_service_json(&service, &request), "id"));
    ck_assert_int_eq(session_repo_remove(sessions, "alice", id, 1, active), CHAT_OK);
    gets = fake_repo_calls(service.chat.repo, FAKE_SESSION_GET);
    ck_assert_str_eq(call(SESSIONS, "k", "{\"title\":\"Birds\"}"), "session_not_found");
    ck_assert_int_eq(request.status, 404);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.details.was"), id);
    ck_assert(!request.taken);
    ck_assert_int_eq(service.chat.keys.takes, 2);
    ck_assert_int_eq(service.chat.keys.looks, 0);
    ck_assert_int_eq(fake_repo_calls(service.chat.repo, FAKE_SESSION_GET), gets + 1);
    ck_assert_int_eq(service.chat.keys.count, 1); /* the key stays used: no second session comes of it */
    ck_assert_str_eq(call(SESSIONS, "k", "{\"title\":\"Bees\"}"), "idempotency_mismatch");
}
END_TEST

START_TEST(an_answer_whose_session_was_deleted_since_is_404_at_once)
{
    struct session_repo *sessions = service.chat.ports.sessions;
    char id[UUID_TEXT_SIZE], active[UUID_TEXT_SIZE];

    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Hi\"}");
    snprintf(id, sizeof id, "%s", answers()->answer.id);
    end_answer("Hello", MESSAGE_COMPLETE);
    ck_assert_int_eq(session_repo_remove(sessions, "alice", answers()->answer.session_id, 1, active), CHAT_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(call(MESSAGES, "k", i ? "{\"content\":\"Hi\"}" : "{\"content\":\"Hi\",\"stream\":false}"),
                         "message_not_found");
        ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.details.was"), id);
    }
    ck_assert_int_eq(answers()->started, 1);
    ck_assert_int_eq(service.chat.admission.admitted, 1);
}
END_TEST

START_TEST(one_deleted_while_a_repeat_waits_is_404_with_the_next_look)
{
    session_is_being_made();
    call(SESSIONS, "k", "{\"title\":\"Birds\"}");
    service.chat.keys.keys[0].done = true;
    ck_assert_int_eq(next_step(), STEP_OVER);
    ck_assert_int_eq(request.status, 404);
    ck_assert_str_eq(fake_service_text(fake_service_json(&service, &request), "error.details.was"),
                     service.chat.keys.keys[0].id);
}
END_TEST

START_TEST(a_key_is_done_before_anybody_is_told)
{
    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Hi\"}");
    ck_assert(service.chat.keys.keys[0].done && !service.chat.keys.keys[0].brief);
    call(SESSIONS, "s", "{}");
    ck_assert(service.chat.keys.keys[1].done && service.chat.keys.keys[1].brief);
    call(SESSIONS, NULL, "{}");
    ck_assert_int_eq(service.chat.keys.kept, 2);
}
END_TEST

/* Its worker died between taking the key and storing anything. */
START_TEST(a_key_whose_first_never_stored_anything_is_taken_over_after_a_while)
{
    answer_is_being_made();
    manual_clock_advance(&service.chat.clock, 14000);
    call(MESSAGES, "k", "{\"content\":\"Hi\"}");
    ck_assert_int_eq(answers()->started, 0);
    stepped_close(answers()->stepped);
    answers()->stepped = NULL;
    manual_clock_advance(&service.chat.clock, 2000);
    call_as(&first, "alice", MESSAGES, "k", "{\"content\":\"Hi\"}");
    ck_assert_int_eq(answers()->started, 1);
    ck_assert_str_eq(answers()->answer.id, service.chat.keys.keys[0].id);
    ck_assert_int_eq(service.chat.keys.count, 1);
}
END_TEST

UNIT_SUITE(http_repeat)
{
    Suite *suite = suite_create("http_repeat");
    TCase *tcase = UNIT_CASE(
        suite, "keys", a_session_made_twice_with_one_key_is_one_session, a_key_is_its_user_s_own,
        another_request_with_the_same_key_is_422,
        a_question_sent_again_attaches_to_the_running_answer_and_counts_nothing,
        a_question_sent_again_after_the_end_gets_the_answer_in_either_form, a_refused_request_frees_its_key,
        a_malformed_body_takes_no_key, the_body_is_looked_at_before_the_key, a_key_is_1_to_128_visible_characters,
        where_keys_cannot_be_told_the_request_is_refused,
        the_second_of_two_at_once_waits_without_a_thread_and_gets_the_session,
        it_attaches_to_the_answer_once_that_is_stored_and_counts_nothing, it_gets_a_finished_answer_in_either_form,
        it_waits_ten_seconds_looks_seldom_and_is_told_to_come_again,
        where_the_first_is_refused_it_is_told_to_come_again_and_takes_the_key_then,
        where_another_request_takes_the_key_meanwhile_it_is_422, a_store_that_goes_away_while_it_waits_is_told,
        without_a_place_to_wait_it_is_refused, a_session_that_was_deleted_since_is_404_at_once,
        an_answer_whose_session_was_deleted_since_is_404_at_once,
        one_deleted_while_a_repeat_waits_is_404_with_the_next_look, a_key_is_done_before_anybody_is_told,
        a_key_whose_first_never_stored_anything_is_taken_over_after_a_while);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
