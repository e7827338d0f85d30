/* Answers whose process died: ended once, with the text that the log has, and never while their writer lives. */
#include "usecases/reap_answers.h"

#include <stdio.h>
#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"

enum { LONGEST_MS = 300000 };

static struct fake_chat chat;
static const char *answer_id;
static struct reaper reaper;

static void set_up(void)
{
    reaper = (struct reaper){.longest_ms = LONGEST_MS};
    fake_chat_init(&chat);
    answer_id = fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", NULL, MESSAGE_STREAMING);
    chat.log.writers = WRITER_DEAD;
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static struct message row(void)
{
    struct message message = {0};

    ck_assert(fake_repo_message(chat.repo, answer_id, &message));
    return message;
}

static int reap_after(int64_t age_ms)
{
    manual_clock_advance(&chat.clock, age_ms);
    return reap_answers(&chat.ports, &reaper);
}

START_TEST(an_orphan_is_interrupted_with_the_text_of_the_log)
{
    fake_log_put(&chat.log, answer_id, "Because", "hm");
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000 + 1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
    ck_assert_str_eq(row().content, "Because");
    ck_assert_str_eq(row().reasoning, "hm");
    ck_assert(row().tokens_estimated);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert_str_eq(chat.admission.done[0], answer_id);
    ck_assert_int_eq(chat.admission.refunded, 0);
    ck_assert_int_eq(reap_after(1000), 0); /* once */
    ck_assert_int_eq(chat.admission.settle_calls, 1);
}
END_TEST

START_TEST(one_that_died_before_its_first_token_gives_its_unit_back)
{
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000 + 1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert_int_eq(chat.admission.refunded, 1);
}
END_TEST

START_TEST(one_that_was_asked_anew_takes_the_place_of_the_earlier_one_if_it_has_text)
{
    const char *session_id = fake_chat_session(&chat);
    const char *old_id = fake_chat_exchange(&chat, session_id, "Why?", "Because", MESSAGE_COMPLETE);
    struct message old;

    answer_id = fake_chat_regenerate(&chat, old_id);
    fake_log_put(&chat.log, answer_id, "There", "");
    ck_assert_int_ge(reap_after(PROCESS_ALIVE_SECONDS * 1000 + 1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
    ck_assert(fake_repo_message(chat.repo, old_id, &old));
    ck_assert_str_eq(old.superseded_by, answer_id);
}
END_TEST

START_TEST(one_that_had_ended_while_the_database_was_away_is_stored_as_it_ended)
{
    struct log_end *end;

    fake_log_put(&chat.log, answer_id, "Because", "");
    end = &chat.log.answers[0].end;
    *end = (struct log_end){.event = ANSWER_FINISHED, .model = "m-1", .finish_reason = "length", .usage = {7, 2, 9, 0}};
    chat.log.answers[0].has_end = true;
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000 + 1), 1);
    ck_assert_int_eq(row().status, MESSAGE_COMPLETE);
    ck_assert_str_eq(row().content, "Because");
    ck_assert_str_eq(row().finish_reason, "length");
    ck_assert_int_eq(row().usage.total_tokens, 9);
    ck_assert(!row().tokens_estimated);
    ck_assert_int_eq(chat.admission.settled, 1);
}
END_TEST

START_TEST(one_that_never_had_text_ends_too)
{
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000 + 1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
    ck_assert_str_eq(row().content, "");
    ck_assert(!row().tokens_estimated);
}
END_TEST

START_TEST(a_young_one_is_left_alone)
{
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(one_whose_writer_lives_is_left_alone)
{
    chat.log.writers = WRITER_ALIVE;
    ck_assert_int_eq(reap_after(2 * LONGEST_MS), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(one_whose_writer_is_not_known_is_ended_when_it_cannot_live_any_more)
{
    chat.log.writers = WRITER_UNKNOWN;
    ck_assert_int_eq(reap_after(LONGEST_MS), 0);
    ck_assert_int_eq(reap_after(1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
}
END_TEST

static void take_lease(void)
{
    struct admission_ticket ticket;
    struct quota quota;
    struct caller caller = {0};
    int64_t retry_after_s;

    snprintf(caller.user_id, sizeof caller.user_id, "alice");
    ck_assert_int_eq(admission_admit(chat.ports.admission, &caller, 1, answer_id, &ticket, &quota, &retry_after_s),
                     CHAT_OK);
}

START_TEST(one_whose_writer_died_before_its_first_word_is_ended_when_its_lease_is_not_renewed)
{
    struct admission_ticket ticket = {.leased = true};
    const struct admission_ticket *const tickets[] = {&ticket};

    memcpy(ticket.answer_id, answer_id, UUID_TEXT_SIZE);
    chat.log.writers = WRITER_UNKNOWN;
    take_lease();
    manual_clock_advance(&chat.clock, 5000);
    ck_assert_int_eq(admission_renew(chat.ports.admission, tickets, 1), CHAT_OK);
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000), 0);
    chat.admission.renew_error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_int_eq(reap_after(1), 0);
    chat.admission.renew_error = CHAT_OK;
    ck_assert_int_eq(reap_after(0), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
}
END_TEST

/* The send was refused as the database froze, which stored the row when it woke. */
START_TEST(one_whose_send_was_refused_is_ended)
{
    struct admission_ticket ticket = {.leased = true};

    memcpy(ticket.answer_id, answer_id, UUID_TEXT_SIZE);
    chat.log.writers = WRITER_UNKNOWN;
    take_lease();
    ck_assert_int_eq(admission_settle(chat.ports.admission, &ticket, true, NULL), CHAT_OK);
    ck_assert_int_eq(reap_after(PROCESS_ALIVE_SECONDS * 1000 + 1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
    ck_assert_int_eq(chat.admission.refunded, 1);
    ck_assert_int_eq(chat.admission.settled, 1);
}
END_TEST

START_TEST(one_whose_text_cannot_be_read_now_keeps_it_for_the_next_time)
{
    fake_log_put(&chat.log, answer_id, "Because", "");
    chat.log.read_error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_int_eq(reap_after(60000), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    chat.log.read_error = CHAT_OK;
    ck_assert_int_eq(reap_after(1000), 1);
    ck_assert_str_eq(row().content, "Because");
}
END_TEST

START_TEST(thoughts_alone_are_counted_too)
{
    fake_log_put(&chat.log, answer_id, "", "let me see");
    ck_assert_int_eq(reap_after(60000), 1);
    ck_assert(row().tokens_estimated);
    ck_assert_int_gt(row().usage.completion_tokens, 0);
}
END_TEST

/* The youngest of many, the others being alive. */
static void put_behind(int others)
{
    for (int i = 0; i < others; i++)
        answer_id = fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", NULL, MESSAGE_STREAMING);
    chat.log.only = answer_id;
}

START_TEST(once_a_process_has_died_it_is_found_behind_many_that_live)
{
    put_behind(REAP_PAGE + 50);
    chat.log.died = true;
    ck_assert_int_eq(reap_after(60000), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
}
END_TEST

START_TEST(a_page_that_could_not_be_looked_at_comes_again)
{
    const char *oldest = answer_id;

    put_behind(REAP_PAGE + 50);
    chat.log.only = oldest;
    chat.log.look_error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_int_eq(reap_after(60000), 0);
    chat.log.look_error = CHAT_OK;
    ck_assert_int_eq(reap_after(1), 1);
}
END_TEST

START_TEST(while_none_has_died_they_are_looked_at_page_by_page)
{
    const char *oldest = answer_id;

    put_behind(REAP_PAGE + 50);
    ck_assert_int_eq(reap_after(60000), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    ck_assert_int_eq(reap_after(1), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
    chat.log.only = oldest; /* and from the beginning */
    ck_assert_int_eq(reap_after(1), 1);
}
END_TEST

START_TEST(behind_the_last_page_it_begins_anew_also_where_that_one_was_full)
{
    const char *oldest = answer_id;

    put_behind(REAP_PAGE - 1);
    chat.log.only = "nobody";
    ck_assert_int_eq(reap_after(60000), 0);
    ck_assert_int_eq(reap_after(1), 0); /* there are no more */
    chat.log.only = oldest;
    ck_assert_int_eq(reap_after(1), 1);
}
END_TEST

static struct message_repo_ops watched_ops;
static const struct message_repo_ops *real_ops;

/* Its owner is a moment faster. */
static enum chat_error end_after_owner(struct message_repo *self, const struct answer_end *end, struct arena *arena,
                                       bool *written, struct session *session)
{
    const struct answer_end own = {.message_id = end->message_id,
                                   .session_id = end->session_id,
                                   .epoch = end->epoch,
                                   .status = MESSAGE_COMPLETE,
                                   .content = "All of it",
                                   .content_len = 9};

    ck_assert_int_eq(real_ops->end(self, &own, arena, written, session), CHAT_OK);
    return real_ops->end(self, end, arena, written, session);
}

START_TEST(one_that_its_owner_ends_meanwhile_is_not_counted_as_reaped)
{
    real_ops = chat.ports.messages->ops;
    watched_ops = *real_ops;
    watched_ops.end = end_after_owner;
    chat.ports.messages->ops = &watched_ops;
    ck_assert_int_eq(reap_after(60000), 0);
    ck_assert_int_eq(row().status, MESSAGE_COMPLETE);
    ck_assert_str_eq(row().content, "All of it");
}
END_TEST

START_TEST(while_the_log_is_away_nobody_is_reaped)
{
    fake_log_fail(&chat.log, CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(reap_after(2 * LONGEST_MS), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
}
END_TEST

/* Which page would be looked at then is not known. */
START_TEST(while_the_log_cannot_say_whether_a_process_died_nobody_is_reaped)
{
    chat.log.died = _i;
    chat.log.died_error = CHAT_ERR_REDIS_UNAVAILABLE;
    ck_assert_int_eq(reap_after(60000), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    ck_assert_int_eq(chat.admission.settle_calls, 0);
    chat.log.died_error = CHAT_OK;
    ck_assert_int_eq(reap_after(1000), 1);
    ck_assert_int_eq(row().status, MESSAGE_INTERRUPTED);
}
END_TEST

/* (redis-demoted-reaper) */
START_TEST(a_log_that_may_not_be_believed_judges_nobody)
{
    chat.log.believed = 0;
    ck_assert_int_eq(reap_after(2 * LONGEST_MS), 0);
    chat.log.believed = 1; /* before, and not any more once all was read */
    ck_assert_int_eq(reap_after(1000), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    ck_assert_int_eq(chat.admission.settle_calls, 0);
    chat.log.believed = -1;
    ck_assert_int_eq(reap_after(1000), 1);
}
END_TEST

/* Many are looked at together, and ending those before it takes time. */
START_TEST(one_whose_writer_spoke_since_it_was_looked_at_is_left_alone)
{
    chat.log.revived_after_look = true;
    ck_assert_int_eq(reap_after(60000), 0);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(while_the_database_is_away_it_is_tried_again_later)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_STALE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(reap_after(60000), 0);
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(reap_after(1000), 0);
    ck_assert_int_eq(chat.admission.settle_calls, 0);
    ck_assert_int_eq(reap_after(1000), 1);
}
END_TEST

START_TEST(the_live_owner_s_own_end_beats_the_reaper_s)
{
    struct answer_end end = {
        .message_id = answer_id, .epoch = 1, .status = MESSAGE_COMPLETE, .content = "All of it", .content_len = 9};
    struct session session;
    bool written;

    ck_assert_int_eq(reap_after(60000), 1);
    ck_assert_int_eq(message_repo_end(chat.ports.messages, &end, &chat.arena, &written, &session), CHAT_OK);
    ck_assert(written);
    ck_assert_int_eq(reap_after(1000), 0);
    ck_assert_str_eq(row().content, "All of it");
}
END_TEST

UNIT_SUITE(usecases_reap_answers)
{
    Suite *suite = suite_create("usecases_reap_answers");
    TCase *tcase = UNIT_CASE(
        suite, "reaping", an_orphan_is_interrupted_with_the_text_of_the_log,
        one_that_died_before_its_first_token_gives_its_unit_back,
        one_that_was_asked_anew_takes_the_place_of_the_earlier_one_if_it_has_text,
        one_that_had_ended_while_the_database_was_away_is_stored_as_it_ended, one_that_never_had_text_ends_too,
        a_young_one_is_left_alone, one_whose_writer_lives_is_left_alone,
        one_whose_writer_is_not_known_is_ended_when_it_cannot_live_any_more,
        one_whose_writer_died_before_its_first_word_is_ended_when_its_lease_is_not_renewed,
        one_whose_send_was_refused_is_ended, one_whose_text_cannot_be_read_now_keeps_it_for_the_next_time,
        thoughts_alone_are_counted_too, once_a_process_has_died_it_is_found_behind_many_that_live,
        a_page_that_could_not_be_looked_at_comes_again, while_none_has_died_they_are_looked_at_page_by_page,
        behind_the_last_page_it_begins_anew_also_where_that_one_was_full,
        one_that_its_owner_ends_meanwhile_is_not_counted_as_reaped, a_log_that_may_not_be_believed_judges_nobody,
        one_whose_writer_spoke_since_it_was_looked_at_is_left_alone, while_the_log_is_away_nobody_is_reaped,
        while_the_database_is_away_it_is_tried_again_later, the_live_owner_s_own_end_beats_the_reaper_s);

    tcase_add_loop_test(tcase, while_the_log_cannot_say_whether_a_process_died_nobody_is_reaped, 0, 2);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
