#include "usecases/update_session.h"

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
    session = (struct session){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error change(const char *session_id, const char *title, int pinned, int archived)
{
    struct update_session in = {.caller = &chat.alice,
                                .session_id = session_id,
                                .title = title,
                                .title_len = title ? strlen(title) : 0,
                                .pinned = pinned,
                                .archived = archived};

    manual_clock_advance(&chat.clock, 1000);
    problem = (struct problem){0};
    return update_session(&chat.ports, &in, &chat.arena, &problem, &session);
}

START_TEST(a_title_becomes_the_user_s_own)
{
    const char *id = fake_chat_session(&chat);

    ck_assert_int_eq(change(id, "Travel plans", -1, -1), CHAT_OK);
    ck_assert_str_eq(session.title, "Travel plans");
    ck_assert_int_eq(session.title_source, TITLE_USER);
    ck_assert_int_eq(session.updated_at_ms, clock_wall_ms(&chat.clock.clock));
}
END_TEST

START_TEST(what_is_not_given_stays)
{
    const char *id = fake_chat_session(&chat);

    ck_assert_int_eq(change(id, "Mine", 1, -1), CHAT_OK);
    ck_assert_int_eq(change(id, NULL, -1, 1), CHAT_OK);
    ck_assert_str_eq(session.title, "Mine");
    ck_assert(session.pinned && session.archived);
    ck_assert_int_eq(change(id, NULL, 0, 0), CHAT_OK);
    ck_assert_str_eq(session.title, "Mine");
    ck_assert(!session.pinned && !session.archived);
}
END_TEST

START_TEST(where_nothing_is_given_the_session_is_not_touched)
{
    const char *id = fake_chat_session(&chat);
    int64_t made_at_ms = clock_wall_ms(&chat.clock.clock);

    ck_assert_int_eq(change(id, NULL, -1, -1), CHAT_OK);
    ck_assert_str_eq(session.id, id);
    ck_assert_int_eq(session.updated_at_ms, made_at_ms);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_SESSION_UPDATE), 0);
}
END_TEST

START_TEST(a_title_that_is_none_is_refused_before_the_store)
{
    static const char *const titles[] = {"", " \t", "two\nlines"};
    const char *id = fake_chat_session(&chat);

    for (size_t i = 0; i < UNIT_COUNT(titles); i++) {
        ck_assert_int_eq(change(id, titles[i], 1, -1), CHAT_ERR_VALIDATION_FAILED);
        ck_assert_str_eq(problem.fields[0].name, "title");
    }
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_SESSION_UPDATE), 0);
}
END_TEST

START_TEST(somebody_else_s_session_is_not_found)
{
    const char *id = fake_chat_session(&chat);

    chat.alice = chat.bob;
    ck_assert_int_eq(change(id, "Taken", -1, -1), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(change(id, NULL, -1, -1), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(problem.error, CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(where_the_store_is_away_it_says_so)
{
    const char *id = fake_chat_session(&chat);

    fake_repo_fail(chat.repo, FAKE_SESSION_UPDATE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(change(id, "Mine", -1, -1), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(problem.error, CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_update_session)
{
    Suite *suite = suite_create("usecases_update_session");
    TCase *tcase =
        UNIT_CASE(suite, "changing", a_title_becomes_the_user_s_own, what_is_not_given_stays,
                  where_nothing_is_given_the_session_is_not_touched, a_title_that_is_none_is_refused_before_the_store,
                  somebody_else_s_session_is_not_found, where_the_store_is_away_it_says_so);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
