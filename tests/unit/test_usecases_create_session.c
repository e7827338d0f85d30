#include "usecases/create_session.h"

#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct session session;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error create(const char *title, const char *model)
{
    struct create_session in = {
        .caller = &chat.alice, .title = title, .title_len = title ? strlen(title) : 0, .model = model};

    enum chat_error error = create_session_check(&chat.policy, &in, &problem);

    return error == CHAT_OK ? create_session(&chat.ports, &in, &chat.arena, &problem, &session) : error;
}

START_TEST(a_session_without_anything_gets_the_defaults)
{
    struct session stored;

    ck_assert_int_eq(create(NULL, NULL), CHAT_OK);
    ck_assert_str_eq(session.title, SESSION_DEFAULT_TITLE);
    ck_assert_int_eq(session.title_source, TITLE_DEFAULT);
    ck_assert_str_eq(session.model, "llama");
    ck_assert_int_eq(session.created_at_ms, chat.clock.now_wall_ms);
    ck_assert_int_eq(session.updated_at_ms, chat.clock.now_wall_ms);
    ck_assert_int_eq(session.last_message_at_ms, 0);
    ck_assert_int_eq(session_repo_get(chat.ports.sessions, "alice", session.id, &chat.arena, &stored), CHAT_OK);
}
END_TEST

START_TEST(a_title_of_the_user_s_own_is_marked_so)
{
    ck_assert_int_eq(create("Birds", "qwen"), CHAT_OK);
    ck_assert_str_eq(session.title, "Birds");
    ck_assert_int_eq(session.title_source, TITLE_USER);
    ck_assert_str_eq(session.model, "qwen");
}
END_TEST

START_TEST(bad_titles_are_refused)
{
    static const char *const bad[] = {"", "  ", "a\nb", "\xc3"};

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        problem = (struct problem){0};
        ck_assert_int_eq(create(bad[i], NULL), CHAT_ERR_VALIDATION_FAILED);
        ck_assert_str_eq(problem.param, "title");
    }
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_SESSION_CREATE), 0);
}
END_TEST

START_TEST(a_model_not_offered_is_not_found)
{
    ck_assert_int_eq(create(NULL, "gpt"), CHAT_ERR_MODEL_NOT_FOUND);
    ck_assert_str_eq(problem.param, "model");
}
END_TEST

START_TEST(a_store_that_is_away_is_told)
{
    fake_repo_fail(chat.repo, FAKE_SESSION_CREATE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(create(NULL, NULL), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(problem.error, CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_create_session)
{
    Suite *suite = suite_create("usecases_create_session");
    TCase *tcase = UNIT_CASE(suite, "creating", a_session_without_anything_gets_the_defaults,
                             a_title_of_the_user_s_own_is_marked_so, bad_titles_are_refused,
                             a_model_not_offered_is_not_found, a_store_that_is_away_is_told);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
