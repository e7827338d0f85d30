#include "usecases/export_user.h"

#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/list_sessions.h"

static struct fake_chat chat;

/* Keeps what it is given as lines, a session, message or day each. */
struct test_sink {
    struct user_export_sink sink; /* first */
    bool in_session;
    const char *title;
    size_t count;
    const char *lines[1024];
};
static struct test_sink sink, whole;

static void add_line(const char *line)
{
    ck_assert_uint_lt(sink.count, UNIT_COUNT(sink.lines));
    sink.lines[sink.count++] = line;
}

static void take_session(struct user_export_sink *self, const struct session *session, int64_t deleted_at_ms)
{
    (void)self;
    ck_assert(!sink.in_session);
    sink.in_session = true;
    sink.title = arena_strdup(&chat.arena, session->title);
    add_line(arena_printf(&chat.arena, "%s %lld", session->title, (long long)deleted_at_ms));
}

static void take_message(struct user_export_sink *self, const struct stored_message *message)
{
    (void)self;
    ck_assert(sink.in_session);
    add_line(arena_printf(&chat.arena, "%s: %lld %s %s%s%s", sink.title, (long long)message->message.seq,
                          message->message.content, message_status_name(message->message.status),
                          message->feedback_comment ? " " : "",
                          message->feedback_comment ? message->feedback_comment : ""));
}

static void end_session(struct user_export_sink *self)
{
    (void)self;
    ck_assert(sink.in_session);
    sink.in_session = false;
}

static void take_usage(struct user_export_sink *self, const struct usage_row *row)
{
    (void)self;
    ck_assert(!sink.in_session);
    ck_assert_str_eq(row->key.user_id, "alice");
    add_line(arena_printf(&chat.arena, "%s %s %lld", row->key.day, row->key.model, (long long)row->counts.completions));
}

static void reset_sink(void)
{
    sink = (struct test_sink){.sink = {take_session, take_message, end_session, take_usage}};
}

static void set_up(void)
{
    fake_chat_init(&chat);
    reset_sink();
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error export(void) {
    reset_sink(); enum chat_error error = export_user(&chat.ports, fake_repo_user_data(chat.repo), "alice", &sink.sink);
    ck_assert(!sink.in_session);
    return error;
}

/* A millisecond after the one before it. */
static const char *add_session(const char *user_id, const char *title)
{
    struct session session = {.title = title, .model = "llama"};

    manual_clock_advance(&chat.clock, 1);
    session.created_at_ms = session.updated_at_ms = clock_wall_ms(&chat.clock.clock);
    uuid_v7(session.created_at_ms, session.id);
    ck_assert_int_eq(session_repo_create(chat.ports.sessions, user_id, &session), CHAT_OK);
    return arena_strdup(&chat.arena, session.id);
}

static void remove_session(const char *id)
{
    char active[UUID_TEXT_SIZE];

    ck_assert_int_eq(session_repo_remove(chat.ports.sessions, "alice", id, 7, active), CHAT_OK);
}

/* Sessions "<name>1", "<name>2", …; gives the first one's id. */
static const char *add_sessions(const char *name, int count, bool deleted)
{
    const char *first = NULL;

    for (int i = 1; i <= count; i++) {
        const char *id = add_session("alice", arena_printf(&chat.arena, "%s%d", name, i));

        if (deleted) remove_session(id);
        if (!first) first = id;
    }
    return first;
}

static void add_messages(const char *session_id, int count)
{
    for (int i = 1; i <= count; i++) {
        struct message message = {.seq = i, .status = MESSAGE_COMPLETE, .content = "text", .content_len = 4};

        uuid_v7(1, message.id);
        memcpy(message.session_id, session_id, UUID_TEXT_SIZE);
        fake_repo_put(chat.repo, &message);
    }
}

/* Everything, `count` of each: sessions that stand, deleted ones, messages in one of each, days. */
static void add_all(int count)
{
    const char *standing = add_sessions("s", count, false), *deleted = add_sessions("d", count, true);

    if (count) add_messages(standing, count);
    if (count) add_messages(deleted, count);
    fake_chat_use(&chat, "alice", "llama", count);
}

static size_t at; /* the line that is expected next */

static void expect(const char *line)
{
    ck_assert_uint_lt(at, sink.count);
    ck_assert_str_eq(sink.lines[at++], line);
}

static void expect_messages(const char *title, int count)
{
    for (int seq = 1; seq <= count; seq++) expect(arena_printf(&chat.arena, "%s: %d text complete", title, seq));
}

static const int counts[] = {0, 1, PAGE_LIMIT_MAX - 1, PAGE_LIMIT_MAX, PAGE_LIMIT_MAX + 1, 2 * PAGE_LIMIT_MAX};

/* Sessions newest first, then the deleted in the order of their ids, then days. */
START_TEST(any_number_of_each_is_given_once_and_in_order)
{
    int count = counts[_i];
    char day[QUOTA_DAY_SIZE];
    int64_t from_ms;

    add_all(count);
    ck_assert_int_eq(export(), CHAT_OK);
    at = 0;
    for (int i = count; i >= 1; i--) expect(arena_printf(&chat.arena, "s%d 0", i));
    expect_messages("s1", count);
    for (int i = 1; i <= count; i++) {
        expect(arena_printf(&chat.arena, "d%d 7", i));
        if (i == 1) expect_messages("d1", count);
    }
    ck_assert(usage_day_parse("2020-01-01", &from_ms));
    for (int i = 0; i < count; i++) {
        quota_day(from_ms + i * INT64_C(24) * 3600 * 1000, day);
        expect(arena_printf(&chat.arena, "%s llama 3", day));
    }
    ck_assert_uint_eq(at, sink.count);
}
END_TEST

START_TEST(messages_are_whole_also_superseded_ones_and_the_comment_with_its_feedback)
{
    const char *id = add_session("alice", "t"), *answer_id;
    struct message old = {.seq = 3,
                          .status = MESSAGE_COMPLETE,
                          .content = "old",
                          .content_len = 3,
                          .superseded_by = "019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"};
    struct message rated;

    answer_id = fake_chat_exchange(&chat, id, "Why?", "So", MESSAGE_COMPLETE);
    ck_assert_int_eq(
        message_repo_rate(chat.ports.messages, "alice", answer_id, FEEDBACK_DOWN, "Too short.", &chat.arena, &rated),
        CHAT_OK);
    uuid_v7(1, old.id);
    memcpy(old.session_id, id, UUID_TEXT_SIZE);
    fake_repo_put(chat.repo, &old);
    ck_assert_int_eq(export(), CHAT_OK);
    at = 0;
    expect("t 0");
    expect("t: 1 Why? complete");
    expect("t: 2 So complete Too short.");
    expect("t: 3 old complete");
}
END_TEST

START_TEST(an_answer_that_is_being_written_is_given_as_it_is_stored_and_goes_on)
{
    const char *answer_id = fake_chat_exchange(&chat, add_session("alice", "t"), "Why?", NULL, MESSAGE_STREAMING);
    struct message message;

    ck_assert_int_eq(export(), CHAT_OK);
    at = 0;
    expect("t 0");
    expect("t: 1 Why? complete");
    expect("t: 2  streaming");
    ck_assert_uint_eq(at, sink.count);
    ck_assert_int_eq(chat.answers.stopped, 0);
    ck_assert(fake_repo_message(chat.repo, answer_id, &message));
    ck_assert_int_eq(message.status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(days_are_told_apart_by_model)
{
    fake_chat_use(&chat, "alice", "qwen", 2);
    fake_chat_use(&chat, "alice", "llama", 2);
    ck_assert_int_eq(export(), CHAT_OK);
    at = 0;
    expect("2020-01-01 llama 3");
    expect("2020-01-01 qwen 3");
    expect("2020-01-02 llama 3");
    expect("2020-01-02 qwen 3");
    ck_assert_uint_eq(at, sink.count);
}
END_TEST

START_TEST(of_users_whose_ids_begin_alike_there_is_nothing)
{
    static const char *const others[] = {"alic", "alice2", "alice:9", "Alice"};

    for (size_t i = 0; i < UNIT_COUNT(others); i++) {
        char active[UUID_TEXT_SIZE];

        add_messages(add_session(others[i], "theirs"), 1);
        ck_assert_int_eq(
            session_repo_remove(chat.ports.sessions, others[i], add_session(others[i], "deleted"), 7, active), CHAT_OK);
        fake_chat_use(&chat, others[i], "llama", 1);
    }
    ck_assert_int_eq(export(), CHAT_OK);
    ck_assert_uint_eq(sink.count, 0);
}
END_TEST

static const char *on_second_page;

static void then_delete(struct user_export_sink *self, const struct session *session, int64_t deleted_at_ms)
{
    take_session(self, session, deleted_at_ms);
    if (sink.count == 1) remove_session(on_second_page);
}

static void then_rename(struct user_export_sink *self, const struct session *session, int64_t deleted_at_ms)
{
    const struct session_patch patch = {
        .title = "new", .pinned = -1, .archived = -1, .now_ms = clock_wall_ms(&chat.clock.clock) + 1};
    struct session renamed;

    take_session(self, session, deleted_at_ms);
    if (sink.count == 1)
        ck_assert_int_eq(
            session_repo_update(chat.ports.sessions, "alice", on_second_page, &patch, &chat.arena, &renamed), CHAT_OK);
}

static const struct {
    void (*session)(struct user_export_sink *self, const struct session *session, int64_t deleted_at_ms);
    const char *last_line;
} meanwhile[] = {{then_delete, "s1 7"}, {then_rename, "new 0"}};

START_TEST(a_session_that_is_deleted_or_written_to_meanwhile_is_not_missed)
{
    on_second_page = add_sessions("s", PAGE_LIMIT_MAX + 1, false);
    sink.sink.session = meanwhile[_i].session;
    ck_assert_int_eq(export_user(&chat.ports, fake_repo_user_data(chat.repo), "alice", &sink.sink), CHAT_OK);
    ck_assert_uint_eq(sink.count, PAGE_LIMIT_MAX + 1);
    ck_assert_str_eq(sink.lines[PAGE_LIMIT_MAX], meanwhile[_i].last_line);
}
END_TEST

static const struct {
    enum fake_repo_call call;
    int calls;
} phases[] = {
    {FAKE_SESSION_LIST, 2},
    {FAKE_USER_DELETED, 2},
    {FAKE_USER_MESSAGES, 2 * (PAGE_LIMIT_MAX + 2)}, /* each session's, and a second page in one of each */
    {FAKE_USAGE_LIST, 2},
};

START_TEST(a_store_that_goes_away_at_any_call_is_an_error_and_nothing_comes_after_it)
{
    add_all(PAGE_LIMIT_MAX + 1);
    ck_assert_int_eq(export(), CHAT_OK);
    whole = sink;
    ck_assert_int_eq(fake_repo_calls(chat.repo, phases[_i].call), phases[_i].calls);
    for (int fine = 0; fine < phases[_i].calls; fine++) {
        fake_repo_fail_later(chat.repo, phases[_i].call, CHAT_ERR_DATABASE_UNAVAILABLE, fine);
        ck_assert_int_eq(export(), CHAT_ERR_DATABASE_UNAVAILABLE);
        ck_assert_int_eq(fake_repo_calls(chat.repo, phases[_i].call), phases[_i].calls + (fine + 1) * (fine + 2) / 2);
        ck_assert_uint_lt(sink.count, whole.count);
        for (size_t i = 0; i < sink.count; i++) ck_assert_str_eq(sink.lines[i], whole.lines[i]);
    }
    ck_assert_int_eq(export(), CHAT_OK); /* and then it is whole again */
    ck_assert_uint_eq(sink.count, whole.count);
}
END_TEST

UNIT_SUITE(usecases_export_user)
{
    Suite *suite = suite_create("usecases_export_user");
    TCase *tcase =
        UNIT_CASE(suite, "exporting", messages_are_whole_also_superseded_ones_and_the_comment_with_its_feedback,
                  an_answer_that_is_being_written_is_given_as_it_is_stored_and_goes_on, days_are_told_apart_by_model,
                  of_users_whose_ids_begin_alike_there_is_nothing);

    tcase_add_loop_test(tcase, a_session_that_is_deleted_or_written_to_meanwhile_is_not_missed, 0,
                        UNIT_COUNT(meanwhile));
    tcase_add_loop_test(tcase, any_number_of_each_is_given_once_and_in_order, 0, UNIT_COUNT(counts));
    tcase_add_loop_test(tcase, a_store_that_goes_away_at_any_call_is_an_error_and_nothing_comes_after_it, 0,
                        UNIT_COUNT(phases));
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
