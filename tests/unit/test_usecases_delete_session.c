#include "usecases/delete_session.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;

static void set_up(void)
{
    fake_chat_init(&chat);
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

START_TEST(a_deleted_session_is_gone_and_a_second_time_not_found)
{
    const char *session_id = fake_chat_session(&chat);

    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_OK);
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(chat.answers.stopped, 0);
}
END_TEST

START_TEST(an_answer_being_written_in_it_is_stopped_without_waiting)
{
    const char *session_id = fake_chat_session(&chat);
    const char *answer_id = fake_chat_exchange(&chat, session_id, "Why?", NULL, MESSAGE_STREAMING);

    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_OK);
    ck_assert_int_eq(chat.answers.stopped, 1);
    ck_assert_str_eq(chat.answers.stopped_id, answer_id);
}
END_TEST

START_TEST(an_answer_that_another_process_writes_is_stopped_there)
{
    const char *session_id = fake_chat_session(&chat);
    const char *answer_id = fake_chat_exchange(&chat, session_id, "Why?", NULL, MESSAGE_STREAMING);

    chat.answers.stop_result = STOP_NOT_HERE;
    fake_log_put(&chat.log, answer_id, "Bec", "");
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_OK);
    ck_assert(chat.log.answers[0].stop_asked);
    ck_assert_int_eq(chat.log.stops_asked, 1);
}
END_TEST

START_TEST(one_that_nobody_is_known_to_write_yet_is_asked_for_again_for_a_bounded_time)
{
    const char *session_id = fake_chat_session(&chat);
    int64_t started_ms = chat.clock.now_mono_ms;

    fake_chat_exchange(&chat, session_id, "Why?", NULL, MESSAGE_STREAMING);
    chat.answers.stop_result = STOP_NOT_HERE;
    fake_log_fail(&chat.log, CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_OK);
    ck_assert_int_gt(chat.log.stops_asked, 5);
    ck_assert_int_le(chat.clock.now_mono_ms - started_ms, 1000);
}
END_TEST

START_TEST(somebody_else_s_session_stays)
{
    const char *session_id = fake_chat_session(&chat);

    fake_chat_exchange(&chat, session_id, "Why?", NULL, MESSAGE_STREAMING);
    ck_assert_int_eq(delete_session(&chat.ports, &chat.bob, session_id), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(chat.answers.stopped, 0);
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_OK);
}
END_TEST

START_TEST(where_the_store_is_away_nothing_is_stopped)
{
    const char *session_id = fake_chat_session(&chat);

    fake_repo_fail(chat.repo, FAKE_SESSION_REMOVE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, session_id), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(chat.answers.stopped, 0);
}
END_TEST

UNIT_SUITE(usecases_delete_session)
{
    Suite *suite = suite_create("usecases_delete_session");
    TCase *tcase = UNIT_CASE(suite, "deleting", a_deleted_session_is_gone_and_a_second_time_not_found,
                             an_answer_being_written_in_it_is_stopped_without_waiting,
                             an_answer_that_another_process_writes_is_stopped_there,
                             one_that_nobody_is_known_to_write_yet_is_asked_for_again_for_a_bounded_time,
                             somebody_else_s_session_stays, where_the_store_is_away_nothing_is_stopped);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
