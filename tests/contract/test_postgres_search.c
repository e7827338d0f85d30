#include "postgres/search_text.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- text, without a store ---- */

START_TEST(text_becomes_words_and_pairs)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", ""},
        {" ,.;!? ", ""},
        {"Hello, World!", "Hello World"},
        {"foo/bar.txt me@example.org snake_case a-b", "foo bar txt me example org snake case a b"},
        {"日本語", "日本 本語 語"},
        {"日", "日"},
        {"in日本now", "in 日本 本 now"},
        {"東京、大阪", "東京 京 、 大阪 阪"},
        {"カタカナー", "カタ タカ カナ ナー ー"},
        {"한국어 a", "한국 국어 어 a"},
        {"naïve Ärger", "naïve Ärger"},
        {"cafe\u0301 au lait", "caf\u00e9 au lait"},
        {"\u304b\u3099\u3044\u3053\u304f", "がい いこ こく く"},
        {"\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국 국"},
        {"Vie\u0302\u0323t Vie\u0323\u0302t", "Việt Việt"},
        {"a\xffz", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(search_text_words(cases[i].text, strlen(cases[i].text), &store.arena), cases[i].words);
}
END_TEST

START_TEST(words_are_bounded)
{
    char *text = arena_alloc(&store.arena, 1000001);
    for (int i = 0; i < 1000000; i++) text[i] = (char)(i % 3 == 2 ? ' ' : 'a' + i % 26);
    ck_assert_uint_le(strlen(search_text_words(text, 1000000, &store.arena)), SEARCH_TEXT_MAX_BYTES);
    memset(text, 'x', 1000);
    memcpy(text + 1000, " end", 5);
    ck_assert_str_eq(search_text_words(text, 1004, &store.arena), "end"); /* one endless word is left out */
}
END_TEST

START_TEST(a_query_is_never_syntax)
{
    static const struct {
        const char *query, *tsquery;
    } cases[] = {
        {"hello wor", "'hello' & 'wor':*"},
        {"a & b | !c <-> d", "'a' & 'b' & 'c' & 'd':*"},
        {"it's \\'); DROP", "'it' & 's' & 'DROP':*"},
        {"日本語", "'日本' & '本語':*"},
        {"日", "'日':*"},
        {"日本 日", "'日本' & '日':*"},
        {"fix日本語now", "'fix' & '日本' & '本語' & 'now':*"},
        {"u\u0308ber cafe\u0301", "'\u00fcber' & 'caf\u00e9':*"},
        {"\u1112\u1161\u11ab\u1100\u116e\u11a8", "'한국':*"},
        {"...", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct search_terms terms;
        search_text_terms(cases[i].query, &store.arena, &terms);
        ck_assert_pstr_eq(search_text_tsquery(&terms, &store.arena), cases[i].tsquery);
    }
}
END_TEST

static const char *snippet(const char *text, const char *query)
{
    struct search_terms terms;
    search_text_terms(query, &store.arena, &terms);
    return search_text_snippet(text, strlen(text), &terms, &store.arena);
}

START_TEST(a_snippet_is_plain_text_around_the_match)
{
    ck_assert_str_eq(snippet("short  text\n\nwith <b>match</b>", "match"), "short text with <b>match</b>");
    ck_assert_str_eq(snippet("nothing here", "absent"), "nothing here");
    ck_assert_str_eq(snippet("", "absent"), "");
    ck_assert_str_eq(snippet("ÄRGER im Büro", "ärg"), "ÄRGER im Büro");
    struct buf text;
    buf_init(&text, 100000);
    for (int i = 0; i < 500; i++) buf_append_str(&text, "wörd ");
    buf_append_str(&text, "Needle ");
    for (int i = 0; i < 500; i++) buf_append_str(&text, "日本 ");
    buf_append_char(&text, '\0');
    const char *found = snippet(text.data, "needle");
    size_t len = strlen(found);
    ck_assert_ptr_nonnull(strstr(found, "Needle"));
    ck_assert(utf8_valid(found, len));
    ck_assert_uint_le(utf8_count(found, len), SEARCH_SNIPPET_MAX);
    ck_assert_int_eq(strncmp(found, "…wörd", strlen("…wörd")), 0);
    ck_assert_str_eq(found + len - strlen("…"), "…");
    buf_fini(&text);
}
END_TEST

START_TEST(a_snippet_shows_what_was_written)
{
    ck_assert_str_eq(snippet("Un cafe\u0301 noir", "caf\u00e9"), "Un cafe\u0301 noir");
    ck_assert_str_eq(snippet("Un caf\u00e9 noir", "cafe\u0301"), "Un caf\u00e9 noir");
    struct buf text;
    buf_init(&text, 100000);
    for (int i = 0; i < 500; i++) buf_append_str(&text, "e\u0301te\u0301 ");
    size_t at = text.len;
    buf_append_str(&text, "cafe\u0301 \u304b\u3099\u3044 ");
    for (int i = 0; i < 500; i++) buf_append_str(&text, "e\u0301te\u0301 ");
    buf_append_char(&text, '\0');
    static const char *const queries[] = {"caf\u00e9", "cafe\u0301", "\u304c", "\u304c\u3044"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        const char *found = snippet(text.data, queries[i]), *match = strstr(found, "cafe\u0301 \u304b\u3099\u3044");
        ck_assert_msg(match != NULL, "%s: %s", queries[i], found);
        ck_assert_uint_le(utf8_count(found, (size_t)(match - found)), 61); /* what leads to it, as in other texts */
        ck_assert_ptr_nonnull(memmem(text.data, at + 20, found + strlen("…"), (size_t)(match - found) - strlen("…")));
    }
    buf_fini(&text);
}
END_TEST

/* ---- search, with the store ---- */

static struct session_page search_as(const char *user, const char *words, int limit, const struct session_page *before)
{
    struct session_page page;
    struct session_query query = {.user_id = user, .limit = limit, .search = words};
    if (before) query.has_after = true, query.after = before->last;
    ck_assert_int_eq(session_repo_list(store.sessions, &query, &store.arena, &page), CHAT_OK);
    ck_assert_ptr_nonnull(page.matches);
    return page;
}
static struct session_page search(const char *words)
{
    return search_as(store.user, words, 20, NULL);
}

START_TEST(questions_answers_and_titles_are_found)
{
    const char *id = store_add_session(&store, "Sourdough basics");
    struct answer_begun begun = store_exchange(&store, id, "How long to PROOF the dough?", "Overnight in a fridge.");
    struct session_page page = search("proof");
    ck_assert_uint_eq(page.count, 1);
    ck_assert_str_eq(page.items[0].id, id);
    ck_assert_str_eq(page.matches[0].message_id, begun.question.id);
    ck_assert_str_eq(page.matches[0].snippet, "How long to PROOF the dough?");
    page = search("fridge overnight");
    ck_assert_str_eq(page.matches[0].message_id, begun.answer.id);
    page = search("sourd");
    ck_assert_uint_eq(page.count, 1);
    ck_assert_str_eq(page.matches[0].message_id, "");
    ck_assert_str_eq(page.matches[0].snippet, "Sourdough basics");
    ck_assert_uint_eq(search("fridge absent").count, 0);
    ck_assert_uint_eq(search("ough").count, 0);
    ck_assert_uint_eq(search("!!!").count, 0);
}
END_TEST

START_TEST(a_session_comes_once_with_its_newest_match)
{
    const char *id = store_add_session(&store, "apple pie");
    store_exchange(&store, id, "apple one", "apple two");
    struct answer_begun last = store_exchange(&store, id, "apple three", "pear");
    struct session_page page = search("apple");
    ck_assert_uint_eq(page.count, 1);
    ck_assert_str_eq(page.matches[0].message_id, last.question.id);
}
END_TEST

START_TEST(chinese_japanese_and_korean_are_found_within_their_runs)
{
    const char *id = store_add_session(&store, "x");
    store_exchange(&store, id, "私は日本語を勉強しています", "数据库的查询优化很重要");
    static const char *const hits[] = {"日本", "日本語", "勉強", "語", "私", "查询", "数据库", "很重要", "要"};
    static const char *const misses[] = {"本日", "日語", "英語", "库数"};
    for (size_t i = 0; i < sizeof hits / sizeof hits[0]; i++)
        ck_assert_msg(search(hits[i]).count == 1, "%s is not found", hits[i]);
    for (size_t i = 0; i < sizeof misses / sizeof misses[0]; i++)
        ck_assert_msg(search(misses[i]).count == 0, "%s is found", misses[i]);
}
END_TEST

START_TEST(letters_of_any_script_are_found_in_any_case)
{
    const char *id = store_add_session(&store, "x");
    store_exchange(&store, id, "Ärger im BÜRO", "Привет, МИР");
    ck_assert_uint_eq(search("büro").count, 1);
    ck_assert_uint_eq(search("ÄRG").count, 1);
    ck_assert_uint_eq(search("мир").count, 1);
    ck_assert_uint_eq(search("ПРИ").count, 1);
}
END_TEST

/* The same to a reader, in two spellings. */
static const char *const spellings[][2] = {
    {"caf\u00e9 au lait", "cafe\u0301 au lait"},
    {"\u00dcber", "U\u0308ber"},
    {"\u304c\u3044\u3053\u304f", "\u304b\u3099\u3044\u3053\u304f"},             /* kana with voiced marks */
    {"\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165"}, /* Hangul's parts */
    {"Vi\u1ec7t Nam", "Vie\u0302\u0323t Nam"},                                  /* marks in either order */
    {"Vi\u1eb9\u0302t Nam", "Vi\u00ea\u0323t Nam"},
    {"\u0439\u043e\u0433\u0443\u0440\u0442", "\u0438\u0306\u043e\u0433\u0443\u0440\u0442"},
};

START_TEST(letters_with_marks_are_found_however_they_are_spelt)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        for (size_t as = 0; as < 2; as++) {
            const char *written = spellings[i][as], *searched = spellings[i][!as];
            const char *id = store_add_session(&store, "x");
            struct answer_begun begun = store_exchange(&store, id, written, "y");
            struct session_page page = search(searched);
            ck_assert_msg(page.count == 1, "%s: %zu found", searched, page.count);
            ck_assert_str_eq(page.matches[0].message_id, begun.question.id);
            ck_assert_str_eq(page.matches[0].snippet, written);
            ck_assert_str_eq(store_get(&store, begun.question.id).content, written);
            begun = store_exchange(&store, id, "z", written);
            ck_assert_str_eq(search(searched).matches[0].message_id, begun.answer.id);
            char active[UUID_TEXT_SIZE];
            ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
        }
    ck_assert_uint_eq(search("cafe au lait").count, 0); /* a mark is still a mark */
}
END_TEST

START_TEST(titles_with_marks_are_found_however_they_are_spelt)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        for (size_t as = 0; as < 2; as++) {
            const char *written = spellings[i][as], *searched = spellings[i][!as];
            char active[UUID_TEXT_SIZE];
            struct session out;
            bool taken;
            const char *made = store_add_session(&store, written), *modelled = store_add_session(&store, NULL);
            const char *renamed = store_add_session(&store, "x");
            store_exchange(&store, modelled, "q", "a");
            ck_assert_int_eq(session_repo_set_model_title(store.sessions, modelled, written, store.now_ms, &taken),
                             CHAT_OK);
            struct session_patch rename = {.title = written, .pinned = -1, .archived = -1, .now_ms = store.now_ms};
            ck_assert_int_eq(session_repo_update(store.sessions, store.user, renamed, &rename, &store.arena, &out),
                             CHAT_OK);
            ck_assert_str_eq(out.title, written);
            struct session_page page = search(searched);
            ck_assert_msg(page.count == 3, "%s: %zu found", searched, page.count);
            for (size_t at = 0; at < page.count; at++) ck_assert_str_eq(page.matches[at].snippet, written);
            const char *const ids[] = {made, modelled, renamed};
            for (size_t at = 0; at < 3; at++)
                ck_assert_int_eq(session_repo_remove(store.sessions, store.user, ids[at], store.now_ms, active),
                                 CHAT_OK);
        }
}
END_TEST

START_TEST(nobody_finds_what_is_anothers_deleted_or_superseded)
{
    char active[UUID_TEXT_SIZE];
    const char *id = store_add_session(&store, "x");
    struct answer_begun begun = store_exchange(&store, id, "zucchini", "aubergine");
    ck_assert_uint_eq(search("zucchini").count, 1);
    ck_assert_uint_eq(search_as("somebody-else", "zucchini", 20, NULL).count, 0);
    struct answer_begin edit = store_send_of(&store, id, "courgette");
    edit.replaces_id = arena_strdup(&store.arena, begun.question.id);
    ck_assert_int_eq(store_begin(&store, &edit, &begun), CHAT_OK);
    ck_assert_uint_eq(search("zucchini").count, 0);
    ck_assert_uint_eq(search("courgette").count, 1);
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, id, store.now_ms, active), CHAT_OK);
    ck_assert_uint_eq(search("courgette").count, 0);
    struct session out;
    ck_assert_int_eq(session_repo_restore(store.sessions, store.user, id, &store.arena, &out), CHAT_OK);
    ck_assert_uint_eq(search("courgette").count, 1);
}
END_TEST

START_TEST(a_new_title_is_found_and_the_old_one_is_not)
{
    struct session out;
    bool taken;
    const char *id = store_add_session(&store, NULL);
    store_exchange(&store, id, "q", "a"); /* takes the title "from the first message" */
    ck_assert_uint_eq(search("from first").count, 1);
    ck_assert_int_eq(session_repo_set_model_title(store.sessions, id, "Volcanoes", store.now_ms, &taken), CHAT_OK);
    ck_assert_uint_eq(search("from first").count, 0);
    ck_assert_uint_eq(search("volcano").count, 1);
    struct session_patch rename = {.title = "Geysers", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    ck_assert_int_eq(session_repo_update(store.sessions, store.user, id, &rename, &store.arena, &out), CHAT_OK);
    ck_assert_uint_eq(search("volcano").count, 0);
    ck_assert_uint_eq(search("geysers").count, 1);
}
END_TEST

START_TEST(found_sessions_come_in_pages_newest_first)
{
    const char *ids[9];
    for (int i = 0; i < 9; i++) {
        ids[i] = store_add_session(&store, i % 2 ? "gamma title" : "x");
        if (i % 2 == 0) store_exchange(&store, ids[i], "gamma question", "alpha");
    }
    struct session_page page = {0};
    int at = 8;
    for (bool first = true; first || page.has_more; first = false) {
        page = search_as(store.user, "gamma", 4, first ? NULL : &page);
        for (size_t i = 0; i < page.count; i++) ck_assert_str_eq(page.items[i].id, ids[at--]);
    }
    ck_assert_int_eq(at, -1);
}
END_TEST

/* Past what is walked session by session (60 sessions, 600 messages) the index takes over; nobody can tell. */
START_TEST(a_long_list_is_searched_to_its_end)
{
    const char *old[3];
    for (int i = 0; i < 3; i++) store_exchange(&store, old[i] = store_add_session(&store, "x"), "obsidian", "granite");
    const char *titled = store_add_session(&store, "obsidian title");
    for (int i = 0; i < 70; i++) store_exchange(&store, store_add_session(&store, "x"), "basalt", "granite");
    struct session_page page = search("obsidian");
    ck_assert_uint_eq(page.count, 4);
    ck_assert_str_eq(page.items[0].id, titled);
    ck_assert_str_eq(page.matches[0].message_id, "");
    for (int i = 0; i < 3; i++) ck_assert_str_eq(page.items[1 + i].id, old[2 - i]);
    ck_assert_str_ne(page.matches[1].message_id, "");
    size_t found = 0;
    for (bool first = true; first || page.has_more; first = false) {
        page = search_as(store.user, "granite", 20, first ? NULL : &page);
        found += page.count;
    }
    ck_assert_uint_eq(found, 73);
}
END_TEST

/* ---- the ways to search a long list, against the plainest of all ---- */

static PGresult *ask(PGconn *pg, const char *sql, const char *words)
{
    const char *const params[] = {store.user, words};
    PGresult *result = PQexecParams(pg, sql, words ? 2 : 1, NULL, params, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(pg));
    return result;
}

static void fill_long_list(PGconn *pg)
{
    /* three sessions share each moment; ids are in no order; one in 40 is deleted */
    PQclear(
        ask(pg,
            "INSERT INTO chat_sessions (id, user_id, title, model, created_at, updated_at, deleted_at, message_count,"
            " last_seq, title_vector) SELECT gen_random_uuid(), $1, i::text, 'm', to_timestamp(1700000000 + i / 3),"
            " to_timestamp(1700000000 + i * 7919 % 3301), CASE WHEN i % 40 = 39 THEN now() END, 3, 3,"
            " to_tsvector('simple', CASE WHEN i % 75 = 10 THEN 'often' WHEN i % 1500 = 7 THEN 'rare' ELSE 'x' END)"
            " FROM generate_series(1, 3300) i",
            NULL));
    PQclear(ask(pg,
                "INSERT INTO chat_messages (id, session_id, user_id, seq, role, status, content, model, created_at,"
                " search_vector) SELECT gen_random_uuid(), s.id, $1, n, CASE n WHEN 2 THEN 'assistant' ELSE 'user' END,"
                " 'complete', 'text', 'm', s.created_at, to_tsvector('simple', concat_ws(' ', 'all',"
                " CASE WHEN i % 2 = 0 THEN 'half' END, CASE WHEN i % 25 = n THEN 'often' END,"
                " CASE WHEN i <= 1200 AND n < 3 THEN 'old' END, CASE WHEN i % 800 = 1 THEN 'rare' END))"
                " FROM (SELECT *, title::int AS i FROM chat_sessions WHERE user_id = $1) s, generate_series(1, 3) n",
                NULL));
    /* the newest of a third of the sessions doesn't count any more */
    PQclear(
        ask(pg,
            "UPDATE chat_messages m SET superseded_by = o.id FROM chat_messages o, chat_sessions s WHERE s.user_id = $1"
            " AND extract(epoch FROM s.created_at)::bigint % 3 = 0 AND m.session_id = s.id AND m.seq = 3"
            " AND o.session_id = s.id AND o.seq = 1",
            NULL));
    PQclear(ask(pg, "SELECT gin_clean_pending_list('chat_messages_search') WHERE $1 <> ''", NULL));
}

static void assert_found_as_plainly(PGconn *pg, const char *words, const char *tsquery, enum session_sort sort)
{
#define PLAIN_MATCH                                                                                                  \
    "(SELECT m.id FROM chat_messages m WHERE m.session_id = s.id AND m.superseded_by IS NULL AND m.search_vector @@" \
    " $2::tsquery ORDER BY m.seq DESC LIMIT 1)"
    const char *const plain[] = {
        [SORT_CREATED_AT] = "SELECT s.id, " PLAIN_MATCH " FROM chat_sessions s WHERE s.user_id = $1 AND s.deleted_at"
                            " IS NULL AND (s.title_vector @@ $2::tsquery OR " PLAIN_MATCH " IS NOT NULL)"
                            " ORDER BY s.created_at DESC, s.id DESC",
        [SORT_UPDATED_AT] = "SELECT s.id, " PLAIN_MATCH " FROM chat_sessions s WHERE s.user_id = $1 AND s.deleted_at"
                            " IS NULL AND (s.title_vector @@ $2::tsquery OR " PLAIN_MATCH " IS NOT NULL)"
                            " ORDER BY s.updated_at DESC, s.id DESC",
    };
    PGresult *rows = ask(pg, plain[sort], tsquery);
    struct session_query query = {.user_id = store.user, .limit = 20, .search = words, .sort = sort};
    struct session_page page = {.has_more = true};
    int row = 0;
    while (page.has_more) {
        ck_assert_int_eq(session_repo_list(store.sessions, &query, &store.arena, &page), CHAT_OK);
        for (size_t i = 0; i < page.count; i++, row++) {
            ck_assert_msg(row < PQntuples(rows), "%s: more than there are", words);
            ck_assert_msg(strcmp(page.items[i].id, PQgetvalue(rows, row, 0)) == 0, "%s, %d: another session", words,
                          row);
            ck_assert_msg(strcmp(page.matches[i].message_id, PQgetvalue(rows, row, 1)) == 0, "%s, %d: another message",
                          words, row);
        }
        query.has_after = true;
        query.after = page.last;
    }
    ck_assert_msg(row == PQntuples(rows), "%s: %d of %d found", words, row, PQntuples(rows));
    PQclear(rows);
}

START_TEST(whichever_way_is_taken_the_same_is_found)
{
    static const char *const queries[][2] = {
        {"all", "all:*"},                 /* each of the next few */
        {"often", "often:*"},             /* a few of the next few: walks on */
        {"half often", "half & often:*"}, /* the same with two words */
        {"old", "old:*"},                 /* none of the next few, and very many of the others */
        {"old half", "old & half:*"},     /* many, but few enough to look each up */
        {"rare", "rare:*"},               /* a handful */
        {"old rare", "old & rare:*"},
        {"nothing", "nothing:*"},
    };
    PGconn *pg = PQconnectdb(contract_env("DATABASE_URL"));
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    fill_long_list(pg);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        assert_found_as_plainly(pg, queries[i][0], queries[i][1], SORT_CREATED_AT);
        assert_found_as_plainly(pg, queries[i][0], queries[i][1], SORT_UPDATED_AT);
    }
    PQclear(ask(pg, "DELETE FROM chat_sessions WHERE user_id = $1", NULL));
    PQfinish(pg);
}
END_TEST

/* ---- what versions before 0011 stored ---- */

/* What stands in the migration between its two marks. */
static char *up_of(const char *path)
{
    size_t len = 0;
    char *sql = NULL;
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s: tests run in the repository's root", path);
    ck_assert_int_gt(getdelim(&sql, &len, '\0', file), 0);
    fclose(file);
    char *down = strstr(sql, "-- migrate:down");
    ck_assert_ptr_nonnull(down);
    *down = '\0';
    return sql;
}

START_TEST(rows_from_before_get_the_same_words_by_the_migration)
{
    static const char OLD[] = "WITH m AS (UPDATE chat_messages SET search_vector = to_tsvector('simple', 'old')"
                              " WHERE user_id = $1 RETURNING id) UPDATE chat_sessions SET title_vector ="
                              " to_tsvector('simple', 'old') WHERE user_id = $1";
    static const char WORDS[] = "SELECT search_vector::text FROM (SELECT id, search_vector FROM chat_messages WHERE"
                                " user_id = $1 UNION ALL SELECT id, title_vector FROM chat_sessions WHERE user_id = $1"
                                ") AS t ORDER BY id";
    static const char *const others[] = {
        "e\u0301; foo/bar.txt me@example.org snake_case\ta-b\u00a0c\u2003d\u3000e",
        "in\u304b\u3099\u65e5\u672cnow \u6771\u4eac\u3001\u5927\u962a \u30ab\u30bf\u30ab\u30ca\u30fc "
        "\U00020000\U00020001",
        "a\u226e\u0301b <\u0338 \u037e\u1fef \u212a \u3131\u314b e\u0301",
        "\u0301",
        "\u1112 \u1161 \u11ab",
        "\u0344 \u0958 x\u0301",
    };
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        store_exchange(&store, store_add_session(&store, spellings[i][1]), spellings[i][1], spellings[i][1]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        store_exchange(&store, store_add_session(&store, others[i]), others[i], others[i]);
    for (int i = 0; i < 300; i++) buf_append_str(&text, "e\u0301");              /* too long for a word */
    for (int i = 0; i < 130000; i++) buf_printf(&text, " e\u0301%d", i % 90000); /* and more of them than are taken */
    buf_append_char(&text, '\0');
    store_exchange(&store, store_add_session(&store, "x"), text.data, "y");
    buf_fini(&text);

    PGconn *pg = PQconnectdb(contract_env("DATABASE_URL"));
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    PGresult *stored = ask(pg, WORDS, NULL);
    PQclear(ask(pg, OLD, NULL));
    char *up = up_of("migrations/0011_search_composed.sql");
    PGresult *done = PQexec(pg, up);
    ck_assert_msg(PQresultStatus(done) == PGRES_COMMAND_OK, "%s", PQerrorMessage(pg));
    PGresult *made = ask(pg, WORDS, NULL);
    int same = 0;
    for (int row = 0; row < PQntuples(stored); row++) {
        const char *is = PQgetvalue(made, row, 0), *was = PQgetvalue(stored, row, 0);
        if (strcmp(is, "'old':1") == 0) continue; /* not touched, being in NFC */
        same++;
        ck_assert_msg(strcmp(is, was) == 0, "%.200s\nis not\n%.200s", is, was);
    }
    /* title, question and answer of each, without the two that are in NFC; and the long one */
    ck_assert_int_eq(same, 3 * (int)(sizeof spellings / sizeof *spellings + sizeof others / sizeof *others - 2) + 1);
    PQclear(done);
    PQclear(made);
    PQclear(stored);
    free(up);
    PQclear(ask(pg, "DELETE FROM chat_sessions WHERE user_id = $1", NULL));
    PQfinish(pg);
}
END_TEST

CONTRACT_SUITE(postgres_search)
{
    Suite *suite = suite_create("postgres_search");
    TCase *text = CONTRACT_CASE(suite, "text", text_becomes_words_and_pairs, words_are_bounded, a_query_is_never_syntax,
                                a_snippet_is_plain_text_around_the_match, a_snippet_shows_what_was_written);
    TCase *search_case = CONTRACT_CASE(
        suite, "search", questions_answers_and_titles_are_found, a_session_comes_once_with_its_newest_match,
        chinese_japanese_and_korean_are_found_within_their_runs, letters_of_any_script_are_found_in_any_case,
        letters_with_marks_are_found_however_they_are_spelt, titles_with_marks_are_found_however_they_are_spelt,
        nobody_finds_what_is_anothers_deleted_or_superseded, a_new_title_is_found_and_the_old_one_is_not,
        found_sessions_come_in_pages_newest_first, a_long_list_is_searched_to_its_end,
        whichever_way_is_taken_the_same_is_found, rows_from_before_get_the_same_words_by_the_migration);
    tcase_add_checked_fixture(text, open_store, close_store);
    tcase_add_checked_fixture(search_case, open_store, close_store);
    return suite;
}
