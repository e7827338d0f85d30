#include "usecases/set_feedback.h"

#include <string.h>

#include "metrics/metrics.h"
#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct message message;

/* What reaches the store: it is not part of a message. */
static char kept_comment[2 * 4 * FEEDBACK_COMMENT_MAX];
static bool has_comment;
static struct message_repo_ops watched_ops;
static enum chat_error (*real_rate)(struct message_repo *self, const char *user_id, const char *message_id,
                                    enum message_feedback feedback, const char *comment, struct arena *arena,
                                    struct message *out);

static enum chat_error watch(struct message_repo *self, const char *user_id, const char *message_id,
                             enum message_feedback feedback, const char *comment, struct arena *arena,
                             struct message *out)
{
    has_comment = comment != NULL;
    strcpy(kept_comment, comment ? comment : "");
    return real_rate(self, user_id, message_id, feedback, comment, arena, out);
}

static void set_up(void)
{
    fake_chat_init(&chat);
    watched_ops = *chat.ports.messages->ops;
    real_rate = watched_ops.rate;
    watched_ops.rate = watch;
    chat.ports.messages->ops = &watched_ops;
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error rate_as(const struct caller *caller, const char *id, const char *rating, const char *comment)
{
    struct set_feedback in = {.caller = caller,
                              .message_id = id,
                              .rating = rating,
                              .comment = comment,
                              .comment_len = comment ? strlen(comment) : 0};

    problem = (struct problem){0};
    return set_feedback(&chat.ports, &in, &chat.arena, &problem, &message);
}

static enum chat_error rate(const char *id, const char *rating, const char *comment)
{
    return rate_as(&chat.alice, id, rating, comment);
}

static const char *answer(void)
{
    return fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", "Because.", MESSAGE_COMPLETE);
}

START_TEST(the_last_rating_stands)
{
    const char *id = answer();

    ck_assert_int_eq(rate(id, "up", NULL), CHAT_OK);
    ck_assert_int_eq(message.feedback, FEEDBACK_UP);
    ck_assert_int_eq(rate(id, "down", "The second step is missing."), CHAT_OK);
    ck_assert_int_eq(message.feedback, FEEDBACK_DOWN);
    ck_assert_str_eq(kept_comment, "The second step is missing.");
    ck_assert_int_eq(rate(id, "none", "never mind"), CHAT_OK);
    ck_assert_int_eq(message.feedback, FEEDBACK_NONE);
    ck_assert(!has_comment);
}
END_TEST

START_TEST(each_rating_is_counted_as_what_it_is)
{
    static const struct {
        const char *rating;
        enum metrics_feedback counted;
    } cases[] = {{"up", RATED_UP}, {"down", RATED_DOWN}, {"none", RATED_NONE}};
    const char *id = answer();

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        const uint64_t before = metrics->counters.feedback[cases[i].counted];

        ck_assert_int_eq(rate(id, cases[i].rating, NULL), CHAT_OK);
        ck_assert_uint_eq(metrics->counters.feedback[cases[i].counted], before + 1);
    }
}
END_TEST

START_TEST(a_comment_of_white_space_is_none)
{
    ck_assert_int_eq(rate(answer(), "up", " \n\xe2\x80\x83"), CHAT_OK);
    ck_assert(!has_comment);
}
END_TEST

START_TEST(a_comment_is_counted_in_code_points)
{
    static char comment[4 * (FEEDBACK_COMMENT_MAX + 1) + 1];
    const char *id = answer();

    for (size_t i = 0; i < FEEDBACK_COMMENT_MAX; i++) strcat(comment + 4 * i, "\xf0\x9f\x98\x80");
    ck_assert_int_eq(rate(id, "up", comment), CHAT_OK);
    ck_assert_str_eq(kept_comment, comment);
    strcat(comment, "x");
    ck_assert_int_eq(rate(id, "down", comment), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_str_eq(problem.fields[0].name, "comment");
}
END_TEST

START_TEST(a_rating_that_is_none_is_refused_before_the_store)
{
    static const char *const ratings[] = {NULL, "", "Up", "5", "good"};
    const char *id = answer();

    for (size_t i = 0; i < UNIT_COUNT(ratings); i++) {
        ck_assert_int_eq(rate(id, ratings[i], NULL), CHAT_ERR_VALIDATION_FAILED);
        ck_assert_str_eq(problem.fields[0].name, "rating");
    }
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_GET), 0);
}
END_TEST

START_TEST(a_question_cannot_be_rated)
{
    struct message stored;

    ck_assert(fake_repo_message(chat.repo, answer(), &stored));
    ck_assert_int_eq(rate(stored.parent_id, "up", NULL), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_str_eq(problem.fields[0].name, "id");
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_FEEDBACK), 0);
}
END_TEST

START_TEST(somebody_else_s_answer_is_not_found)
{
    ck_assert_int_eq(rate_as(&chat.bob, answer(), "up", NULL), CHAT_ERR_MESSAGE_NOT_FOUND);
    ck_assert_int_eq(problem.error, CHAT_ERR_MESSAGE_NOT_FOUND);
}
END_TEST

START_TEST(where_the_store_is_away_it_says_so)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_FEEDBACK, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(rate(answer(), "up", NULL), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(problem.error, CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_set_feedback)
{
    Suite *suite = suite_create("usecases_set_feedback");
    TCase *tcase = UNIT_CASE(suite, "rating", each_rating_is_counted_as_what_it_is, the_last_rating_stands,
                             a_comment_of_white_space_is_none, a_comment_is_counted_in_code_points,
                             a_rating_that_is_none_is_refused_before_the_store, a_question_cannot_be_rated,
                             somebody_else_s_answer_is_not_found, where_the_store_is_away_it_says_so);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
