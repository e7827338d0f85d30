/* All that is stored of one user: pages for handing it out, batches for erasing it. On every kind of store. */
#include "store_fixture.h"

static struct store store;
static void open_postgres(void)
{
    store_open(&store, &STORE_POSTGRES);
}
static void open_fake(void)
{
    store_open(&store, &STORE_FAKE);
}
static void close_store(void)
{
    store_close(&store);
}

/* Somebody whose id begins as the user's. */
static char *neighbour(void)
{
    return arena_printf(&store.arena, "%s:9", store.user);
}

static void delete_session(const char *id)
{
    char active[UUID_TEXT_SIZE];
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
}

static void add_days(const char *user_id, int count)
{
    static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    struct usage_row row = {.key.model = "model-a", .counts.completions = 1};
    struct usage_batch batch = {.now_ms = store.now_ms, .rows = &row, .count = 1};
    memcpy(batch.writer_id, store_new_id(&store), UUID_TEXT_SIZE);
    snprintf(row.key.user_id, sizeof row.key.user_id, "%s", user_id);
    for (int i = 0; i < count; i++) {
        batch.number++;
        quota_day(store.now_ms - i * day_ms, row.key.day);
        ck_assert_int_eq(usage_repo_count(store.usage, &batch), CHAT_OK);
    }
}

static size_t deleted(const char *user_id, const char *after_id, int limit, struct deleted_session **out)
{
    size_t count;
    ck_assert_int_eq(user_data_deleted(store.data, user_id, after_id, limit, &store.arena, out, &count), CHAT_OK);
    return count;
}

static size_t messages(const char *user_id, const char *session_id, int64_t after, int limit,
                       struct stored_message **out)
{
    size_t count;
    ck_assert_int_eq(user_data_messages(store.data, user_id, session_id, after, limit, &store.arena, out, &count),
                     CHAT_OK);
    return count;
}

static void expect_counts(const struct user_data_counts *counts, int64_t sessions, int64_t messages, int64_t usage_rows)
{
    ck_assert_int_eq(counts->sessions, sessions);
    ck_assert_int_eq(counts->messages, messages);
    ck_assert_int_eq(counts->usage_rows, usage_rows);
    ck_assert_int_eq(counts->redis_keys, 0);
}

static void expect_gone(const char *user_id, int limit, int64_t sessions, int64_t messages, int64_t usage_rows)
{
    struct user_data_counts gone;
    ck_assert_int_eq(user_data_erase(store.data, user_id, limit, &gone), CHAT_OK);
    expect_counts(&gone, sessions, messages, usage_rows);
}

static void expect_there(const char *user_id, int64_t sessions, int64_t usage_rows)
{
    struct user_data_counts there;
    ck_assert_int_eq(user_data_count(store.data, user_id, &there), CHAT_OK);
    expect_counts(&there, sessions, 0, usage_rows);
}

START_TEST(deleted_sessions_are_paged_by_id_and_those_that_stand_are_not_among_them)
{
    struct deleted_session *page;
    const char *ids[3];
    for (int i = 0; i < 3; i++) ids[i] = store_add_session(&store, "gone");
    store_add_session(&store, "stands");
    int64_t deleted_at_ms = store.now_ms;
    for (int i = 3; i-- > 0;) delete_session(ids[i]);
    ck_assert_uint_eq(deleted(store.user, "", 2, &page), 2);
    ck_assert_str_eq(page[0].session.id, ids[0]);
    ck_assert_str_eq(page[0].session.title, "gone");
    ck_assert_int_eq(page[0].deleted_at_ms, deleted_at_ms);
    ck_assert_str_eq(page[1].session.id, ids[1]);
    ck_assert_uint_eq(deleted(store.user, ids[1], 2, &page), 1);
    ck_assert_str_eq(page[0].session.id, ids[2]);
    ck_assert_uint_eq(deleted(store.user, ids[2], 2, &page), 0);
    ck_assert_uint_eq(deleted(neighbour(), "", 2, &page), 0);
}
END_TEST

START_TEST(messages_are_paged_by_seq_with_their_comments_in_deleted_sessions_too)
{
    struct stored_message *page;
    struct message rated;
    const char *id = store_add_session(&store, "t");
    struct answer_begun first = store_exchange(&store, id, "Q1", "A1");
    struct answer_begin again = store_send_of(&store, id, "Q2");
    struct answer_begun second;
    ck_assert_int_eq(message_repo_rate(store.messages, store.user, first.answer.id, FEEDBACK_DOWN, "Too short.",
                                       &store.arena, &rated),
                     CHAT_OK);
    again.replaces_id = first.question.id;
    ck_assert_int_eq(store_begin(&store, &again, &second), CHAT_OK);
    delete_session(id);
    ck_assert_uint_eq(messages(store.user, id, 0, 3, &page), 3);
    ck_assert_str_eq(page[0].message.content, "Q1");
    ck_assert_str_eq(page[0].message.superseded_by, second.question.id);
    ck_assert_ptr_null(page[0].feedback_comment);
    ck_assert_str_eq(page[1].message.content, "A1");
    ck_assert_str_eq(page[1].feedback_comment, "Too short.");
    ck_assert_str_eq(page[2].message.content, "Q2");
    ck_assert_uint_eq(messages(store.user, id, page[2].message.seq, 3, &page), 1);
    ck_assert_int_eq(page[0].message.status, MESSAGE_STREAMING);
    ck_assert_uint_eq(messages(neighbour(), id, 0, 3, &page), 0);
}
END_TEST

START_TEST(what_is_deleted_and_days_of_use_go_a_batch_at_a_time)
{
    for (int i = 0; i < 3; i++) {
        const char *id = store_add_session(&store, "t");
        store_exchange(&store, id, "Q", "A"); /* all on one day */
        if (i) delete_session(id);
    }
    store.now_ms += INT64_C(10) * 24 * 3600 * 1000;
    add_days(store.user, 4);
    add_days(neighbour(), 1);
    expect_there(store.user, 3, 5);
    expect_gone(neighbour(), 50, 0, 0, 1);
    expect_there(store.user, 3, 5);
    expect_gone(store.user, 1, 1, 2, 1);
    expect_gone(store.user, 3, 1, 2, 3);
    expect_gone(store.user, 3, 0, 0, 1);
    expect_gone(store.user, 3, 0, 0, 0);
    expect_there(store.user, 1, 0); /* the one that stands */
}
END_TEST

START_TEST(a_session_stays_while_an_answer_is_being_written_in_it)
{
    const char *id = store_add_session(&store, "t");
    struct answer_begin send = store_send_of(&store, id, "Q");
    struct answer_begun begun;
    ck_assert_int_eq(store_begin(&store, &send, &begun), CHAT_OK);
    delete_session(id);
    expect_gone(store.user, 50, 0, 0, 0);
    expect_there(store.user, 1, 0);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_STOPPED, "A");
    ck_assert(store_end(&store, &end));
    expect_there(store.user, 1, 1);
    expect_gone(store.user, 50, 1, 2, 1);
    expect_there(store.user, 0, 0);
}
END_TEST

static Suite *suite_on(const char *name, const char *tag, SFun open)
{
    Suite *suite = suite_create(name);
    contract_fixture(CONTRACT_CASE(suite, "user data",
                                   deleted_sessions_are_paged_by_id_and_those_that_stand_are_not_among_them,
                                   messages_are_paged_by_seq_with_their_comments_in_deleted_sessions_too,
                                   what_is_deleted_and_days_of_use_go_a_batch_at_a_time,
                                   a_session_stays_while_an_answer_is_being_written_in_it),
                     tag, open, close_store);
    return suite;
}

CONTRACT_SUITE(postgres_user_data)
{
    return suite_on("postgres_user_data", "real", open_postgres);
}
CONTRACT_SUITE(fake_user_data)
{
    return suite_on("fake_user_data", "fake", open_fake);
}
