#include "usecases/export_session.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;

/* Keeps the numbers of what it is given. */
struct test_sink {
    struct export_sink sink; /* first */
    size_t count;
    void (*then)(void);
    int64_t seqs[1024];
};
static struct test_sink sink;

static void take_message(struct export_sink *self, const struct message *message)
{
    (void)self;
    ck_assert_uint_lt(sink.count, UNIT_COUNT(sink.seqs));
    sink.seqs[sink.count++] = message->seq;
    if (sink.then) sink.then();
}

static void set_up(void)
{
    fake_chat_init(&chat);
    sink = (struct test_sink){.sink = {take_message}};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static struct session session;

/* All of its pages. */
static enum chat_error export(const struct caller *caller, const char *session_id) {
    struct session_export at;
    enum chat_error error = export_session_open(&chat.ports, caller, session_id, &chat.arena, &at, &session);

    while (error == CHAT_OK && !at.over) error = export_session_next(&chat.ports, &at, &sink.sink);
    return error;
}

/* Questions with the numbers from..to. */
static void put_messages(const char *session_id, int64_t from, int64_t to)
{
    for (int64_t seq = from; seq <= to; seq++) {
        struct message message = {.seq = seq,
                                  .role = ROLE_USER,
                                  .status = MESSAGE_COMPLETE,
                                  .content = "text",
                                  .content_len = 4,
                                  .usage = USAGE_UNKNOWN};

        uuid_v7(clock_wall_ms(&chat.clock.clock), message.id);
        memcpy(message.session_id, session_id, UUID_TEXT_SIZE);
        fake_repo_put(chat.repo, &message);
    }
}

START_TEST(a_session_without_messages_is_itself_alone)
{
    ck_assert_int_eq(export(&chat.alice, fake_chat_session(&chat)), CHAT_OK);
    ck_assert_str_eq(session.title, SESSION_DEFAULT_TITLE);
    ck_assert_uint_eq(sink.count, 0);
}
END_TEST

START_TEST(a_conversation_of_any_length_is_whole_and_in_order)
{
    static const int64_t lengths[] = {1, 99, 100, 101, 200, 333};

    for (size_t i = 0; i < UNIT_COUNT(lengths); i++) {
        const char *id = fake_chat_session(&chat);

        put_messages(id, 1, lengths[i]);
        sink.count = 0;
        ck_assert_int_eq(export(&chat.alice, id), CHAT_OK);
        ck_assert_uint_eq(sink.count, (size_t)lengths[i]);
        for (size_t at = 0; at < sink.count; at++) ck_assert_int_eq(sink.seqs[at], (int64_t)at + 1);
    }
}
END_TEST

START_TEST(missing_numbers_repeat_and_skip_nothing)
{
    const char *id = fake_chat_session(&chat);

    put_messages(id, 1, 30);
    put_messages(id, 150, 160);
    put_messages(id, 450, 452);
    ck_assert_int_eq(export(&chat.alice, id), CHAT_OK);
    ck_assert_uint_eq(sink.count, 44);
    for (size_t at = 1; at < sink.count; at++) ck_assert_int_gt(sink.seqs[at], sink.seqs[at - 1]);
}
END_TEST

START_TEST(superseded_messages_are_left_out)
{
    const char *id = fake_chat_session(&chat);
    struct message message = {.seq = 7,
                              .role = ROLE_USER,
                              .status = MESSAGE_COMPLETE,
                              .content = "text",
                              .content_len = 4,
                              .superseded_by = "019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"};

    put_messages(id, 1, 6);
    uuid_v7(1, message.id);
    memcpy(message.session_id, id, UUID_TEXT_SIZE);
    fake_repo_put(chat.repo, &message);
    put_messages(id, 8, 9);
    ck_assert_int_eq(export(&chat.alice, id), CHAT_OK);
    ck_assert_uint_eq(sink.count, 8);
    ck_assert_int_eq(sink.seqs[6], 8);
}
END_TEST

START_TEST(somebody_else_s_session_is_not_found)
{
    ck_assert_int_eq(export(&chat.bob, fake_chat_session(&chat)), CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

static void then_fail(void)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_AFTER, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
}

START_TEST(a_store_that_goes_away_in_between_is_an_error)
{
    const char *id = fake_chat_session(&chat);

    put_messages(id, 1, 150);
    sink.then = then_fail;
    ck_assert_int_eq(export(&chat.alice, id), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_uint_eq(sink.count, EXPORT_PAGE_MESSAGES);
}
END_TEST

static const char *growing;

static void then_more(void)
{
    sink.then = NULL;
    put_messages(growing, 201, 400);
}

START_TEST(what_is_sent_meanwhile_is_not_part_of_it)
{
    growing = fake_chat_session(&chat);
    put_messages(growing, 1, 200);
    sink.then = then_more;
    ck_assert_int_eq(export(&chat.alice, growing), CHAT_OK);
    ck_assert_uint_eq(sink.count, 200);
}
END_TEST

/* A page is bounded by its texts too (A6). */
START_TEST(long_messages_come_few_at_a_time)
{
    const char *id = fake_chat_session(&chat);
    static char text[400 << 10];
    struct session_export at;

    memset(text, 'x', sizeof text);
    for (int64_t seq = 1; seq <= 20; seq++) {
        struct message message = {.seq = seq, .role = ROLE_USER, .content = text, .content_len = sizeof text};

        uuid_v7(clock_wall_ms(&chat.clock.clock), message.id);
        memcpy(message.session_id, id, UUID_TEXT_SIZE);
        fake_repo_put(chat.repo, &message);
    }
    ck_assert_int_eq(export_session_open(&chat.ports, &chat.alice, id, &chat.arena, &at, &session), CHAT_OK);
    ck_assert_int_eq(export_session_next(&chat.ports, &at, &sink.sink), CHAT_OK);
    ck_assert_uint_eq(sink.count, 3); /* the first that passes the bound is the last */
    sink.count = 0;
    ck_assert_int_eq(export(&chat.alice, id), CHAT_OK);
    ck_assert_uint_eq(sink.count, 20);
}
END_TEST

UNIT_SUITE(usecases_export_session)
{
    Suite *suite = suite_create("usecases_export_session");
    TCase *tcase = UNIT_CASE(suite, "exporting", a_session_without_messages_is_itself_alone,
                             a_conversation_of_any_length_is_whole_and_in_order,
                             missing_numbers_repeat_and_skip_nothing, superseded_messages_are_left_out,
                             somebody_else_s_session_is_not_found, a_store_that_goes_away_in_between_is_an_error,
                             what_is_sent_meanwhile_is_not_part_of_it, long_messages_come_few_at_a_time);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
