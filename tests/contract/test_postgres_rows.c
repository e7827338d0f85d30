/* What only tables have: the texts and values that they refuse, the longest ones that they take, and the purge. */
#include <libpq-fe.h>

#include "store_fixture.h"

static struct store store;
static void open_store(void)
{
    store_open(&store, &STORE_POSTGRES);
}
static void close_store(void)
{
    store_close(&store);
}

static enum chat_error get(const char *id, struct session *out)
{
    return session_repo_get(store.sessions, store.user, id, &store.arena, out);
}

static size_t messages_in(const char *session_id)
{
    struct message_page page;
    ck_assert_int_eq(message_repo_page(store.messages, store.user, session_id, 0, 10, &store.arena, &page), CHAT_OK);
    return page.count;
}

START_TEST(nul_and_bad_utf8_are_refused_and_nothing_is_stored)
{
    struct answer_begun begun;
    const char *id = store_add_session(&store, "bytes");
    struct answer_begin begin = store_send_of(&store, id, "a\0b");
    begin.content_len = 3;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_INVALID_REQUEST);
    begin = store_send_of(&store, id, "\xc3(");
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_INVALID_REQUEST);
    ck_assert_uint_eq(messages_in(id), 0);
}
END_TEST

START_TEST(the_longest_texts_are_stored_and_indexed)
{
    enum { POINTS = 100000 };
    char *text = arena_alloc(&store.arena, POINTS * 3 + 1);
    /* as many different pairs as there can be */
    for (int i = 0; i < POINTS; i++) {
        unsigned c = 0x4e00u + (unsigned)(i * 7919) % 20000u;
        text[i * 3] = (char)(0xe0 | c >> 12), text[i * 3 + 1] = (char)(0x80 | (c >> 6 & 0x3f));
        text[i * 3 + 2] = (char)(0x80 | (c & 0x3f));
    }
    const char *id = store_add_session(&store, "long");
    struct answer_begun begun = store_exchange(&store, id, text, text);
    ck_assert_uint_eq(store_get(&store, begun.answer.id).content_len, POINTS * 3);
    /* and as many different words as fit */
    char *words = arena_alloc(&store.arena, 400000 + 8);
    size_t len = 0;
    for (int i = 0; len < 400000; i++) len += (size_t)sprintf(words + len, "%x ", i);
    begun = store_exchange(&store, id, words, words);
    ck_assert_uint_eq(store_get(&store, begun.answer.id).content_len, len);
}
END_TEST

START_TEST(what_no_text_can_hold_is_refused_as_the_callers_mistake)
{
    struct session out;
    ck_assert_int_eq(get("no-uuid", &out), CHAT_ERR_INVALID_REQUEST);
    struct session_patch bad = {.title = "\xff\xfe", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    const char *id = store_add_session(&store, "t");
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &bad, &store.arena, &out),
                     CHAT_ERR_INVALID_REQUEST);
    ck_assert_int_eq(get(id, &out), CHAT_OK); /* the connection goes on */
}
END_TEST

START_TEST(the_tables_hold_the_domains_rules)
{
    struct session in = {.title = "", .model = "m", .created_at_ms = 1, .updated_at_ms = 1};
    memcpy(in.id, store_new_id(&store), UUID_TEXT_SIZE);
    ck_assert_int_eq(session_repo_create(store.sessions, store.user, &in), CHAT_ERR_INTERNAL);
    in.title = "fine";
    ck_assert_int_eq(session_repo_create(store.sessions, "not a user id", &in), CHAT_ERR_INTERNAL);
    ck_assert_int_eq(session_repo_create(store.sessions, "", &in), CHAT_ERR_INTERNAL);
    ck_assert_int_eq(session_repo_create(store.sessions, "with%20percent", &in), CHAT_ERR_INTERNAL);
    ck_assert_int_eq(session_repo_create(store.sessions, "line\n", &in), CHAT_ERR_INTERNAL);
    char longest[257] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=/-";
    size_t alphabet = strlen(longest);
    memset(longest + alphabet, 'x', sizeof longest - 1 - alphabet);
    ck_assert_int_eq(session_repo_create(store.sessions, longest, &in), CHAT_ERR_INTERNAL); /* 256 */
    longest[255] = '\0';
    ck_assert_int_eq(session_repo_create(store.sessions, longest, &in), CHAT_OK);
    memcpy(in.id, store_new_id(&store), UUID_TEXT_SIZE);
    ck_assert_int_eq(session_repo_create(store.sessions, store.user, &in), CHAT_OK);
}
END_TEST

/* "key fingerprint" of a row; "" where it has none. */
static const char *key_of(const char *message_id)
{
    PGconn *conn = PQconnectdb(contract_env("DATABASE_URL"));
    PGresult *result = PQexecParams(
        conn, "SELECT concat_ws(' ', idempotency_key, idempotency_fingerprint) FROM chat_messages WHERE id = $1", 1,
        NULL, &message_id, NULL, NULL, 0);
    ck_assert_int_eq(PQntuples(result), 1);
    const char *key = arena_strdup(&store.arena, PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    return key;
}

static struct answer_begun begin_with_key(struct answer_begin begin)
{
    struct answer_begun begun;
    begin.idempotency_key = "key-1";
    begin.idempotency_fingerprint = "0123456789abcdef";
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "answer");
    ck_assert(store_end(&store, &end));
    return begun;
}

/* One key for all of them: after a day it may come again. */
START_TEST(the_key_of_a_request_is_kept_with_the_first_row_that_it_makes)
{
    static const char stored[] = "key-1 0123456789abcdef";
    const char *id = store_add_session(&store, "keys");
    struct answer_begun sent = begin_with_key(store_send_of(&store, id, "question"));
    ck_assert_str_eq(key_of(sent.question.id), stored);
    ck_assert_str_eq(key_of(sent.answer.id), "");

    struct answer_begin again = store_send_of(&store, NULL, "");
    again.question_id = again.content = again.title = NULL;
    again.regenerates_id = sent.answer.id;
    struct answer_begun anew = begin_with_key(again);
    ck_assert_str_eq(key_of(anew.answer.id), stored);

    struct session fresh = {.title = "t", .model = "m", .created_at_ms = store.now_ms, .updated_at_ms = store.now_ms};
    memcpy(fresh.id, store_new_id(&store), UUID_TEXT_SIZE);
    struct answer_begin first = store_send_of(&store, fresh.id, "question");
    first.new_session = &fresh;
    ck_assert_str_eq(key_of(begin_with_key(first).question.id), stored);

    ck_assert_str_eq(key_of(store_exchange(&store, id, "without", "a key").question.id), "");
}
END_TEST

START_TEST(a_purged_session_can_not_be_restored)
{
    struct session out;
    char active[UUID_TEXT_SIZE];
    int purged;
    const char *id = store_add_session(&store, "back");
    store_exchange(&store, id, "question", "answer");
    /* long ago, so that the purge below meets no session of another test */
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, 1000, active), CHAT_OK);
    ck_assert_int_eq(session_repo_purge(store.sessions, 500, 100, &purged), CHAT_OK);
    ck_assert_int_eq(purged, 0);
    ck_assert_int_eq(session_repo_purge(store.sessions, 2000, 100, &purged), CHAT_OK);
    ck_assert_int_ge(purged, 1);
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, id, &store.arena, &out),
                     CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

/* Two workers' purges pass each other by: what one is about to delete the other leaves to it. (F) */
START_TEST(a_purge_does_not_wait_for_another)
{
    char active[UUID_TEXT_SIZE], sql[160];
    struct session out;
    int purged;
    const char *held = store_add_session(&store, "held"), *free_one = store_add_session(&store, "free");
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, held, 3000, active), CHAT_OK);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, free_one, 3001, active), CHAT_OK);
    PGconn *other = PQconnectdb(contract_env("DATABASE_URL"));
    snprintf(sql, sizeof sql, "BEGIN; SELECT 1 FROM chat_sessions WHERE id = '%s' FOR UPDATE", held);
    PQclear(PQexec(other, sql));
    ck_assert_int_eq(session_repo_purge(store.sessions, 4000, 100, &purged), CHAT_OK);
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, free_one, &store.arena, &out),
                     CHAT_ERR_SESSION_NOT_FOUND);
    PQfinish(other);
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, held, &store.arena, &out), CHAT_OK);
}
END_TEST

CONTRACT_SUITE(postgres_rows)
{
    Suite *suite = suite_create("postgres_rows");
    TCase *tcase =
        CONTRACT_CASE(suite, "rows", nul_and_bad_utf8_are_refused_and_nothing_is_stored,
                      the_longest_texts_are_stored_and_indexed, what_no_text_can_hold_is_refused_as_the_callers_mistake,
                      the_tables_hold_the_domains_rules, the_key_of_a_request_is_kept_with_the_first_row_that_it_makes,
                      a_purged_session_can_not_be_restored, a_purge_does_not_wait_for_another);
    contract_fixture(tcase, "real", open_store, close_store);
    return suite;
}
