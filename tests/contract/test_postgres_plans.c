/* That every statement reaches its rows through an index, on a data set that is big enough for the planner to care:
 * it is made within a transaction that is rolled back. Settings are those of every connection. */
#include <libpq-fe.h>
#include <stdlib.h>

#include "postgres/statements.h"
#include "store_fixture.h"

#define ID "'0190d8a1-0000-7000-8000-000000000001'"

/* Arguments that fit the statement; what they are does not matter to a generic plan. */
static const char *const arguments[PG_STATEMENT_COUNT] = {
    [PG_SESSION_CREATE] = ID ", 'u', 't', 'user', 'm', 1, 1, NULL, 0, 0, 0, 't'",
    [PG_SESSION_LIST_CREATED] = "'plan:7', 'Infinity', " ID ", 21",
    [PG_SESSION_LIST_UPDATED] = "'plan:7', 'Infinity', " ID ", 21",
    [PG_SESSION_SEARCH_CREATED] = "'plan:7', 'Infinity', " ID ", 21, '''word7'':*'",
    [PG_SESSION_SEARCH_UPDATED] = "'plan:7', 'Infinity', " ID ", 21, '''word7'':*'",
    [PG_SESSION_GET] = ID ", 'plan:7'",
    [PG_SESSION_UPDATE] = ID ", 'plan:7', NULL, NULL, 1, 1, 1",
    [PG_SESSION_REMOVE] = ID ", 'plan:7', 1",
    [PG_SESSION_ACTIVE] = ID,
    [PG_SESSION_RESTORE] = ID ", 'plan:7'",
    [PG_SESSION_MODEL_TITLE] = ID ", 't', 't', 1",
    [PG_SESSION_CONTEXT_START] = ID ", gen_random_uuid()",
    [PG_SESSION_PURGE] = "1, 100",
    [PG_MESSAGE_PAGE] = ID ", 'plan:7', 100, 51, 4194304",
    [PG_MESSAGE_AFTER] = ID ", 'plan:7', 0, 101, 1048576",
    [PG_MESSAGE_GET] = ID ", 'plan:7'",
    [PG_MESSAGE_FEEDBACK] = ID ", 'plan:7', 'up', NULL",
    [PG_MESSAGE_STALE] = "1, 100, 0, '00000000-0000-0000-0000-000000000000'",
    [PG_ANSWER_BEGIN_NEW_SESSION] = ID ", 'u', " ID ", 'c', 1, " ID ", 'm', 1, 1, 'c', 't', 'user', 't', 1, 'k', 'f'",
    [PG_ANSWER_BEGIN_SEND] = ID ", 'u', " ID ", 'c', 1, " ID ", NULL, 1, 1, 'c', NULL, NULL, " ID ", 19, 'k', 'f'",
    [PG_ANSWER_BEGIN_REGENERATE] = ID ", 'u', " ID ", NULL, 1, 1, 20, 'k', 'f'",
    [PG_USAGE_COUNT] = ID ", 1, 1, '[]'",
    [PG_USAGE_DAYS] = "'2023-11-14', '2023-12-14', NULL, 51, '-infinity'",
    [PG_USAGE_USERS] = "'2023-11-14', '2023-12-14', NULL, 51, ''",
    [PG_USAGE_DAYS_USERS] = "'2023-11-14', '2023-12-14', NULL, 51, '-infinity', ''",
    [PG_USAGE_MODELS] = "'2023-11-14', '2023-12-14', NULL, 51, ''",
    [PG_USAGE_DAYS_MODELS] = "'2023-11-14', '2023-12-14', NULL, 51, '-infinity', ''",
    [PG_USAGE_USERS_MODELS] = "'2023-11-14', '2023-12-14', NULL, 51, '', ''",
    [PG_USAGE_DAYS_USERS_MODELS] = "'2023-11-14', '2023-12-14', NULL, 51, '-infinity', '', ''",
    [PG_USAGE_OF_USER] = "'2023-11-14', '2023-12-14', NULL, 51, 'plan:7', 7, '', '', ''",
    [PG_USAGE_ENGAGEMENT] = "'2023-11-14', '2023-12-14'",
    [PG_USER_DELETED] = "'plan:7', " ID ", 100",
    [PG_USER_MESSAGES] = "'plan:7', " ID ", 0, 100",
    [PG_USER_ERASE] = "'plan:7', 50",
    [PG_USER_COUNT] = "'plan:7'",
    [PG_ANSWER_END] = ID ", " ID ", 1, 'complete', 'c', NULL, 'm', NULL, NULL, NULL, NULL, 0, 0, 0, 'c', 1, 0",
};

static PGconn *pg;

static void run(const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s",
                  sql, PQerrorMessage(pg));
    PQclear(result);
}

static void open_data(void)
{
    pg = PQconnectdb(contract_env("DATABASE_URL"));
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    run("BEGIN");
    const char *const settings[] = {"60000", "f"};
    PQclear(PQexecParams(pg, PG_SETTINGS_SQL, 2, NULL, settings, NULL, NULL, 0));
    run("SET LOCAL synchronous_commit = off");
    run("INSERT INTO chat_sessions (id, user_id, title, model, created_at, updated_at, deleted_at, message_count,"
        " last_seq, title_vector) SELECT gen_random_uuid(), 'plan:' || i % 10, 'title ' || i, 'm',"
        " to_timestamp(1700000000 + i), to_timestamp(1700000000 + i * 7 % 5000),"
        " CASE WHEN i % 50 = 0 THEN to_timestamp(1700000000 + i) END, 10, 10,"
        " to_tsvector('simple', 'title word' || i % 500) FROM generate_series(1, 5000) i");
    run("INSERT INTO chat_messages (id, session_id, user_id, seq, role, status, content, model, created_at,"
        " search_vector) SELECT gen_random_uuid(), s.id, s.user_id, n, CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant'"
        " END, CASE WHEN n = 8 AND extract(epoch FROM s.created_at)::bigint % 100 = 0 THEN 'streaming' ELSE"
        " 'complete' END, 'text', 'm', s.created_at, to_tsvector('simple', 'word' || (n * 37 +"
        " extract(epoch FROM s.created_at)::bigint) % 1000) FROM chat_sessions s, generate_series(1, 8) n"
        " WHERE s.user_id LIKE 'plan:%'");
    run("INSERT INTO chat_usage_daily (user_id, day, model, answers) SELECT 'plan:' || u, date '2023-01-01' + d, 'm' "
        "|| m, 1"
        " FROM generate_series(1, 100) u, generate_series(1, 365) d, generate_series(1, 2) m");
    /* what is still in the pending lists would make an index look expensive */
    run("SELECT gin_clean_pending_list('chat_sessions_search'), gin_clean_pending_list('chat_messages_search')");
    run("ANALYZE chat_sessions");
    run("ANALYZE chat_messages");
    run("ANALYZE chat_usage_daily");
}

static void close_data(void)
{
    run("ROLLBACK");
    PQfinish(pg);
}

START_TEST(every_statement_reaches_its_rows_through_an_index)
{
    for (int i = PG_SESSION_CREATE; i < PG_STATEMENT_COUNT; i++) {
        const struct pg_statement_entry *entry = &PG_STATEMENTS[i];
        char sql[512];
        PGresult *result = PQprepare(pg, entry->name, entry->sql, 0, NULL);
        ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", entry->name, PQerrorMessage(pg));
        PQclear(result);
        ck_assert_msg(arguments[i] != NULL, "%s has no arguments here", entry->name);
        snprintf(sql, sizeof sql, "EXPLAIN EXECUTE %s(%s)", entry->name, arguments[i]);
        result = PQexec(pg, sql);
        ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", entry->name, PQerrorMessage(pg));
        for (int row = 0; row < PQntuples(result); row++) {
            const char *line = PQgetvalue(result, row, 0);
            if (getenv("CONTRACT_LOG")) printf("%s: %s\n", entry->name, line);
            ck_assert_msg(!strstr(line, "Seq Scan on chat_"), "%s: %s", entry->name, line);
        }
        PQclear(result);
    }
}
END_TEST

static void assert_plan(enum pg_statement statement, const char *has, const char *lacks)
{
    const struct pg_statement_entry *entry = &PG_STATEMENTS[statement];
    char sql[512];
    bool found = false;
    PQclear(PQprepare(pg, entry->name, entry->sql, 0, NULL));
    snprintf(sql, sizeof sql, "EXPLAIN EXECUTE %s(%s)", entry->name, arguments[statement]);
    PGresult *result = PQexec(pg, sql);
    for (int row = 0; row < PQntuples(result); row++) {
        const char *line = PQgetvalue(result, row, 0);
        found |= strstr(line, has) != NULL;
        ck_assert_msg(!strstr(line, lacks), "%s: %s", entry->name, line);
    }
    ck_assert_msg(found, "%s does not use %s", entry->name, has);
    PQclear(result);
}

START_TEST(each_query_uses_the_index_that_was_made_for_it)
{
    /* the two lists stop after a page: nothing is sorted */
    assert_plan(PG_SESSION_LIST_CREATED, "chat_sessions_by_created", "Sort");
    assert_plan(PG_SESSION_LIST_UPDATED, "chat_sessions_by_updated", "Sort");
    assert_plan(PG_SESSION_SEARCH_CREATED, "chat_messages_search", "Seq Scan");
    assert_plan(PG_SESSION_SEARCH_UPDATED, "chat_sessions_search", "Seq Scan");
    assert_plan(PG_SESSION_ACTIVE, "chat_messages_one_streaming", "Seq Scan");
    assert_plan(PG_SESSION_PURGE, "chat_sessions_deleted", "Seq Scan");
    assert_plan(PG_MESSAGE_PAGE, "chat_messages_seq", "Seq Scan");
    assert_plan(PG_MESSAGE_AFTER, "chat_messages_seq", "Seq Scan");
    assert_plan(PG_MESSAGE_STALE, "chat_messages_stale", "Seq Scan");
    assert_plan(PG_MESSAGE_GET, "chat_messages_pkey", "Seq Scan");
    /* a page of a report reads that page's rows, in order, and a user's report that user's */
    assert_plan(PG_USAGE_DAYS, "chat_usage_daily_by_day", "Sort");
    assert_plan(PG_USAGE_USERS, "chat_usage_daily_pkey", "Sort");
    assert_plan(PG_USAGE_DAYS_USERS, "chat_usage_daily_by_day", "Sort");
    assert_plan(PG_USAGE_DAYS_MODELS, "Presorted Key: day", "HashAggregate");
    assert_plan(PG_USAGE_USERS_MODELS, "Presorted Key: user_id", "HashAggregate");
    assert_plan(PG_USAGE_DAYS_USERS_MODELS, "chat_usage_daily_by_day", "Sort");
    assert_plan(PG_USAGE_OF_USER, "chat_usage_daily_pkey", "Seq Scan");
    assert_plan(PG_USER_DELETED, "chat_sessions_deleted_of_user", "Sort");
    assert_plan(PG_USER_ERASE, "chat_sessions_deleted_of_user", "Seq Scan");
    assert_plan(PG_USAGE_ENGAGEMENT, "chat_usage_daily_by_day", "Seq Scan");
    assert_plan(PG_ANSWER_END, "Conflict Arbiter Indexes: chat_usage_daily_pkey", "Seq Scan");
}
END_TEST

CONTRACT_SUITE(postgres_plans)
{
    Suite *suite = suite_create("postgres_plans");
    TCase *tcase = CONTRACT_CASE(suite, "plans", every_statement_reaches_its_rows_through_an_index,
                                 each_query_uses_the_index_that_was_made_for_it);
    tcase_add_checked_fixture(tcase, open_data, close_data);
    return suite;
}
