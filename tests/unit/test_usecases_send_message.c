/* Sending: what is checked in which order, and what goes back when something fails after it was counted. */
#include "usecases/send_message.h"

#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct ready_answer ready;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
    ready = (struct ready_answer){0};
}

static void free_bodies(void)
{
    free(ready.spec.body);
    free(ready.spec.title.text);
    free(ready.spec.plain_title.text);
}

static void tear_down(void)
{
    free_bodies();
    fake_chat_fini(&chat);
}

static struct send_message question(const char *session_id, const char *content)
{
    return (struct send_message){
        .caller = &chat.alice, .session_id = session_id, .content = content, .content_len = strlen(content)};
}

static enum chat_error send_it(const struct send_message *in)
{
    free_bodies();
    problem = (struct problem){0};
    enum chat_error error = send_message_check(&chat.policy, in, &problem);
    return error == CHAT_OK ? send_message(&chat.ports, in, &chat.arena, &problem, &ready) : error;
}

static enum chat_error ask(const char *session_id, const char *content)
{
    struct send_message in = question(session_id, content);

    return send_it(&in);
}

static const char *body(void)
{
    return arena_strndup(&chat.arena, ready.spec.body, ready.spec.body_len);
}

/* Nothing is held any more; what was admitted has been given back with its daily unit. */
static void assert_given_back(int admitted)
{
    ck_assert_int_eq(chat.answers.reserved, 0);
    ck_assert_int_eq(chat.admission.admitted, admitted);
    ck_assert_int_eq(chat.admission.settled, admitted);
    ck_assert_int_eq(chat.admission.refunded, admitted);
    ck_assert_int_eq(chat.admission.quota.daily_used, 0);
}

START_TEST(a_question_is_stored_with_its_streaming_answer)
{
    const char *session_id = fake_chat_session(&chat);
    struct message row;

    ck_assert_int_eq(ask(session_id, "What is love?"), CHAT_OK);
    ck_assert_str_eq(ready.session.id, session_id);
    ck_assert_int_eq(ready.session.message_count, 2);
    ck_assert_str_eq(ready.question.content, "What is love?");
    ck_assert_int_eq(ready.question.token_count, message_estimate_tokens("What is love?", 13));
    ck_assert_str_eq(ready.answer.parent_id, ready.question.id);
    ck_assert_int_eq(ready.answer.epoch, 1);
    ck_assert_str_eq(ready.answer.model, "llama");
    ck_assert(fake_repo_message(chat.repo, ready.answer.id, &row));
    ck_assert_int_eq(row.status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(what_is_handed_to_the_relay_names_lease_and_prompt)
{
    chat.policy.system_prompt = "Be brief.";
    ck_assert_int_eq(ask(fake_chat_session(&chat), "Hello"), CHAT_OK);
    ck_assert_ptr_eq(ready.spec.answer, &ready.answer);
    ck_assert_ptr_eq(ready.spec.session, &ready.session);
    ck_assert_str_eq(ready.spec.ticket.answer_id, ready.answer.id);
    ck_assert_str_eq(ready.spec.ticket.user_id, "alice");
    ck_assert_str_eq(ready.spec.supersedes_id, "");
    ck_assert_str_eq(body(), "model=llama max_tokens=2048\nsystem: Be brief.\nuser: Hello\n");
    ck_assert_int_eq(chat.answers.reserved, 1); /* the place goes over to the relay */
    ck_assert_int_eq(chat.admission.settle_calls, 0);
    ck_assert_int_eq(ready.quota.daily_used, 1);
}
END_TEST

START_TEST(earlier_messages_come_along_as_far_as_the_policy_says)
{
    const char *session_id = fake_chat_session(&chat);

    fake_chat_exchange(&chat, session_id, "one", "1", MESSAGE_COMPLETE);
    fake_chat_exchange(&chat, session_id, "two", NULL, MESSAGE_FAILED);
    fake_chat_exchange(&chat, session_id, "three", "3", MESSAGE_STOPPED);
    chat.policy.max_context_messages = 4;
    ck_assert_int_eq(ask(session_id, "four"), CHAT_OK);
    ck_assert_str_eq(body(), "model=llama max_tokens=2048\nuser: two+three\nassistant: 3\nuser: four\n");
}
END_TEST

/* (chat-outgrows-model) */
START_TEST(turns_that_the_model_has_no_room_for_are_left_out_and_the_session_says_from_where)
{
    const char *session_id = fake_chat_session(&chat);

    fake_chat_exchange(&chat, session_id, "one", "1", MESSAGE_COMPLETE);
    fake_chat_exchange(&chat, session_id, "two", "2", MESSAGE_COMPLETE);
    ck_assert_ptr_null(context_list_parse("llama=2090", &chat.policy.contexts)); /* 42 beside the answer's 2048 */
    ck_assert_int_eq(ask(session_id, "three"), CHAT_OK);
    ck_assert_str_eq(body(), "model=llama max_tokens=2048\nuser: two\nassistant: 2\nuser: three\n");
    ck_assert(ready.spec.moves_start);
    ck_assert_uint_eq(strlen(ready.session.context_starts_at), UUID_TEXT_SIZE - 1);
    ck_assert_uint_gt(ready.spec.cut.from_end, 0);
}
END_TEST

START_TEST(a_context_of_less_than_an_answer_takes_the_question_alone)
{
    const char *session_id = fake_chat_session(&chat);

    fake_chat_exchange(&chat, session_id, "one", "1", MESSAGE_COMPLETE);
    ck_assert_ptr_null(context_list_parse("llama=100", &chat.policy.contexts));
    ck_assert_int_eq(ask(session_id, "two"), CHAT_OK);
    ck_assert_str_eq(body(), "model=llama max_tokens=2048\nuser: two\n");
}
END_TEST

START_TEST(a_context_begins_where_the_session_says)
{
    const char *session_id = fake_chat_session(&chat);
    struct message_page page;

    fake_chat_exchange(&chat, session_id, "one", "1", MESSAGE_COMPLETE);
    fake_chat_exchange(&chat, session_id, "two", "2", MESSAGE_COMPLETE);
    struct message_repo *messages = chat.ports.messages;
    ck_assert_int_eq(message_repo_page(messages, "alice", session_id, 0, 10, &chat.arena, &page), CHAT_OK);
    ck_assert_int_eq(session_repo_set_context_start(chat.ports.sessions, session_id, page.items[2].id), CHAT_OK);
    ck_assert_int_eq(ask(session_id, "three"), CHAT_OK);
    ck_assert_str_eq(body(), "model=llama max_tokens=2048\nuser: two\nassistant: 2\nuser: three\n");
    ck_assert_str_eq(ready.session.context_starts_at, page.items[2].id);
    ck_assert(!ready.spec.moves_start);
}
END_TEST

START_TEST(without_a_session_one_is_made_and_named_after_the_question)
{
    ck_assert_int_eq(ask(NULL, "  How do\nbirds fly?  "), CHAT_OK);
    ck_assert_str_eq(ready.session.title, "How do birds fly?");
    ck_assert_int_eq(ready.session.title_source, TITLE_FIRST_MESSAGE);
    ck_assert_str_eq(ready.session.model, "llama");
    ck_assert_str_eq(ready.answer.session_id, ready.session.id);
}
END_TEST

START_TEST(the_model_asked_for_is_the_new_session_s)
{
    struct send_message in = question(NULL, "Hello");

    in.model = "qwen";
    ck_assert_int_eq(send_it(&in), CHAT_OK);
    ck_assert_str_eq(ready.session.model, "qwen");
    ck_assert_str_eq(ready.answer.model, "qwen");
    ck_assert_int_eq(strncmp(body(), "model=qwen ", 11), 0);
}
END_TEST

START_TEST(a_first_question_names_a_session_that_has_no_title_yet)
{
    const char *session_id = fake_chat_session(&chat);

    ck_assert_int_eq(ask(session_id, "Why is the sky blue, and the sea, and why are the leaves of these trees green?"),
                     CHAT_OK);
    ck_assert_str_eq(ready.session.title, "Why is the sky blue, and the sea, and why are the leaves of\xe2\x80\xa6");
}
END_TEST

static const char *text_of(const struct title_body *title)
{
    return arena_strndup(&chat.arena, title->text, title->len);
}

START_TEST(a_title_is_asked_for_a_second_time_only_where_that_asks_for_something_else)
{
    chat.policy.title_model = "qwen";
    chat.provider.takes_effort = true;
    ck_assert_int_eq(ask(NULL, "Why?"), CHAT_OK);
    ck_assert_ptr_nonnull(ready.spec.title.text);
    ck_assert_ptr_nonnull(ready.spec.plain_title.text);
    ck_assert_int_eq(strncmp(text_of(&ready.spec.title), "model=qwen max_tokens=512 effort=low\n", 37), 0);
    ck_assert_int_eq(strncmp(text_of(&ready.spec.plain_title), "model=qwen max_tokens=512\n", 26), 0);
    ck_assert_str_eq(strchr(text_of(&ready.spec.title), '\n'), strchr(text_of(&ready.spec.plain_title), '\n'));

    chat.provider.takes_effort = false;
    ck_assert_int_eq(ask(NULL, "Why?"), CHAT_OK);
    ck_assert_ptr_nonnull(ready.spec.title.text);
    ck_assert_ptr_null(ready.spec.plain_title.text);
}
END_TEST

START_TEST(a_title_given_by_the_user_stays)
{
    const char *session_id = fake_chat_session(&chat);
    struct session_patch patch = {.title = "Mine", .pinned = -1, .archived = -1};
    struct session session;

    ck_assert_int_eq(session_repo_update(chat.ports.sessions, "alice", session_id, &patch, &chat.arena, &session),
                     CHAT_OK);
    ck_assert_int_eq(ask(session_id, "Something else"), CHAT_OK);
    ck_assert_str_eq(ready.session.title, "Mine");
}
END_TEST

START_TEST(a_replaced_question_supersedes_all_after_it)
{
    const char *session_id = fake_chat_session(&chat), *answer_id;
    struct message old_answer;
    struct send_message in = question(session_id, "better");

    answer_id = fake_chat_exchange(&chat, session_id, "worse", "no", MESSAGE_COMPLETE);
    ck_assert(fake_repo_message(chat.repo, answer_id, &old_answer));
    in.replaces_id = old_answer.parent_id;
    ck_assert_int_eq(send_it(&in), CHAT_OK);
    ck_assert(fake_repo_message(chat.repo, answer_id, &old_answer));
    ck_assert_str_eq(old_answer.superseded_by, ready.question.id);
    ck_assert_str_eq(body(), "model=llama max_tokens=2048\nuser: better\n");
}
END_TEST

START_TEST(content_is_checked_before_anything_is_taken)
{
    static const char *const bad[] = {"", " \n\t ", "\xff", "12345678901"};

    chat.policy.max_message_length = 10;
    chat.admission.refuse = CHAT_ERR_RATE_LIMITED;
    chat.answers.refuse = CHAT_ERR_OVERLOADED;
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        struct send_message in = question(NULL, bad[i]);

        in.model = "gpt";
        ck_assert_int_eq(send_it(&in), CHAT_ERR_VALIDATION_FAILED);
        ck_assert_str_eq(problem.param, "content");
        ck_assert(!problem.has_quota);
    }
    assert_given_back(0);
    ck_assert_int_eq(chat.admission.refused, 0);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_BEGIN), 0);
}
END_TEST

START_TEST(a_model_not_offered_is_refused_before_anything_is_taken)
{
    struct send_message in = question(NULL, "Hello");

    chat.answers.refuse = CHAT_ERR_OVERLOADED;
    in.model = "gpt";
    ck_assert_int_eq(send_it(&in), CHAT_ERR_MODEL_NOT_FOUND);
    ck_assert_str_eq(problem.param, "model");
    assert_given_back(0);
}
END_TEST

START_TEST(no_free_place_is_found_before_the_limits)
{
    static const enum chat_error errors[] = {CHAT_ERR_OVERLOADED, CHAT_ERR_SHUTTING_DOWN};

    for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
        chat.answers.refuse = errors[i];
        chat.admission.refuse = CHAT_ERR_RATE_LIMITED;
        ck_assert_int_eq(ask(NULL, "Hello"), errors[i]);
        ck_assert_int_gt(problem.retry_after_s, 0);
        ck_assert(!problem.has_quota);
    }
    ck_assert_int_eq(chat.admission.refused, 0);
}
END_TEST

START_TEST(a_refused_request_counts_nowhere_and_is_told_where_it_stands)
{
    static const enum chat_error errors[] = {CHAT_ERR_RATE_LIMITED, CHAT_ERR_QUOTA_EXCEEDED, CHAT_ERR_TOO_MANY_STREAMS};

    for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
        chat.admission.refuse = errors[i];
        chat.admission.retry_after_s = 30;
        ck_assert_int_eq(ask("00000000-0000-7000-8000-000000000000", "Hello"), errors[i]);
        ck_assert_int_eq(problem.error, errors[i]);
        ck_assert_int_eq(problem.retry_after_s, 30);
        ck_assert(problem.has_quota);
        ck_assert_int_eq(problem.quota.daily_limit, 100);
    }
    ck_assert_int_eq(chat.admission.settle_calls, 0);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_BEGIN),
                     0); /* not even looked whether the session exists */
    assert_given_back(0);
}
END_TEST

START_TEST(where_limits_cannot_be_checked_no_quota_is_shown)
{
    chat.admission.refuse = CHAT_ERR_QUOTA_UNAVAILABLE;
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_ERR_QUOTA_UNAVAILABLE);
    ck_assert(!problem.has_quota);
    assert_given_back(0);
}
END_TEST

/* A mutant kept the trial, and nobody was let through until its time was over (F). */
START_TEST(a_trial_that_the_store_refuses_is_given_up)
{
    chat.breaker.rule = (struct breaker){.state = BREAKER_OPEN, .until_ms = 1, .generation = 1};
    fake_repo_fail(chat.repo, FAKE_MESSAGE_BEGIN, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 1);
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_OK);
    ck_assert(ready.spec.breaker.trial);
}
END_TEST

/* (A3) */
START_TEST(the_session_s_model_is_asked_about_where_a_breaker_is_not_at_rest)
{
    const char *session_id = fake_chat_session(&chat);

    chat.breaker.spare = (struct breaker){.state = BREAKER_OPEN, .until_ms = INT64_MAX, .generation = 1};
    ck_assert_int_eq(ask(session_id, "Hello"), CHAT_OK);
    ck_assert_str_eq(ready.spec.breaker.model, "llama");
    chat.breaker.rule.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 5000;
    ck_assert_int_eq(ask(fake_chat_session(&chat), "Hello"), CHAT_ERR_UPSTREAM_RATE_LIMITED);
    ck_assert_int_eq(problem.retry_after_s, 5);
}
END_TEST

START_TEST(the_fallback_writes_where_the_model_rests_and_the_row_begins_with_the_one_wanted)
{
    chat.policy.fallback_model = "the-spare";
    chat.breaker.rule.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 5000;
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_OK);
    ck_assert_str_eq(ready.answer.model, "llama");
    ck_assert_str_eq(ready.spec.breaker.model, "the-spare");
    ck_assert_ptr_nonnull(strstr(ready.spec.body, "model=the-spare"));
}
END_TEST

START_TEST(what_the_store_refuses_is_given_back)
{
    static const enum chat_error errors[] = {CHAT_ERR_SESSION_NOT_FOUND, CHAT_ERR_MESSAGE_NOT_FOUND,
                                             CHAT_ERR_DATABASE_UNAVAILABLE, CHAT_ERR_INTERNAL};
    const uint64_t *given_back = &metrics->counters.quota[QUOTA_GIVEN_BACK], before = *given_back;

    for (size_t i = 0; i < UNIT_COUNT(errors); i++) {
        fake_repo_fail(chat.repo, FAKE_MESSAGE_BEGIN, errors[i], 1);
        ck_assert_int_eq(ask(NULL, "Hello"), errors[i]);
        ck_assert(problem.has_quota);
        ck_assert_int_eq(problem.quota.daily_used, 0);
        ck_assert_int_eq(problem.quota.daily_remaining, 100);
        ck_assert_int_eq(problem.quota.rate_remaining, 9 - (int)i); /* the minute's unit stays spent */
        assert_given_back((int)i + 1);
        ck_assert_uint_eq(*given_back - before, i + 1);
    }
}
END_TEST

START_TEST(somebody_else_s_session_does_not_exist)
{
    struct send_message in = question(fake_chat_session(&chat), "Hello");

    in.caller = &chat.bob;
    ck_assert_int_eq(send_it(&in), CHAT_ERR_SESSION_NOT_FOUND);
    assert_given_back(1);
}
END_TEST

START_TEST(a_second_question_while_an_answer_is_written_names_that_answer)
{
    const char *session_id = fake_chat_session(&chat);
    const char *active = fake_chat_exchange(&chat, session_id, "first", NULL, MESSAGE_STREAMING);

    ck_assert_int_eq(ask(session_id, "second"), CHAT_ERR_GENERATION_IN_PROGRESS);
    ck_assert_str_eq(problem.active_message_id, active);
    assert_given_back(1);
}
END_TEST

/* It has ended for who watched it; only the database must be told. */
START_TEST(behind_an_answer_that_is_not_stored_yet_the_database_is_what_is_missing)
{
    const char *session_id = fake_chat_session(&chat);
    const char *active = fake_chat_exchange(&chat, session_id, "first", NULL, MESSAGE_STREAMING);

    fake_log_put(&chat.log, active, "Because", "");
    chat.log.answers[0].has_end = true;
    ck_assert_int_eq(ask(session_id, "second"), CHAT_ERR_DATABASE_UNAVAILABLE);
    assert_given_back(1);
}
END_TEST

START_TEST(what_cannot_be_replaced_names_the_field)
{
    const char *session_id = fake_chat_session(&chat);
    struct send_message in = question(session_id, "better");

    in.replaces_id = fake_chat_exchange(&chat, session_id, "worse", "no", MESSAGE_COMPLETE); /* an answer */
    ck_assert_int_eq(send_it(&in), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_str_eq(problem.param, "replaces");
    assert_given_back(1);
}
END_TEST

START_TEST(a_give_back_that_fails_does_not_hide_the_error)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_BEGIN, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, -1);
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(problem.quota.daily_used, 1); /* it is still counted */
    ck_assert_int_eq(chat.answers.reserved, 0);
}
END_TEST

START_TEST(the_relay_is_told_who_is_an_admin)
{
    struct send_message in = question(NULL, "Hello");

    ck_assert_int_eq(send_it(&in), CHAT_OK);
    ck_assert(!ready.spec.is_admin);
    in.caller = &chat.admin;
    ck_assert_int_eq(send_it(&in), CHAT_OK);
    ck_assert(ready.spec.is_admin);
}
END_TEST

START_TEST(an_admin_has_no_daily_unit_to_give_back)
{
    struct send_message in = question("00000000-0000-7000-8000-000000000000", "Hello");
    const uint64_t *given_back = &metrics->counters.quota[QUOTA_GIVEN_BACK], before = *given_back;

    in.caller = &chat.admin;
    ck_assert_int_eq(send_it(&in), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_uint_eq(*given_back, before);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert(problem.quota.unlimited);
    ck_assert_int_eq(problem.quota.daily_used, 0);
    ck_assert_int_eq(problem.quota.daily_remaining, 100);
}
END_TEST

START_TEST(a_session_whose_model_is_no_longer_offered_gets_the_default)
{
    const char *session_id = fake_chat_session(&chat);

    chat.policy.models[0] = chat.policy.default_model = "qwen";
    chat.policy.model_count = 1;
    ck_assert_int_eq(ask(session_id, "Hello"), CHAT_OK);
    ck_assert_str_eq(ready.answer.model, "qwen");
    ck_assert_int_eq(strncmp(body(), "model=qwen ", 11), 0);
}
END_TEST

START_TEST(a_prompt_that_cannot_be_composed_ends_the_stored_answer)
{
    struct message row;

    chat.provider.compose_fails = true;
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_ERR_INTERNAL);
    ck_assert(fake_repo_message(chat.repo, chat.admission.last_answer_id, &row));
    ck_assert_int_eq(row.status, MESSAGE_FAILED);
    ck_assert_ptr_null(ready.spec.body);
    assert_given_back(1);
}
END_TEST

START_TEST(an_answer_that_cannot_be_ended_either_is_given_back_all_the_same)
{
    chat.provider.compose_fails = true;
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, -1);
    ck_assert_int_eq(ask(NULL, "Hello"), CHAT_ERR_INTERNAL);
    assert_given_back(1);
}
END_TEST

UNIT_SUITE(usecases_send_message)
{
    Suite *suite = suite_create("usecases_send_message");
    TCase *tcase;

    tcase = UNIT_CASE(
        suite, "what is made", a_question_is_stored_with_its_streaming_answer,
        what_is_handed_to_the_relay_names_lease_and_prompt, earlier_messages_come_along_as_far_as_the_policy_says,
        turns_that_the_model_has_no_room_for_are_left_out_and_the_session_says_from_where,
        a_context_of_less_than_an_answer_takes_the_question_alone, a_context_begins_where_the_session_says,
        without_a_session_one_is_made_and_named_after_the_question, the_model_asked_for_is_the_new_session_s,
        a_first_question_names_a_session_that_has_no_title_yet, a_title_given_by_the_user_stays,
        a_title_is_asked_for_a_second_time_only_where_that_asks_for_something_else,
        a_replaced_question_supersedes_all_after_it, a_session_whose_model_is_no_longer_offered_gets_the_default);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase = UNIT_CASE(
        suite, "what is refused", content_is_checked_before_anything_is_taken,
        a_model_not_offered_is_refused_before_anything_is_taken, no_free_place_is_found_before_the_limits,
        a_refused_request_counts_nowhere_and_is_told_where_it_stands, where_limits_cannot_be_checked_no_quota_is_shown,
        what_the_store_refuses_is_given_back, a_trial_that_the_store_refuses_is_given_up,
        the_session_s_model_is_asked_about_where_a_breaker_is_not_at_rest,
        the_fallback_writes_where_the_model_rests_and_the_row_begins_with_the_one_wanted,
        somebody_else_s_session_does_not_exist, a_second_question_while_an_answer_is_written_names_that_answer,
        behind_an_answer_that_is_not_stored_yet_the_database_is_what_is_missing,
        what_cannot_be_replaced_names_the_field, a_give_back_that_fails_does_not_hide_the_error,
        the_relay_is_told_who_is_an_admin, an_admin_has_no_daily_unit_to_give_back,
        a_prompt_that_cannot_be_composed_ends_the_stored_answer,
        an_answer_that_cannot_be_ended_either_is_given_back_all_the_same);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
