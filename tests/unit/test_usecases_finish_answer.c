/* The end of an answer: row, cost and lease, each once, however often it takes. */
#include "usecases/finish_answer.h"

#include <string.h>

#include "metrics/metrics.h"
#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct message message;
static struct admission_ticket ticket;
static struct finish_answer finish;
static struct session session;
static bool has_session;

static void set_up(void)
{
    const char *session_id;

    fake_chat_init(&chat);
    session_id = fake_chat_session(&chat);
    ck_assert(
        fake_repo_message(chat.repo, fake_chat_exchange(&chat, session_id, "Why?", NULL, MESSAGE_STREAMING), &message));
    ticket = (struct admission_ticket){.user_id = "alice", .day = "2026-01-31", .daily_counted = true, .leased = true};
    memcpy(ticket.answer_id, message.id, UUID_TEXT_SIZE);
    message.status = MESSAGE_COMPLETE;
    message.content = "Because.";
    message.content_len = 8;
    message.finish_reason = "stop";
    message.usage = (struct token_usage){43, 100, 143, 0};
    message.token_count = 100;
    finish = (struct finish_answer){.message = &message, .leaving = {.ticket = &ticket}};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error finish_it(void)
{
    return finish_answer(&chat.ports, &finish, &chat.arena, &session, &has_session);
}

START_TEST(the_row_has_text_usage_and_cost_and_the_lease_ends)
{
    struct message row;

    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(fake_repo_message(chat.repo, message.id, &row));
    ck_assert_int_eq(row.status, MESSAGE_COMPLETE);
    ck_assert_str_eq(row.content, "Because.");
    ck_assert_str_eq(row.finish_reason, "stop");
    ck_assert_int_eq(row.usage.total_tokens, 143);
    ck_assert_int_eq(fake_repo_cost(chat.repo, message.id), 146);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert_int_eq(chat.admission.refunded, 0);
    ck_assert(has_session && finish.row_done && finish.settled);
    ck_assert_str_eq(session.id, message.session_id);
}
END_TEST

START_TEST(done_twice_it_happens_once)
{
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(!has_session);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_END), 1);
    ck_assert_int_eq(chat.admission.settle_calls, 1);
}
END_TEST

START_TEST(while_the_database_is_away_the_lease_is_held)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, 2);
    ck_assert_int_eq(finish_it(), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(finish_it(), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert(!finish.row_done && !finish.settled && !has_session);
    ck_assert_int_eq(chat.admission.settle_calls, 0);
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(has_session);
    ck_assert_int_eq(fake_repo_writes(chat.repo, message.id), 1);
    ck_assert_int_eq(chat.admission.settled, 1);
}
END_TEST

/* A mutant told it nothing (F). */
START_TEST(while_the_database_is_away_the_breaker_is_told_and_once)
{
    const struct breaker_ticket asked = {.model = "llama", .asked = true, .shared = true};
    finish.leaving = (struct leaving){.ticket = &ticket, .breaker = &asked, .outcome = BREAKER_FAILURE};
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish_it(), CHAT_ERR_DATABASE_UNAVAILABLE);
        ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
    }
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
}
END_TEST

/* A later answer may have moved it on by the time that the row is written. */
START_TEST(where_the_context_begins_is_kept_once)
{
    finish.context_starts_at = "0198c5f2-7c00-7000-8000-000000000001";
    fake_repo_fail(chat.repo, FAKE_SESSION_CONTEXT, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(finish_it(), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_END), 0);
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(finish_it(), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_SESSION_CONTEXT), 2); /* the one that failed, and one */
}
END_TEST

START_TEST(while_limits_are_away_the_row_is_not_written_again)
{
    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 1);
    ck_assert_int_eq(finish_it(), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert(finish.row_done && !finish.settled && has_session);
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(!has_session);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_END), 1);
    ck_assert_int_eq(chat.admission.settled, 1);
}
END_TEST

START_TEST(an_answer_that_somebody_else_ended_is_left_as_it_is)
{
    const uint64_t *complete = &metrics->counters.answers[ANSWERS_COMPLETE], before = *complete;
    struct message row;

    ck_assert_int_eq(finish_it(), CHAT_OK);
    finish = (struct finish_answer){.message = &message, .leaving = {.ticket = &ticket}};
    message.content = "Other.";
    message.content_len = 6;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(!has_session && finish.row_done);
    ck_assert_uint_eq(*complete, before + 1);
    ck_assert(fake_repo_message(chat.repo, message.id, &row));
    ck_assert_str_eq(row.content, "Because.");
}
END_TEST

/* Status, texts and usage, and whether the daily unit comes back. */
static const struct {
    enum message_status status;
    size_t content_len;
    const char *reasoning;
    int refunded;
    struct token_usage usage;
    bool estimated;
} refunds[] = {
    {MESSAGE_FAILED, 0, NULL, 1, USAGE_UNKNOWN, false},
    {MESSAGE_FAILED, 8, NULL, 0, USAGE_UNKNOWN, false},
    {MESSAGE_FAILED, 0, "hm", 0, USAGE_UNKNOWN, false},
    {MESSAGE_STOPPED, 0, NULL, 0, USAGE_UNKNOWN, false},
    {MESSAGE_COMPLETE, 8, NULL, 0, USAGE_UNKNOWN, false},
    {MESSAGE_INTERRUPTED, 3, NULL, 0, USAGE_UNKNOWN, false},
    {MESSAGE_INTERRUPTED, 0, NULL, 1, USAGE_UNKNOWN, false},
    {MESSAGE_INTERRUPTED, 0, "hm", 0, USAGE_UNKNOWN, false},
    /* the provider says that it took tokens (A3); an estimate of ours says nothing */
    {MESSAGE_FAILED, 0, NULL, 0, {7, 2, 9, 0}, false},
    {MESSAGE_FAILED, 0, NULL, 0, {7, -1, -1, 0}, false},
    {MESSAGE_FAILED, 0, NULL, 0, {-1, 2, -1, 0}, false},
    {MESSAGE_FAILED, 0, NULL, 1, {0, 0, 0, 0}, false},
    {MESSAGE_FAILED, 0, NULL, 1, {7, 0, 7, 0}, true},
};

START_TEST(only_a_failure_before_the_first_token_gives_the_daily_unit_back)
{
    message.status = refunds[_i].status;
    message.usage = refunds[_i].usage;
    message.tokens_estimated = refunds[_i].estimated;
    message.content_len = refunds[_i].content_len;
    message.reasoning = refunds[_i].reasoning;
    message.reasoning_len = refunds[_i].reasoning ? strlen(refunds[_i].reasoning) : 0;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert_int_eq(chat.admission.refunded, refunds[_i].refunded);
}
END_TEST

START_TEST(the_earlier_answer_is_superseded_once_the_new_one_has_text)
{
    const char *session_id = fake_chat_session(&chat);
    const char *old_id = fake_chat_exchange(&chat, session_id, "a", "b", MESSAGE_COMPLETE);
    struct message old;

    ck_assert(fake_repo_message(chat.repo, fake_chat_regenerate(&chat, old_id), &message));
    finish.supersedes = true;
    message.status = MESSAGE_FAILED;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(fake_repo_message(chat.repo, old_id, &old));
    ck_assert_str_eq(old.superseded_by, "");

    ck_assert(fake_repo_message(chat.repo, fake_chat_regenerate(&chat, old_id), &message));
    message.status = MESSAGE_STOPPED;
    message.content = "new";
    message.content_len = 3;
    finish = (struct finish_answer){.message = &message, .leaving = {.ticket = &ticket}, .supersedes = true};
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert(fake_repo_message(chat.repo, old_id, &old));
    ck_assert_str_eq(old.superseded_by, message.id);
}
END_TEST

static struct message counted(const char *content, const char *reasoning, struct token_usage usage, bool reached)
{
    struct message out = {.content = content,
                          .content_len = strlen(content),
                          .reasoning = reasoning,
                          .reasoning_len = reasoning ? strlen(reasoning) : 0,
                          .usage = usage};

    finish_answer_count_tokens(&out, 401, reached);
    return out;
}

START_TEST(the_provider_s_own_count_is_taken_as_it_is)
{
    struct message out = counted("twelve bytes", NULL, (struct token_usage){10, 20, 33, 0}, true);

    ck_assert_int_eq(out.usage.prompt_tokens, 10);
    ck_assert_int_eq(out.usage.total_tokens, 33);
    ck_assert_int_eq(out.token_count, 20);
    ck_assert(!out.tokens_estimated);
}
END_TEST

START_TEST(a_missing_total_is_the_sum)
{
    ck_assert_int_eq(counted("x", NULL, (struct token_usage){10, 20, -1, 0}, true).usage.total_tokens, 30);
    ck_assert_int_eq(counted("x", NULL, (struct token_usage){10, -1, -1, 0}, false).usage.total_tokens, -1);
    ck_assert_int_eq(counted("x", NULL, (struct token_usage){10, -1, -1, 0}, false).token_count, 0);
}
END_TEST

START_TEST(what_the_provider_left_out_is_estimated_beside_what_it_told)
{
    struct message no_completion = counted("twelve bytes", NULL, (struct token_usage){10, -1, -1, 0}, true),
                   no_prompt = counted("twelve bytes", NULL, (struct token_usage){-1, 7, -1, 0}, true);

    ck_assert_int_eq(no_completion.usage.prompt_tokens, 10);
    ck_assert_int_eq(no_completion.token_count, 3);
    ck_assert_int_eq(no_completion.usage.total_tokens, 13);
    ck_assert(no_completion.tokens_estimated);
    ck_assert_int_eq(no_prompt.usage.prompt_tokens, 101);
    ck_assert_int_eq(no_prompt.token_count, 7);
    ck_assert(no_prompt.tokens_estimated);
}
END_TEST

START_TEST(tokens_are_estimated_where_the_provider_told_none)
{
    struct message out = counted("twelve bytes", "eight by", (struct token_usage)USAGE_UNKNOWN, true);

    ck_assert(out.tokens_estimated);
    ck_assert_int_eq(out.usage.prompt_tokens, 101);
    ck_assert_int_eq(out.usage.completion_tokens, 3 + 2);
    ck_assert_int_eq(out.usage.total_tokens, 106);
    ck_assert_int_eq(out.token_count, 5);
}
END_TEST

START_TEST(nothing_is_estimated_where_the_provider_was_never_reached)
{
    struct message out = counted("", NULL, (struct token_usage)USAGE_UNKNOWN, false);

    ck_assert(!out.tokens_estimated);
    ck_assert_int_eq(out.usage.prompt_tokens, -1);
    ck_assert_int_eq(out.token_count, 0);
}
END_TEST

UNIT_SUITE(usecases_finish_answer)
{
    Suite *suite = suite_create("usecases_finish_answer");
    TCase *tcase = UNIT_CASE(
        suite, "finishing", the_row_has_text_usage_and_cost_and_the_lease_ends, done_twice_it_happens_once,
        where_the_context_begins_is_kept_once, while_the_database_is_away_the_lease_is_held,
        while_limits_are_away_the_row_is_not_written_again, while_the_database_is_away_the_breaker_is_told_and_once,
        an_answer_that_somebody_else_ended_is_left_as_it_is,
        the_earlier_answer_is_superseded_once_the_new_one_has_text);

    tcase_add_loop_test(tcase, only_a_failure_before_the_first_token_gives_the_daily_unit_back, 0,
                        (int)UNIT_COUNT(refunds));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    UNIT_CASE(suite, "counting", the_provider_s_own_count_is_taken_as_it_is, a_missing_total_is_the_sum,
              what_the_provider_left_out_is_estimated_beside_what_it_told,
              tokens_are_estimated_where_the_provider_told_none,
              nothing_is_estimated_where_the_provider_was_never_reached);
    return suite;
}
