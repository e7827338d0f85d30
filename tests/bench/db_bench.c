/*
 * What the service asks of Postgres, against databases that scripts/bench-db filled: the statements of
 * postgres/statements.c and the repositories themselves, so nothing here can differ from what runs.
 *
 *   db-bench plans URL            EXPLAIN (ANALYZE, BUFFERS) of every statement; fails where a table is scanned whole
 *   db-bench times SMALL LARGE    list, open and search, in turn against both; medians and their ratio
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "postgres/conn.h"
#include "postgres/message_repo.h"
#include "postgres/session_repo.h"
#include "postgres/statements.h"

enum { SAMPLES = 40, ROUNDS = 9, TIMEOUT_MS = 60000, USER_SIZE = 64, WORD_SIZE = 16 };

/* A session of a user of some kind, and a rare word of its first message. */
struct sample {
    char user[USER_SIZE], session[UUID_TEXT_SIZE], message[UUID_TEXT_SIZE], answer[UUID_TEXT_SIZE], word[WORD_SIZE];
    int64_t created_us;
};

struct database {
    PGconn *pg; /* for what is not measured */
    struct pg_health *health;
    struct pg_conn *conn;
    struct session_repo *sessions;
    struct message_repo *messages;
    struct sample heavy[SAMPLES], ordinary[SAMPLES];
    size_t heavy_count, ordinary_count;
    size_t rows; /* that all calls so far brought */
};

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "db-bench: %s: %s\n", what, detail);
    exit(1);
}

static PGresult *query(PGconn *pg, const char *sql, const char *param)
{
    PGresult *result = PQexecParams(pg, sql, param ? 1 : 0, NULL, &param, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) die(sql, PQerrorMessage(pg));
    return result;
}

static void copy(char *out, size_t size, const char *text)
{
    if (strlen(text) >= size) die("too long", text);
    memcpy(out, text, strlen(text) + 1);
}

static size_t take_samples(PGconn *pg, const char *kind, struct sample out[SAMPLES])
{
    PGresult *rows = query(
        pg,
        "WITH picks AS MATERIALIZED (SELECT user_id, 1700000000 + random() * 50000000 AS at FROM bench_users,"
        "  generate_series(1, 40) WHERE kind = $1 ORDER BY md5(random()::text) LIMIT 40)"
        " SELECT p.user_id, s.id, q.id, a.id, right(q.content, 8), (extract(epoch FROM s.created_at) * 1000000)::bigint"
        " FROM picks p CROSS JOIN LATERAL (SELECT * FROM chat_sessions s WHERE s.user_id = p.user_id"
        "  AND s.deleted_at IS NULL AND s.created_at > to_timestamp(p.at) ORDER BY s.created_at LIMIT 1) s"
        " JOIN chat_messages q ON q.session_id = s.id AND q.seq = 1"
        " JOIN chat_messages a ON a.session_id = s.id AND a.seq = s.last_seq - s.last_seq % 2",
        kind);
    size_t count = (size_t)PQntuples(rows);
    if (count == 0) die("no samples", kind);
    for (int row = 0; row < (int)count; row++) {
        struct sample *sample = &out[row];
        copy(sample->user, sizeof sample->user, PQgetvalue(rows, row, 0));
        copy(sample->session, sizeof sample->session, PQgetvalue(rows, row, 1));
        copy(sample->message, sizeof sample->message, PQgetvalue(rows, row, 2));
        copy(sample->answer, sizeof sample->answer, PQgetvalue(rows, row, 3));
        copy(sample->word, sizeof sample->word, PQgetvalue(rows, row, 4));
        sample->created_us = strtoll(PQgetvalue(rows, row, 5), NULL, 10);
    }
    PQclear(rows);
    return count;
}

static void database_open(struct database *self, const char *url)
{
    self->pg = PQconnectdb(url);
    if (PQstatus(self->pg) != CONNECTION_OK) die("connect", PQerrorMessage(self->pg));
    self->heavy_count = take_samples(self->pg, "heavy", self->heavy);
    self->ordinary_count = take_samples(self->pg, "ordinary", self->ordinary);
    self->health = pg_health_open(clock_system());
    self->conn = pg_conn_open(url, clock_system(), self->health, TIMEOUT_MS);
    self->sessions = pg_session_repo_open(self->conn);
    self->messages = pg_message_repo_open(self->conn);
}

static void database_close(struct database *self)
{
    pg_message_repo_close(self->messages);
    pg_session_repo_close(self->sessions);
    pg_conn_close(self->conn);
    pg_health_close(self->health);
    PQfinish(self->pg);
}

/* ---- plans ---- */

#define NEW_ID "'01970000-0000-7000-8000-000000000001'"
#define NEW_ID_2 "'01970000-0000-7000-8000-000000000002'"
#define JUNE "'2024-06-01', '2024-06-30', NULL, 51"
/* @S a user's session, @U the user, @Q its first question, @A its last answer, @W a rare word */
static const char *const arguments[PG_STATEMENT_COUNT] = {
    [PG_SESSION_CREATE] = NEW_ID ", '@U', 't', 'user', 'm', 1, 1, NULL, 0, 0, 0, 't'",
    [PG_SESSION_LIST_CREATED] = "'@U', 'Infinity', '@S', 21",
    [PG_SESSION_LIST_UPDATED] = "'@U', 'Infinity', '@S', 21",
    [PG_SESSION_SEARCH_CREATED] = "'@U', 'Infinity', '@S', 21, '''@W'':*'",
    [PG_SESSION_SEARCH_UPDATED] = "'@U', 'Infinity', '@S', 21, '''@W'':*'",
    [PG_SESSION_GET] = "'@S', '@U'",
    [PG_SESSION_UPDATE] = "'@S', '@U', 't', 't', 1, 1, 1",
    [PG_SESSION_REMOVE] = "'@S', '@U', 1",
    [PG_SESSION_ACTIVE] = "'@S'",
    [PG_SESSION_RESTORE] = "'@S', '@U'",
    [PG_SESSION_MODEL_TITLE] = "'@S', 't', 't', 1",
    [PG_SESSION_CONTEXT_START] = "'@S', gen_random_uuid()",
    [PG_SESSION_PURGE] = "1800000000000, 100",
    [PG_MESSAGE_PAGE] = "'@S', '@U', 9223372036854775807, 51, 4194304",
    [PG_MESSAGE_AFTER] = "'@S', '@U', 0, 101, 1048576",
    [PG_MESSAGE_GET] = "'@Q', '@U'",
    [PG_MESSAGE_FEEDBACK] = "'@Q', '@U', 'up', NULL",
    [PG_MESSAGE_STALE] = "1900000000000, 100, 0, '00000000-0000-0000-0000-000000000000'",
    [PG_ANSWER_BEGIN_NEW_SESSION] =
        NEW_ID ", '@U', " NEW_ID ", 'c', 1, " NEW_ID_2 ", 'm', 1, 1, 'c', 't', 'user', 't', 1, NULL, NULL",
    [PG_ANSWER_BEGIN_SEND] =
        "'@S', '@U', " NEW_ID ", 'c', 1, " NEW_ID_2 ", NULL, 1, 1, 'c', NULL, NULL, '@Q', 19, NULL, NULL",
    [PG_ANSWER_BEGIN_REGENERATE] = "'@A', '@U', " NEW_ID ", NULL, 1, 1, 20, NULL, NULL",
    [PG_USAGE_COUNT] = NEW_ID ", 1, 1, '[{\"user_id\":\"@U\",\"day\":\"2024-06-01\",\"model\":\"m\",\"completions\":1,"
                              "\"prompt_tokens\":1,\"completion_tokens\":1,\"cost_micro_usd\":1,\"cached_tokens\":0}]'",
    [PG_USAGE_DAYS] = JUNE ", '-infinity'",
    [PG_USAGE_USERS] = JUNE ", ''",
    [PG_USAGE_DAYS_USERS] = JUNE ", '-infinity', ''",
    [PG_USAGE_MODELS] = JUNE ", ''",
    [PG_USAGE_DAYS_MODELS] = JUNE ", '-infinity', ''",
    [PG_USAGE_USERS_MODELS] = JUNE ", '', ''",
    [PG_USAGE_DAYS_USERS_MODELS] = JUNE ", '-infinity', '', ''",
    [PG_USAGE_OF_USER] = JUNE ", '@U', 7, '', '', ''",
    [PG_USAGE_ENGAGEMENT] = "'2024-06-01', '2024-06-30'",
    [PG_USER_DELETED] = "'@U', '00000000-0000-0000-0000-000000000000', 100",
    [PG_USER_MESSAGES] = "'@U', '@S', 0, 100",
    [PG_USER_ERASE] = "'@U', 50",
    [PG_USER_COUNT] = "'@U'",
    [PG_ANSWER_END] = "'@A', '@S', 0, 'complete', 'c', NULL, 'm', NULL, NULL, NULL, NULL, 0, 0, 0, 'c', 1, 0",
};

static void fill_in(const char *format, const struct sample *with, char *out, size_t size)
{
    size_t len = 0;
    for (; *format; format++) {
        char plain[2] = {*format, '\0'};
        const char *text = plain;
        if (*format == '@') {
            switch (*++format) {
            case 'S': text = with->session; break;
            case 'U': text = with->user; break;
            case 'Q': text = with->message; break;
            case 'A': text = with->answer; break;
            default: text = with->word; break;
            }
        }
        copy(out + len, size - len, text);
        len += strlen(text);
    }
}

/* Within a transaction that is rolled back. false: a table of ours was read whole. */
static bool explain(PGconn *pg, const struct pg_statement_entry *entry, const char *format, const struct sample *with)
{
    char values[1024], sql[1200];
    bool fine = true;
    PGresult *prepared = PQprepare(pg, entry->name, entry->sql, 0, NULL);
    if (PQresultStatus(prepared) != PGRES_COMMAND_OK) die(entry->name, PQerrorMessage(pg));
    PQclear(prepared);
    fill_in(format, with, values, sizeof values);
    snprintf(sql, sizeof sql, "EXPLAIN (ANALYZE, BUFFERS) EXECUTE %s(%s)", entry->name, values);
    PQclear(query(pg, "BEGIN", NULL));
    PGresult *plan = query(pg, sql, NULL);
    printf("\n== %s, user %s\n", entry->name, with->user);
    for (int row = 0; row < PQntuples(plan); row++) {
        const char *line = PQgetvalue(plan, row, 0);
        bool bad = strstr(line, "Seq Scan on chat_") != NULL;
        printf("%s%s\n", line, bad ? "    <-- reads the whole table" : "");
        fine &= !bad;
    }
    PQclear(plan);
    PQclear(query(pg, "ROLLBACK", NULL));
    PQclear(query(pg, "DEALLOCATE ALL", NULL));
    return fine;
}

static int plans(const char *url)
{
    struct database database;
    int bad = 0;
    database_open(&database, url);
    const char *const settings[] = {"60000", "f"};
    PQclear(PQexecParams(database.pg, PG_SETTINGS_SQL, 2, NULL, settings, NULL, NULL, 0));
    for (int i = PG_SESSION_CREATE; i < PG_STATEMENT_COUNT; i++) {
        if (!arguments[i]) die("no arguments for", PG_STATEMENTS[i].name);
        bad += !explain(database.pg, &PG_STATEMENTS[i], arguments[i], &database.heavy[0]);
        bad += !explain(database.pg, &PG_STATEMENTS[i], arguments[i], &database.ordinary[0]);
    }
    database_close(&database);
    printf("\n%d statements for 2 users each, %d plans that read a whole table\n",
           PG_STATEMENT_COUNT - PG_SESSION_CREATE, bad);
    return bad ? 1 : 0;
}

/* ---- times ---- */

typedef enum chat_error operation(struct database *database, const struct sample *sample, struct arena *arena);

static enum chat_error list(struct database *database, const struct sample *sample, struct arena *arena,
                            struct session_query query)
{
    struct session_page page;
    query.user_id = sample->user;
    query.limit = 20;
    enum chat_error error = session_repo_list(database->sessions, &query, arena, &page);
    if (error == CHAT_OK) database->rows += page.count;
    return error;
}

static enum chat_error list_newest(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.sort = SORT_CREATED_AT});
}

static enum chat_error list_updated(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.sort = SORT_UPDATED_AT});
}

static enum chat_error list_onwards(struct database *database, const struct sample *sample, struct arena *arena)
{
    struct session_query query = {.has_after = true, .after = {.at_us = sample->created_us}};
    memcpy(query.after.id, sample->session, UUID_TEXT_SIZE);
    return list(database, sample, arena, query);
}

static enum chat_error open_session(struct database *database, const struct sample *sample, struct arena *arena)
{
    struct message_page page;
    enum chat_error error = message_repo_page(database->messages, sample->user, sample->session, 0, 50, arena, &page);
    if (error == CHAT_OK) database->rows += page.count;
    return error;
}

static enum chat_error search_common(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.search = "w00002"});
}

static enum chat_error search_often(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.search = "w00100"});
}

static enum chat_error search_seldom(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.search = "w04711"});
}

static enum chat_error search_rare(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.search = sample->word});
}

static enum chat_error search_both(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.search = "w00002 w00300"});
}

static enum chat_error search_nothing(struct database *database, const struct sample *sample, struct arena *arena)
{
    return list(database, sample, arena, (struct session_query){.search = "nowhere"});
}

static const struct {
    const char *name;
    operation *run;
} operations[] = {
    {"list, newest page", list_newest},         {"list, last updated", list_updated},
    {"list, from the middle", list_onwards},    {"open, newest 50 messages", open_session},
    {"search, common word", search_common},     {"search, word in ~1/80", search_often},
    {"search, word in ~1/3600", search_seldom}, {"search, rare word", search_rare},
    {"search, two words", search_both},         {"search, word nobody wrote", search_nothing},
};

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Median of one call on each sample. */
static double round_of(struct database *database, operation *run, bool heavy, struct arena *arena)
{
    const struct sample *samples = heavy ? database->heavy : database->ordinary;
    size_t count = heavy ? database->heavy_count : database->ordinary_count;
    double took[SAMPLES];
    for (size_t i = 0; i < count; i++) {
        double began = now_ms();
        if (run(database, &samples[i], arena) != CHAT_OK) die("a query failed", samples[i].user);
        took[i] = now_ms() - began;
        arena_reset(arena);
    }
    return median(took, count);
}

static void measure(struct database *small, struct database *large, size_t which, bool heavy, struct arena *arena)
{
    double of_small[ROUNDS], of_large[ROUNDS], ratio[ROUNDS];
    small->rows = large->rows = 0;
    round_of(small, operations[which].run, heavy, arena); /* warm */
    round_of(large, operations[which].run, heavy, arena);
    double small_rows = (double)small->rows / (double)(heavy ? small->heavy_count : small->ordinary_count);
    double large_rows = (double)large->rows / (double)(heavy ? large->heavy_count : large->ordinary_count);
    for (int i = 0; i < ROUNDS; i++) { /* A B B A … */
        if (i % 2 == 0) of_small[i] = round_of(small, operations[which].run, heavy, arena);
        of_large[i] = round_of(large, operations[which].run, heavy, arena);
        if (i % 2 == 1) of_small[i] = round_of(small, operations[which].run, heavy, arena);
        ratio[i] = of_large[i] / of_small[i];
    }
    double middle = median(ratio, ROUNDS);
    printf("| %-26s | %-8s | %8.3f | %8.3f | %6.2f | %6.2f - %6.2f | %5.1f | %5.1f |\n", operations[which].name,
           heavy ? "heavy" : "ordinary", median(of_small, ROUNDS), median(of_large, ROUNDS), middle, ratio[0],
           ratio[ROUNDS - 1], small_rows, large_rows);
    fflush(stdout);
}

static int times(const char *small_url, const char *large_url)
{
    static struct database small, large;
    struct arena arena;
    arena_init(&arena);
    database_open(&small, small_url);
    database_open(&large, large_url);
    puts("| query                      | user     | small ms | large ms |  ratio |  min and max    |  rows |  rows |\n"
         "| -------------------------- | -------- | -------: | -------: | -----: | --------------: | ----: | ----: |");
    for (int heavy = 0; heavy < 2; heavy++)
        for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) measure(&small, &large, i, heavy, &arena);
    database_close(&small);
    database_close(&large);
    arena_fini(&arena);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "plans") == 0) return plans(argv[2]);
    if (argc == 4 && strcmp(argv[1], "times") == 0) return times(argv[2], argv[3]);
    fputs("db-bench plans URL | db-bench times SMALL-URL LARGE-URL\n", stderr);
    return 2;
}
