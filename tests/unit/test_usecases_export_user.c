/* All of one user's data: every page of each kind, in order, and an error never taken for the end. */
#include "usecases/export_user.h"

#include <stdio.h>

#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_user_data.h"
#include "unit.h"
#include "usecases/delete_session.h"
#include "usecases/list_sessions.h"

static struct fake_chat chat;
static struct fake_user_data data;

static struct test_sink {
    struct user_export_sink sink; /* first */
    int standing, deleted, open, messages, usage;
    int64_t last_deleted_ms, last_seq;
} sink;

static void take_session(struct user_export_sink *self, const struct session *session, int64_t deleted_at_ms)
{
    (void)self;
    ck_assert_int_eq(sink.open++, 0);
    ck_assert(session->id[0]);
    sink.last_seq = 0;
    if (!deleted_at_ms) {
        sink.standing++;
        ck_assert_msg(sink.deleted == 0, "sessions that stand come first");
        return;
    }
    sink.deleted++;
    ck_assert_int_eq(deleted_at_ms, sink.last_deleted_ms + 1); /* none twice, none left out */
    sink.last_deleted_ms = deleted_at_ms;
}

static void take_message(struct user_export_sink *self, const struct stored_message *message)
{
    (void)self;
    ck_assert_int_eq(sink.open, 1);
    ck_assert_int_eq(message->message.seq, ++sink.last_seq);
    sink.messages++;
}

static void end_session(struct user_export_sink *self)
{
    (void)self;
    ck_assert_int_eq(sink.open--, 1);
}

static void take_usage(struct user_export_sink *self, const struct usage_row *row)
{
    (void)self;
    ck_assert_int_eq(sink.open, 0);
    ck_assert_str_eq(row->key.user_id, chat.alice.user_id);
    sink.usage++;
}

static void set_up(void)
{
    fake_chat_init(&chat);
    fake_user_data_init(&data, chat.alice.user_id);
    sink = (struct test_sink){.sink = {take_session, take_message, end_session, take_usage}};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error export(const char *user_id) { return export_user(&chat.ports, &data.data, user_id, &sink.sink); }

static void put_usage(int days)
{
    struct usage_row row = {.counts = {.completions = 1}};
    snprintf(row.key.user_id, sizeof row.key.user_id, "%s", chat.alice.user_id);
    for (int i = 0; i < days; i++) {
        snprintf(row.key.day, sizeof row.key.day, "2026-01-%02d", 1 + i % 28);
        snprintf(row.key.model, sizeof row.key.model, "model-%d", i / 28);
        struct usage_batch batch = {
            .writer_id = "0190a1b2-0000-7000-8000-00000000000f", .number = i + 1, .rows = &row, .count = 1};
        ck_assert_int_eq(chat.ports.usage->ops->count(chat.ports.usage, &batch), CHAT_OK);
    }
}

START_TEST(of_somebody_without_anything_it_is_nothing)
{
    fake_chat_session(&chat);
    data.deleted = data.messages_each = 1;
    ck_assert_int_eq(export("somebody"), CHAT_OK);
    ck_assert_int_eq(sink.standing + sink.deleted + sink.messages + sink.usage, 0);
}
END_TEST

START_TEST(every_page_of_each_kind_is_given)
{
    for (int i = 0; i < PAGE_LIMIT_MAX + 3; i++) fake_chat_session(&chat);
    data.deleted = 2 * PAGE_LIMIT_MAX; /* ends with a full page */
    data.messages_each = PAGE_LIMIT_MAX + 1;
    put_usage(PAGE_LIMIT_MAX + 5);
    ck_assert_int_eq(export(chat.alice.user_id), CHAT_OK);
    ck_assert_int_eq(sink.standing, PAGE_LIMIT_MAX + 3);
    ck_assert_int_eq(sink.deleted, 2 * PAGE_LIMIT_MAX);
    ck_assert_int_eq(sink.messages, (3 * PAGE_LIMIT_MAX + 3) * (PAGE_LIMIT_MAX + 1));
    ck_assert_int_eq(sink.usage, PAGE_LIMIT_MAX + 5);
    ck_assert_int_le(data.most_asked, PAGE_LIMIT_MAX);
}
END_TEST

START_TEST(an_error_in_any_phase_is_no_end)
{
    fake_chat_session(&chat);
    data.deleted = PAGE_LIMIT_MAX + 1;
    data.messages_each = PAGE_LIMIT_MAX + 1;
    switch (_i) {
    case 0: fake_repo_fail(chat.repo, FAKE_SESSION_LIST, CHAT_ERR_DATABASE_UNAVAILABLE, 1); break;
    case 1: data.messages_error = CHAT_ERR_DATABASE_UNAVAILABLE; break;
    case 2: /* the second page of the first session */
        data.messages_error = CHAT_ERR_DATABASE_UNAVAILABLE;
        data.fail_from = 1;
        break;
    case 3: data.deleted_error = CHAT_ERR_DATABASE_UNAVAILABLE; break;
    case 4: /* the second page of deleted ones */
        data.deleted_error = CHAT_ERR_DATABASE_UNAVAILABLE;
        data.fail_from = 1;
        break;
    default: fake_repo_fail(chat.repo, FAKE_USAGE_LIST, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    }
    ck_assert_int_eq(export(chat.alice.user_id), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(sink.open, 0); /* each session that was begun has its end */
}
END_TEST

UNIT_SUITE(usecases_export_user)
{
    Suite *suite = suite_create("usecases_export_user");
    TCase *tcase =
        UNIT_CASE(suite, "export", of_somebody_without_anything_it_is_nothing, every_page_of_each_kind_is_given);
    tcase_add_loop_test(tcase, an_error_in_any_phase_is_no_end, 0, 6);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
