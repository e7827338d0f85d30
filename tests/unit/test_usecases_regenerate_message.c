/* A new answer to the same question. What it shares with sending is in test_usecases_send_message.c. */
#include "usecases/regenerate_message.h"

#include <stdlib.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/send_message.h"

static struct fake_chat chat;
static struct problem problem;
static struct ready_answer ready;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
    ready = (struct ready_answer){0};
}

static void tear_down(void)
{
    free(ready.spec.body);
    fake_chat_fini(&chat);
}

static enum chat_error again(const char *message_id, const char *model)
{
    struct regenerate_message in = {.caller = &chat.alice, .message_id = message_id, .model = model};

    enum chat_error error = regenerate_message_check(&chat.policy, &in, &problem);

    return error == CHAT_OK ? regenerate_message(&chat.ports, &in, &chat.arena, &problem, &ready) : error;
}

START_TEST(the_last_answer_is_written_anew_to_the_same_question)
{
    const char *session_id = fake_chat_session(&chat);
    const char *old_id = fake_chat_exchange(&chat, session_id, "Why?", "Because.", MESSAGE_COMPLETE);
    struct message old;

    ck_assert_int_eq(again(old_id, "qwen"), CHAT_OK);
    ck_assert(fake_repo_message(chat.repo, old_id, &old));
    ck_assert_str_eq(ready.answer.parent_id, old.parent_id);
    ck_assert_str_eq(ready.question.content, "Why?");
    ck_assert_str_eq(ready.answer.model, "qwen");
    ck_assert_str_eq(ready.spec.supersedes_id, old_id);
    ck_assert_str_eq(old.superseded_by, ""); /* it stands until the new one has text */
    ck_assert_str_eq(arena_strndup(&chat.arena, ready.spec.body, ready.spec.body_len),
                     "model=qwen max_tokens=2048\nuser: Why?\n");
}
END_TEST

START_TEST(an_earlier_answer_cannot_be_written_anew)
{
    const char *session_id = fake_chat_session(&chat);
    const char *first = fake_chat_exchange(&chat, session_id, "one", "1", MESSAGE_COMPLETE);

    fake_chat_exchange(&chat, session_id, "two", "2", MESSAGE_COMPLETE);
    ck_assert_int_eq(again(first, NULL), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_ptr_nonnull(problem.message);
    ck_assert_int_eq(chat.admission.refunded, 1);
    ck_assert_int_eq(chat.answers.reserved, 0);
}
END_TEST

START_TEST(a_model_not_offered_is_refused_first)
{
    ck_assert_int_eq(again("00000000-0000-7000-8000-000000000000", "gpt"), CHAT_ERR_MODEL_NOT_FOUND);
    ck_assert_str_eq(problem.param, "model");
    ck_assert_int_eq(chat.admission.admitted, 0);
}
END_TEST

/* (A3) */
START_TEST(its_session_s_model_is_asked_about_where_a_breaker_is_not_at_rest)
{
    const char *old_id = fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", "Because.", MESSAGE_COMPLETE);

    chat.policy.models[chat.policy.model_count++] = "spare";
    chat.policy.default_model = "spare";
    chat.breaker.rule = (struct breaker){.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 5000};
    ck_assert_int_eq(again(old_id, NULL), CHAT_ERR_UPSTREAM_RATE_LIMITED); /* llama's */
    problem = (struct problem){0};
    ck_assert_int_eq(again(old_id, "spare"), CHAT_OK);
}
END_TEST

START_TEST(a_first_answer_that_is_written_anew_gives_its_session_no_other_title)
{
    const struct send_message in = {.caller = &chat.alice, .content = "Why?", .content_len = 4};
    struct answer_end end = {.epoch = 1, .status = MESSAGE_COMPLETE, .content = "So.", .content_len = 3};
    struct session session;
    bool written;

    chat.policy.title_model = "qwen";
    ck_assert_int_eq(send_message(&chat.ports, &in, &chat.arena, &problem, &ready), CHAT_OK);
    ck_assert_ptr_nonnull(ready.spec.title.text);
    free(ready.spec.title.text);
    free(ready.spec.body);
    end.message_id = arena_strdup(&chat.arena, ready.answer.id);
    end.session_id = arena_strdup(&chat.arena, ready.session.id);
    ck_assert_int_eq(message_repo_end(chat.ports.messages, &end, &chat.arena, &written, &session), CHAT_OK);
    ck_assert_int_eq(again(end.message_id, NULL), CHAT_OK);
    ck_assert_int_eq(ready.question.seq, 1);
    ck_assert_int_eq(ready.session.title_source, TITLE_FIRST_MESSAGE);
    ck_assert_ptr_null(ready.spec.title.text);
}
END_TEST

START_TEST(an_unknown_answer_is_not_found)
{
    ck_assert_int_eq(again("00000000-0000-7000-8000-000000000000", NULL), CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(chat.admission.refunded, 1);
}
END_TEST

UNIT_SUITE(usecases_regenerate_message)
{
    Suite *suite = suite_create("usecases_regenerate_message");
    TCase *tcase =
        UNIT_CASE(suite, "regenerating", the_last_answer_is_written_anew_to_the_same_question,
                  an_earlier_answer_cannot_be_written_anew, a_model_not_offered_is_refused_first,
                  its_session_s_model_is_asked_about_where_a_breaker_is_not_at_rest,
                  a_first_answer_that_is_written_anew_gives_its_session_no_other_title, an_unknown_answer_is_not_found);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
