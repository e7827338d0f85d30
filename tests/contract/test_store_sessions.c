/* Sessions and their list: on every kind of store. */
#include <pthread.h>
#include <stdatomic.h>

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

static enum chat_error get(const char *id, struct session *out)
{
    return session_repo_get(store.sessions, store.user, id, &store.arena, out);
}

START_TEST(a_session_comes_back_as_it_was_stored)
{
    struct session out, in = {.title = "Räksmörgås 日本",
                              .title_source = TITLE_FIRST_MESSAGE,
                              .model = "model-a",
                              .created_at_ms = 1790000000123,
                              .updated_at_ms = 1790000000456,
                              .pinned = true};
    memcpy(in.id, store_new_id(&store), UUID_TEXT_SIZE);
    ck_assert_int_eq(session_repo_create(store.sessions, store.user, &in), CHAT_OK);
    ck_assert_int_eq(get(in.id, &out), CHAT_OK);
    ck_assert_str_eq(out.id, in.id);
    ck_assert_str_eq(out.title, in.title);
    ck_assert_int_eq(out.title_source, in.title_source);
    ck_assert_str_eq(out.model, in.model);
    ck_assert_int_eq(out.created_at_ms, in.created_at_ms);
    ck_assert_int_eq(out.updated_at_ms, in.updated_at_ms);
    ck_assert_int_eq(out.last_message_at_ms, 0);
    ck_assert_int_eq(out.message_count, 0);
    ck_assert(out.pinned);
    ck_assert(!out.archived);
}
END_TEST

START_TEST(every_millisecond_is_kept_exactly)
{
    for (int ms = 0; ms < 1000; ms += 37) {
        struct session out,
            in = {.title = "t", .model = "m", .created_at_ms = 1799999999000 + ms, .updated_at_ms = 4102444800000 + ms};
        memcpy(in.id, store_new_id(&store), UUID_TEXT_SIZE);
        ck_assert_int_eq(session_repo_create(store.sessions, store.user, &in), CHAT_OK);
        ck_assert_int_eq(get(in.id, &out), CHAT_OK);
        ck_assert_int_eq(out.created_at_ms, in.created_at_ms);
        ck_assert_int_eq(out.updated_at_ms, in.updated_at_ms);
    }
}
END_TEST

START_TEST(foreign_deleted_and_missing_sessions_are_alike)
{
    struct session out;
    struct session_patch patch = {.title = "x", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    char active[UUID_TEXT_SIZE];
    const char *mine = store_add_session(&store, "mine"), *gone = store_add_session(&store, "gone");
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, gone, store.now_ms, active), CHAT_OK);
    const struct {
        const char *user, *id;
    } cases[] = {{"somebody-else", mine}, {store.user, gone}, {store.user, store_new_id(&store)}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *user = cases[i].user, *id = cases[i].id;
        ck_assert_int_eq(session_repo_get(store.sessions, user, id, &store.arena, &out), CHAT_ERR_SESSION_NOT_FOUND);
        ck_assert_int_eq(session_repo_update(store.sessions, user, id, &patch, &store.arena, &out),
                         CHAT_ERR_SESSION_NOT_FOUND);
        ck_assert_int_eq(session_repo_remove(store.sessions, user, id, 1, active), CHAT_ERR_SESSION_NOT_FOUND);
    }
    ck_assert_int_eq(session_repo_restore(store.sessions, "somebody-else", gone, &store.arena, &out),
                     CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(a_change_touches_only_what_it_names)
{
    struct session out;
    const char *id = store_add_session(&store, NULL);
    struct session_patch pin = {.pinned = 1, .archived = -1, .now_ms = store.now_ms};
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &pin, &store.arena, &out), CHAT_OK);
    ck_assert(out.pinned && !out.archived);
    ck_assert_str_eq(out.title, SESSION_DEFAULT_TITLE);
    ck_assert_int_eq(out.title_source, TITLE_DEFAULT);
    ck_assert_int_eq(out.updated_at_ms, store.now_ms);
    struct session_patch rename = {.title = "Mine", .pinned = -1, .archived = 1, .now_ms = store.now_ms + 5};
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &rename, &store.arena, &out), CHAT_OK);
    ck_assert(out.pinned && out.archived);
    ck_assert_str_eq(out.title, "Mine");
    ck_assert_int_eq(out.title_source, TITLE_USER);
    struct session_patch unpin = {.pinned = 0, .archived = 0, .now_ms = store.now_ms + 6};
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &unpin, &store.arena, &out), CHAT_OK);
    ck_assert(!out.pinned && !out.archived);
}
END_TEST

START_TEST(a_deleted_session_can_be_restored)
{
    struct session out;
    char active[UUID_TEXT_SIZE];
    const char *id = store_add_session(&store, "back");
    struct answer_begun begun = store_exchange(&store, id, "question", "answer");
    struct session before;
    ck_assert_int_eq(get(id, &before), CHAT_OK);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    ck_assert_str_eq(active, "");
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, id, &store.arena, &out), CHAT_OK);
    ck_assert_str_eq(out.title, "back");
    ck_assert_int_eq(out.updated_at_ms, before.updated_at_ms); /* where it was in the list */
    ck_assert_int_eq(out.message_count, 2);
    /* a second time: as it is */
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, id, &store.arena, &out), CHAT_OK);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(store_get(&store, begun.answer.id).content, "answer");
}
END_TEST

START_TEST(a_delete_names_the_answer_that_is_being_written)
{
    char active[UUID_TEXT_SIZE];
    struct answer_begun begun;
    const char *id = store_add_session(&store, "busy");
    struct answer_begin begin = store_send_of(&store, id, "question");
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    ck_assert_str_eq(active, begun.answer.id);
    /* and its end is still written */
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_STOPPED, "par");
    ck_assert(store_end(&store, &end));
}
END_TEST

START_TEST(a_model_title_never_replaces_the_users)
{
    struct session out;
    bool taken;
    const char *id = store_add_session(&store, NULL);
    ck_assert_int_eq(session_repo_set_model_title(store.sessions, id, "By model", store.now_ms, &taken), CHAT_OK);
    ck_assert(taken);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.title, "By model");
    ck_assert_int_eq(out.title_source, TITLE_MODEL);
    struct session_patch rename = {.title = "By me", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &rename, &store.arena, &out), CHAT_OK);
    ck_assert_int_eq(session_repo_set_model_title(store.sessions, id, "Again", store.now_ms, &taken), CHAT_OK);
    ck_assert(!taken);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.title, "By me");
    ck_assert_int_eq(session_repo_set_model_title(store.sessions, store_new_id(&store), "x", store.now_ms, &taken),
                     CHAT_OK);
    ck_assert(!taken);
}
END_TEST

START_TEST(where_a_context_starts_is_kept_and_taken_back)
{
    struct session out;
    const char *id = store_add_session(&store, "long"), *message_id = store_new_id(&store);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.context_starts_at, "");
    ck_assert_int_eq(session_repo_set_context_start(store.sessions, id, message_id), CHAT_OK);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.context_starts_at, message_id);
    struct answer_begun begun;
    struct answer_begin begin = store_send_of(&store, id, "q");
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    ck_assert_str_eq(begun.session.context_starts_at, message_id);
    ck_assert_int_eq(session_repo_set_context_start(store.sessions, id, ""), CHAT_OK);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.context_starts_at, "");
    ck_assert_int_eq(session_repo_set_context_start(store.sessions, store_new_id(&store), message_id), CHAT_OK);
}
END_TEST

START_TEST(a_deleted_session_takes_no_model_title)
{
    char active[UUID_TEXT_SIZE];
    bool taken;
    const char *id = store_add_session(&store, NULL);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    ck_assert_int_eq(session_repo_set_model_title(store.sessions, id, "By model", store.now_ms, &taken), CHAT_OK);
    ck_assert(!taken);
}
END_TEST

START_TEST(no_time_goes_backwards)
{
    struct session out;
    const char *id = store_add_session(&store, NULL);
    int64_t made_ms = store.now_ms - 1000;
    bool taken;
    struct session_patch late = {.pinned = 1, .archived = -1, .now_ms = made_ms - 500};
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &late, &store.arena, &out), CHAT_OK);
    ck_assert_int_eq(out.updated_at_ms, made_ms);
    ck_assert_int_eq(session_repo_set_model_title(store.sessions, id, "x", made_ms - 500, &taken), CHAT_OK);
    struct answer_begun begun;
    struct answer_begin begin = store_send_of(&store, id, "q");
    begin.now_ms = made_ms - 500;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    ck_assert_int_eq(begun.session.updated_at_ms, made_ms);
}
END_TEST

START_TEST(the_same_session_twice_is_made_once)
{
    struct session out;
    struct session in = {.title = "first", .model = "m", .created_at_ms = 5, .updated_at_ms = 5};
    memcpy(in.id, store_new_id(&store), UUID_TEXT_SIZE);
    ck_assert_int_eq(session_repo_create(store.sessions, store.user, &in), CHAT_OK);
    ck_assert_int_eq(session_repo_create(store.sessions, store.user, &in), CHAT_OK);
    ck_assert_int_eq(get(in.id, &out), CHAT_OK);
    struct session_page page;
    struct session_query query = {.user_id = store.user, .sort = SORT_CREATED_AT, .limit = 5};
    ck_assert_int_eq(session_repo_list(store.sessions, &query, &store.arena, &page), CHAT_OK);
    ck_assert_uint_eq(page.count, 1);
}
END_TEST

/* ---- the list ---- */

static struct session_page list_after(const struct session_page *before, enum session_sort sort, int limit)
{
    struct session_page page;
    struct session_query query = {.user_id = store.user, .sort = sort, .limit = limit};
    if (before) {
        query.has_after = true;
        query.after = before->last;
    }
    ck_assert_int_eq(session_repo_list(store.sessions, &query, &store.arena, &page), CHAT_OK);
    return page;
}

START_TEST(the_list_is_newest_first_and_leaves_deleted_ones_out)
{
    char active[UUID_TEXT_SIZE];
    const char *a = store_add_session(&store, "a"), *b = store_add_session(&store, "b"),
               *c = store_add_session(&store, "c");
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, b, store.now_ms, active), CHAT_OK);
    store_exchange(&store, a, "moves a up", "yes");
    struct session_page page = list_after(NULL, SORT_CREATED_AT, 20);
    ck_assert_uint_eq(page.count, 2);
    ck_assert(!page.has_more);
    ck_assert_ptr_null(page.matches);
    ck_assert_str_eq(page.items[0].id, c);
    ck_assert_str_eq(page.items[1].id, a);
    page = list_after(NULL, SORT_UPDATED_AT, 20);
    ck_assert_str_eq(page.items[0].id, a);
    ck_assert_str_eq(page.items[1].id, c);
    ck_assert_int_eq(page.items[0].message_count, 2);
}
END_TEST

START_TEST(an_empty_list_is_empty)
{
    struct session_page page = list_after(NULL, SORT_CREATED_AT, 20);
    ck_assert_uint_eq(page.count, 0);
    ck_assert(!page.has_more);
}
END_TEST

struct inserter {
    int64_t now_ms;
    atomic_bool stop;
    int made;
};

/* Newer and (in time) equal sessions appear while the list is read. */
static void *insert_sessions(void *context)
{
    struct inserter *in = context;
    struct store mine;
    store_join(&mine, &store);
    while (!in->stop && in->made < 500) {
        mine.now_ms = in->now_ms + in->made++;
        store_add_session(&mine, "inserted");
    }
    store_close(&mine);
    return NULL;
}

START_TEST(pages_neither_skip_nor_repeat_while_others_insert)
{
    enum { COUNT = 60 };
    char ids[COUNT][UUID_TEXT_SIZE];
    int seen[COUNT] = {0};
    struct inserter in = {0};
    for (int i = 0; i < COUNT; i++) {
        /* groups of three share a time, so the id has to break the tie */
        if (i % 3) store.now_ms -= 1000;
        memcpy(ids[i], store_add_session(&store, "there"), UUID_TEXT_SIZE);
    }
    in.now_ms = store.now_ms;
    pthread_t thread;
    pthread_create(&thread, NULL, insert_sessions, &in);
    struct session_page page = {0};
    int64_t last_ms = INT64_MAX;
    for (bool first = true; first || page.has_more; first = false) {
        page = list_after(first ? NULL : &page, SORT_CREATED_AT, 7);
        ck_assert_uint_le(page.count, 7);
        for (size_t i = 0; i < page.count; i++) {
            ck_assert_int_le(page.items[i].created_at_ms, last_ms);
            last_ms = page.items[i].created_at_ms;
            for (int k = 0; k < COUNT; k++) seen[k] += strcmp(ids[k], page.items[i].id) == 0;
        }
    }
    in.stop = true;
    pthread_join(thread, NULL);
    for (int k = 0; k < COUNT; k++) ck_assert_int_eq(seen[k], 1);
}
END_TEST

/* Search is tested on Postgres alone (test_postgres_search.c): the fake only looks for the text as it stands. */
static Suite *sessions(const char *name, const char *tag, SFun open_store)
{
    Suite *suite = suite_create(name);
    TCase *tcase =
        CONTRACT_CASE(suite, "sessions", a_session_comes_back_as_it_was_stored, every_millisecond_is_kept_exactly,
                      the_same_session_twice_is_made_once, foreign_deleted_and_missing_sessions_are_alike,
                      a_change_touches_only_what_it_names, no_time_goes_backwards, a_deleted_session_can_be_restored,
                      a_delete_names_the_answer_that_is_being_written, a_model_title_never_replaces_the_users,
                      where_a_context_starts_is_kept_and_taken_back, a_deleted_session_takes_no_model_title,
                      the_list_is_newest_first_and_leaves_deleted_ones_out, an_empty_list_is_empty,
                      pages_neither_skip_nor_repeat_while_others_insert);
    contract_fixture(tcase, tag, open_store, close_store);
    return suite;
}

CONTRACT_SUITE(postgres_sessions)
{
    return sessions("postgres_sessions", "real", open_postgres);
}
CONTRACT_SUITE(fake_sessions)
{
    return sessions("fake_sessions", "fake", open_fake);
}
