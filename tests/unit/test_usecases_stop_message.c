#include "usecases/stop_message.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static const char *answer_id;
static struct message message;

static void set_up(void)
{
    fake_chat_init(&chat);
    answer_id = fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", NULL, MESSAGE_STREAMING);
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

/* What the relay does when it is told to stop. */
static void end_as_stopped(void *context)
{
    struct answer_end end = {
        .message_id = answer_id, .epoch = 1, .status = MESSAGE_STOPPED, .content = "Bec", .content_len = 3};
    struct session session;
    bool written;

    (void)context;
    ck_assert_int_eq(chat.ports.messages->ops->end_answer(chat.ports.messages, &end, &chat.arena, &written, &session),
                     CHAT_OK);
}

START_TEST(a_running_answer_is_stopped_and_given_as_it_is_afterwards)
{
    chat.answers.on_stop = end_as_stopped;
    ck_assert_int_eq(stop_message(&chat.ports, &chat.alice, answer_id, &chat.arena, &message), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_str_eq(message.content, "Bec");
    ck_assert_str_eq(chat.answers.stopped_id, answer_id);
    ck_assert_int_eq(chat.answers.stop_timeout_ms, STOP_WAIT_MS);
}
END_TEST

START_TEST(one_that_is_done_is_not_changed)
{
    end_as_stopped(NULL);
    ck_assert_int_eq(stop_message(&chat.ports, &chat.alice, answer_id, &chat.arena, &message), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_int_eq(chat.answers.stopped, 0);
}
END_TEST

START_TEST(somebody_else_s_answer_is_not_found_and_goes_on)
{
    ck_assert_int_eq(stop_message(&chat.ports, &chat.bob, answer_id, &chat.arena, &message),
                     CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(chat.answers.stopped, 0);
}
END_TEST

START_TEST(a_store_that_is_away_is_told)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_GET, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(stop_message(&chat.ports, &chat.alice, answer_id, &chat.arena, &message),
                     CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_stop_message)
{
    Suite *suite = suite_create("usecases_stop_message");
    TCase *tcase = UNIT_CASE(suite, "stopping", a_running_answer_is_stopped_and_given_as_it_is_afterwards,
                             one_that_is_done_is_not_changed, somebody_else_s_answer_is_not_found_and_goes_on,
                             a_store_that_is_away_is_told);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
