#include "usecases/stop_message.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static const char *answer_id;
static struct message message;
static struct stopping stopping;
static int looks;
static void (*on_wait)(void); /* what happens before each look but the first */

static void set_up(void)
{
    fake_chat_init(&chat);
    on_wait = NULL;
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
    ck_assert_int_eq(message_repo_end(chat.ports.messages, &end, &chat.arena, &written, &session), CHAT_OK);
}

static enum chat_error stop_as(const struct caller *caller)
{
    int64_t wait_ms;
    enum chat_error error;

    stopping = (struct stopping){0};
    for (looks = 1;; looks++) {
        error = stop_message(&chat.ports, caller, answer_id, &stopping, &chat.arena, &message, &wait_ms);
        if (error != CHAT_OK || !wait_ms) return error;
        manual_clock_advance(&chat.clock, wait_ms);
        if (on_wait) on_wait();
    }
}

START_TEST(a_running_answer_is_stopped_and_given_as_it_is_afterwards)
{
    chat.answers.on_stop = end_as_stopped;
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_str_eq(message.content, "Bec");
    ck_assert_str_eq(chat.answers.stopped_id, answer_id);
    ck_assert_int_eq(looks, 2);
}
END_TEST

START_TEST(one_that_is_done_is_not_changed)
{
    end_as_stopped(NULL);
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_int_eq(chat.answers.stopped, 0);
    ck_assert_int_eq(looks, 1);
}
END_TEST

START_TEST(somebody_else_s_answer_is_not_found_and_goes_on)
{
    ck_assert_int_eq(stop_as(&chat.bob), CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(chat.answers.stopped, 0);
}
END_TEST

START_TEST(a_store_that_is_away_is_told)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_GET, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

START_TEST(one_that_is_here_is_asked_once_however_long_it_takes_to_settle)
{
    int64_t started_ms = chat.clock.now_mono_ms;

    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STREAMING);
    ck_assert_int_eq(chat.answers.stopped, 1);
    ck_assert_int_ge(chat.clock.now_mono_ms - started_ms, STOP_WAIT_MS);
    ck_assert_int_lt(chat.clock.now_mono_ms - started_ms, STOP_WAIT_MS + 1000);
    ck_assert_int_le(looks, 40);
}
END_TEST

/* ---- written by another process ---- */

/* The other process ends it while this one waits. */
static void end_at_third_look(void)
{
    if (looks == 3) end_as_stopped(NULL);
}

START_TEST(another_process_is_asked_through_the_log)
{
    on_wait = end_at_third_look;
    chat.answers.stop_result = STOP_NOT_HERE;
    fake_log_put(&chat.log, answer_id, "Bec", "");
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_int_eq(looks, 4);
    ck_assert(chat.log.answers[0].stop_asked);
}
END_TEST

/* (F) A note that was passed on is passed on again only after a while. */
START_TEST(a_writer_that_was_told_is_not_told_with_every_look)
{
    chat.answers.stop_result = STOP_NOT_HERE;
    chat.log.knows_writer = true;
    fake_log_put(&chat.log, answer_id, "Bec", "");
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STREAMING);
    ck_assert_int_ge(chat.log.stops_asked, 2);
    ck_assert_int_le(chat.log.stops_asked, STOP_WAIT_MS / 200 + 1);
    ck_assert_int_gt(looks, chat.log.stops_asked);
}
END_TEST

/* Its writer is known from the second look on; it ends once it has been asked. */
static void be_known_at_second_look(void)
{
    if (looks == 2) fake_log_put(&chat.log, answer_id, "Bec", "");
    if (looks > 2 && chat.log.answers[0].stop_asked) end_as_stopped(NULL);
}

START_TEST(one_that_began_a_moment_ago_is_asked_for_as_soon_as_its_writer_is_known)
{
    int64_t started_ms = chat.clock.now_mono_ms;

    on_wait = be_known_at_second_look;
    chat.answers.stop_result = STOP_NOT_HERE;
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_int_le(chat.clock.now_mono_ms - started_ms, 100); /* upstream is to be closed within 200 */
}
END_TEST

START_TEST(one_that_nobody_stops_is_given_as_it_is_after_a_bounded_wait)
{
    int64_t started_ms = chat.clock.now_mono_ms;

    chat.answers.stop_result = STOP_NOT_HERE;
    fake_log_fail(&chat.log, CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(stop_as(&chat.alice), CHAT_OK);
    ck_assert_int_eq(message.status, MESSAGE_STREAMING);
    ck_assert_int_ge(chat.clock.now_mono_ms - started_ms, STOP_WAIT_MS);
    ck_assert_int_lt(chat.clock.now_mono_ms - started_ms, STOP_WAIT_MS + 1000);
    ck_assert_int_gt(chat.log.stops_asked, 5); /* its writer may not have been known at first */
}
END_TEST

START_TEST(when_its_time_is_up_it_is_not_looked_at_again)
{
    int64_t wait_ms;

    stopping = (struct stopping){0};
    ck_assert_int_eq(stop_message(&chat.ports, &chat.alice, answer_id, &stopping, &chat.arena, &message, &wait_ms),
                     CHAT_OK);
    ck_assert_int_gt(wait_ms, 0);
    manual_clock_advance(&chat.clock, STOP_WAIT_MS);
    ck_assert_int_eq(stop_message(&chat.ports, &chat.alice, answer_id, &stopping, &chat.arena, &message, &wait_ms),
                     CHAT_OK);
    ck_assert_int_eq(wait_ms, 0);
}
END_TEST

UNIT_SUITE(usecases_stop_message)
{
    Suite *suite = suite_create("usecases_stop_message");
    TCase *tcase = UNIT_CASE(
        suite, "stopping", a_running_answer_is_stopped_and_given_as_it_is_afterwards, one_that_is_done_is_not_changed,
        somebody_else_s_answer_is_not_found_and_goes_on, a_store_that_is_away_is_told,
        one_that_is_here_is_asked_once_however_long_it_takes_to_settle,
        a_writer_that_was_told_is_not_told_with_every_look, another_process_is_asked_through_the_log,
        one_that_began_a_moment_ago_is_asked_for_as_soon_as_its_writer_is_known,
        one_that_nobody_stops_is_given_as_it_is_after_a_bounded_wait, when_its_time_is_up_it_is_not_looked_at_again);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
