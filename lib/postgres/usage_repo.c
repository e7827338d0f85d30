#include "postgres/usage_repo.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "postgres/query.h"
#include "postgres/rows.h"

enum { BATCH_MAX_BYTES = 32 << 20 };

struct pg_usage_repo {
    struct usage_repo repo;
    struct pg_conn *conn;
};

static struct pg_conn *conn_of(struct usage_repo *repo)
{
    return ((struct pg_usage_repo *)repo)->conn;
}

/* ---- counting ---- */

static void write_rows(const struct usage_batch *batch, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_array(&json);
    for (size_t i = 0; i < batch->count; i++) {
        const struct usage_row *row = &batch->rows[i];
        json_begin_object(&json);
        json_field_string(&json, "user_id", row->key.user_id);
        json_field_string(&json, "day", row->key.day);
        json_field_string(&json, "model", row->key.model);
        json_field_int(&json, "completions", row->counts.completions);
        json_field_int(&json, "prompt_tokens", row->counts.prompt_tokens);
        json_field_int(&json, "completion_tokens", row->counts.completion_tokens);
        json_field_int(&json, "cost_micro_usd", row->counts.cost_micro_usd);
        json_field_int(&json, "cached_tokens", row->counts.cached_tokens);
        json_end_object(&json);
    }
    json_end_array(&json);
}

static enum chat_error count(struct usage_repo *self, const struct usage_batch *batch)
{
    struct buf rows;
    buf_init(&rows, BATCH_MAX_BYTES);
    write_rows(batch, &rows);
    struct pg_params params = {0};
    pg_add_text(&params, batch->writer_id);
    pg_add_int(&params, batch->number);
    pg_add_int(&params, batch->now_ms);
    pg_add_bytes(&params, rows.data, rows.len);
    PGresult *result = NULL;
    enum chat_error error = rows.failed ? CHAT_ERR_INTERNAL : pg_exec(conn_of(self), PG_USAGE_COUNT, &params, &result);
    PQclear(result);
    buf_fini(&rows);
    return error;
}

/* ---- reports ---- */

static void add_cursor(struct pg_params *params, const struct usage_query *query, unsigned keys)
{
    const struct usage_key *after = &query->after;
    if (keys & USAGE_BY_DAY) pg_add_text(params, query->has_after ? after->day : "-infinity");
    if (keys & USAGE_BY_USER) pg_add_text(params, query->has_after ? after->user_id : "");
    if (keys & USAGE_BY_MODEL) pg_add_text(params, query->has_after ? after->model : "");
}

static enum pg_statement add_params(struct pg_params *params, const struct usage_query *query)
{
    pg_add_text(params, query->from);
    pg_add_text(params, query->to);
    pg_add_text(params, query->model);
    pg_add_int(params, query->limit + 1);
    if (!query->user_id) {
        add_cursor(params, query, query->group);
        return (enum pg_statement)(PG_USAGE_DAYS + (int)query->group - 1);
    }
    pg_add_text(params, query->user_id);
    pg_add_int(params, query->group);
    pg_add_text(params, query->has_after ? query->after.day : "");
    pg_add_text(params, query->has_after ? query->after.user_id : "");
    pg_add_text(params, query->has_after ? query->after.model : "");
    return PG_USAGE_OF_USER;
}

static void read_key(const PGresult *result, int row, struct usage_key *out)
{
    snprintf(out->day, sizeof out->day, "%s", PQgetvalue(result, row, 0));
    snprintf(out->user_id, sizeof out->user_id, "%s", PQgetvalue(result, row, 1));
    snprintf(out->model, sizeof out->model, "%s", PQgetvalue(result, row, 2));
}

static enum chat_error list(struct usage_repo *self, const struct usage_query *query, struct arena *arena,
                            struct usage_page *out)
{
    *out = (struct usage_page){0};
    struct pg_params params = {0};
    enum pg_statement statement = add_params(&params, query);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), statement, &params, &result);
    if (error == CHAT_OK) {
        int rows = PQntuples(result);
        out->has_more = rows > query->limit;
        if (out->has_more) rows = query->limit;
        out->count = (size_t)rows;
        out->items = arena_alloc(arena, out->count * sizeof *out->items);
        for (int row = 0; row < rows; row++) {
            read_key(result, row, &out->items[row].key);
            pg_usage_from_row(result, row, 3, &out->items[row].counts);
        }
    }
    PQclear(result);
    return error;
}

static enum chat_error engagement(struct usage_repo *self, const char *from, const char *to, struct arena *arena,
                                  struct engagement_day **out, size_t *days)
{
    *out = NULL;
    *days = 0;
    struct pg_params params = {0};
    pg_add_text(&params, from);
    pg_add_text(&params, to);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_USAGE_ENGAGEMENT, &params, &result);
    if (error == CHAT_OK) {
        *days = (size_t)PQntuples(result);
        *out = arena_alloc(arena, *days * sizeof **out);
        for (int row = 0; row < PQntuples(result); row++) {
            struct engagement_day *day = &(*out)[row];
            snprintf(day->day, sizeof day->day, "%s", PQgetvalue(result, row, 0));
            day->weekly_users = pg_int(result, row, 1, 0);
            day->active_users = pg_int(result, row, 2, 0);
            pg_usage_from_row(result, row, 3, &day->counts);
        }
    }
    PQclear(result);
    return error;
}

static const struct usage_repo_ops ops = {.count = count, .list = list, .engagement = engagement};

struct usage_repo *pg_usage_repo_open(struct pg_conn *conn)
{
    struct pg_usage_repo *repo = calloc(1, sizeof *repo);
    if (!repo) return NULL;
    repo->repo.ops = &ops;
    repo->conn = conn;
    return &repo->repo;
}

void pg_usage_repo_close(struct usage_repo *repo)
{
    free(repo);
}
