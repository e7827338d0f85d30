#include <pthread.h>
#include <stdatomic.h>

#include "postgres_fixture.h"

static struct store store;
static void open_store(void)
{
    store_open(&store);
}
static void close_store(void)
{
    store_close(&store);
}

static enum chat_error get(const char *id, struct session *out)
{
    return store.sessions->ops->get(store.sessions, store.user, id, &store.arena, out);
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
    ck_assert_int_eq(store.sessions->ops->create(store.sessions, store.user, &in), CHAT_OK);
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
        ck_assert_int_eq(store.sessions->ops->create(store.sessions, store.user, &in), CHAT_OK);
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
    ck_assert_int_eq(store.sessions->ops->remove(store.sessions, store.user, gone, store.now_ms, active), CHAT_OK);
    const struct {
        const char *user, *id;
    } cases[] = {{"somebody-else", mine}, {store.user, gone}, {store.user, store_new_id(&store)}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *user = cases[i].user, *id = cases[i].id;
        ck_assert_int_eq(store.sessions->ops->get(store.sessions, user, id, &store.arena, &out),
                         CHAT_ERR_SESSION_NOT_FOUND);
        ck_assert_int_eq(store.sessions->ops->update(store.sessions, user, id, &patch, &store.arena, &out),
                         CHAT_ERR_SESSION_NOT_FOUND);
        ck_assert_int_eq(store.sessions->ops->remove(store.sessions, user, id, 1, active), CHAT_ERR_SESSION_NOT_FOUND);
    }
    ck_assert_int_eq(store.sessions->ops->restore(store.sessions, "somebody-else", gone, &store.arena, &out),
                     CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(a_change_touches_only_what_it_names)
{
    struct session out;
    const char *id = store_add_session(&store, NULL);
    struct session_patch pin = {.pinned = 1, .archived = -1, .now_ms = store.now_ms};
    ck_assert_int_eq(store.sessions->ops->update(store.sessions, store.user, id, &pin, &store.arena, &out), CHAT_OK);
    ck_assert(out.pinned && !out.archived);
    ck_assert_str_eq(out.title, SESSION_DEFAULT_TITLE);
    ck_assert_int_eq(out.title_source, TITLE_DEFAULT);
    ck_assert_int_eq(out.updated_at_ms, store.now_ms);
    struct session_patch rename = {.title = "Mine", .pinned = -1, .archived = 1, .now_ms = store.now_ms + 5};
    ck_assert_int_eq(store.sessions->ops->update(store.sessions, store.user, id, &rename, &store.arena, &out), CHAT_OK);
    ck_assert(out.pinned && out.archived);
    ck_assert_str_eq(out.title, "Mine");
    ck_assert_int_eq(out.title_source, TITLE_USER);
    struct session_patch unpin = {.pinned = 0, .archived = 0, .now_ms = store.now_ms + 6};
    ck_assert_int_eq(store.sessions->ops->update(store.sessions, store.user, id, &unpin, &store.arena, &out), CHAT_OK);
    ck_assert(!out.pinned && !out.archived);
}
END_TEST

START_TEST(a_deleted_session_can_be_restored_until_it_is_purged)
{
    struct session out;
    char active[UUID_TEXT_SIZE];
    int purged;
    const char *id = store_add_session(&store, "back");
    store_exchange(&store, id, "question", "answer");
    /* long ago, so that the purge below meets no session of another test */
    ck_assert_int_eq(store.sessions->ops->remove(store.sessions, store.user, id, 1000, active), CHAT_OK);
    ck_assert_str_eq(active, "");
    ck_assert_int_eq(store.sessions->ops->restore(store.sessions, store.user, id, &store.arena, &out), CHAT_OK);
    ck_assert_str_eq(out.title, "back");
    ck_assert_int_eq(store.sessions->ops->restore(store.sessions, store.user, id, &store.arena, &out), CHAT_OK);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_int_eq(store.sessions->ops->remove(store.sessions, store.user, id, 1000, active), CHAT_OK);
    ck_assert_int_eq(pg_purge_sessions(store.conn, 500, 100, &purged), CHAT_OK);
    ck_assert_int_eq(purged, 0);
    ck_assert_int_eq(pg_purge_sessions(store.conn, 2000, 100, &purged), CHAT_OK);
    ck_assert_int_ge(purged, 1);
    ck_assert_int_eq(store.sessions->ops->restore(store.sessions, store.user, id, &store.arena, &out),
                     CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(a_delete_names_the_answer_that_is_being_written)
{
    char active[UUID_TEXT_SIZE];
    struct answer_begun begun;
    const char *id = store_add_session(&store, "busy");
    struct answer_begin begin = store_send_of(&store, id, "question");
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    ck_assert_int_eq(store.sessions->ops->remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
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
    ck_assert_int_eq(store.sessions->ops->set_model_title(store.sessions, id, "By model", store.now_ms, &taken),
                     CHAT_OK);
    ck_assert(taken);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.title, "By model");
    ck_assert_int_eq(out.title_source, TITLE_MODEL);
    struct session_patch rename = {.title = "By me", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    ck_assert_int_eq(store.sessions->ops->update(store.sessions, store.user, id, &rename, &store.arena, &out), CHAT_OK);
    ck_assert_int_eq(store.sessions->ops->set_model_title(store.sessions, id, "Again", store.now_ms, &taken), CHAT_OK);
    ck_assert(!taken);
    ck_assert_int_eq(get(id, &out), CHAT_OK);
    ck_assert_str_eq(out.title, "By me");
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
    ck_assert_int_eq(store.sessions->ops->list(store.sessions, &query, &store.arena, &page), CHAT_OK);
    return page;
}

START_TEST(the_list_is_newest_first_and_leaves_deleted_ones_out)
{
    char active[UUID_TEXT_SIZE];
    const char *a = store_add_session(&store, "a"), *b = store_add_session(&store, "b"),
               *c = store_add_session(&store, "c");
    ck_assert_int_eq(store.sessions->ops->remove(store.sessions, store.user, b, store.now_ms, active), CHAT_OK);
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
    char user[64];
    int64_t now_ms;
    atomic_bool stop;
    int made;
};

/* Newer and (in time) equal sessions appear while the list is read. */
static void *insert_sessions(void *context)
{
    struct inserter *in = context;
    struct store mine;
    store_open(&mine);
    memcpy(mine.user, in->user, sizeof mine.user);
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
    memcpy(in.user, store.user, sizeof in.user);
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

START_TEST(what_no_text_can_hold_is_refused_as_the_callers_mistake)
{
    struct session out;
    ck_assert_int_eq(get("no-uuid", &out), CHAT_ERR_INVALID_REQUEST);
    struct session_patch bad = {.title = "\xff\xfe", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    const char *id = store_add_session(&store, "t");
    ck_assert_int_eq(store.sessions->ops->update(store.sessions, store.user, id, &bad, &store.arena, &out),
                     CHAT_ERR_INVALID_REQUEST);
    ck_assert_int_eq(get(id, &out), CHAT_OK); /* the connection goes on */
}
END_TEST

START_TEST(the_tables_hold_the_domains_rules)
{
    struct session in = {.title = "", .model = "m", .created_at_ms = 1, .updated_at_ms = 1};
    memcpy(in.id, store_new_id(&store), UUID_TEXT_SIZE);
    ck_assert_int_eq(store.sessions->ops->create(store.sessions, store.user, &in), CHAT_ERR_INTERNAL);
    in.title = "fine";
    ck_assert_int_eq(store.sessions->ops->create(store.sessions, "not a user id", &in), CHAT_ERR_INTERNAL);
    ck_assert_int_eq(store.sessions->ops->create(store.sessions, store.user, &in), CHAT_OK);
}
END_TEST

CONTRACT_SUITE(postgres_sessions)
{
    Suite *suite = suite_create("postgres_sessions");
    TCase *tcase = CONTRACT_CASE(
        suite, "sessions", a_session_comes_back_as_it_was_stored, every_millisecond_is_kept_exactly,
        foreign_deleted_and_missing_sessions_are_alike, a_change_touches_only_what_it_names,
        a_deleted_session_can_be_restored_until_it_is_purged, a_delete_names_the_answer_that_is_being_written,
        a_model_title_never_replaces_the_users, the_list_is_newest_first_and_leaves_deleted_ones_out,
        an_empty_list_is_empty, pages_neither_skip_nor_repeat_while_others_insert,
        what_no_text_can_hold_is_refused_as_the_callers_mistake, the_tables_hold_the_domains_rules);
    tcase_add_checked_fixture(tcase, open_store, close_store);
    return suite;
}
