#include "usecases/restore_session.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/delete_session.h"

static struct fake_chat chat;
static struct session session;

static void set_up(void)
{
    fake_chat_init(&chat);
    session = (struct session){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error restore(const struct caller *caller, const char *session_id)
{
    return restore_session(&chat.ports, caller, session_id, &chat.arena, &session);
}

START_TEST(a_deleted_session_is_back_with_its_messages)
{
    const char *id = fake_chat_session(&chat);
    const char *answer_id = fake_chat_exchange(&chat, id, "Why?", "Because.", MESSAGE_COMPLETE);
    struct message answer;

    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, id), CHAT_OK);
    ck_assert_int_eq(restore(&chat.alice, id), CHAT_OK);
    ck_assert_str_eq(session.id, id);
    ck_assert_int_eq(message_repo_get(chat.ports.messages, "alice", answer_id, &chat.arena, &answer), CHAT_OK);
}
END_TEST

START_TEST(one_that_is_not_deleted_is_given_as_it_is)
{
    const char *id = fake_chat_session(&chat);

    ck_assert_int_eq(restore(&chat.alice, id), CHAT_OK);
    ck_assert_str_eq(session.id, id);
}
END_TEST

START_TEST(somebody_else_s_stays_deleted)
{
    const char *id = fake_chat_session(&chat);

    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, id), CHAT_OK);
    ck_assert_int_eq(restore(&chat.bob, id), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, id), CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(where_the_store_is_away_it_says_so)
{
    fake_repo_fail(chat.repo, FAKE_SESSION_RESTORE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(restore(&chat.alice, fake_chat_session(&chat)), CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_restore_session)
{
    Suite *suite = suite_create("usecases_restore_session");
    TCase *tcase = UNIT_CASE(suite, "restoring", a_deleted_session_is_back_with_its_messages,
                             one_that_is_not_deleted_is_given_as_it_is, somebody_else_s_stays_deleted,
                             where_the_store_is_away_it_says_so);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
