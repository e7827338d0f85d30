#include "postgres/user_data.h"

#include <stdlib.h>

#include "postgres/query.h"
#include "postgres/rows.h"

enum { US_PER_MS = 1000 };
static const char no_id[] = "00000000-0000-0000-0000-000000000000";

struct pg_user_data {
    struct user_data data;
    struct pg_conn *conn;
};

static struct pg_conn *conn_of(struct user_data *data)
{
    return ((struct pg_user_data *)data)->conn;
}

static enum chat_error deleted(struct user_data *self, const char *user_id, const char *after_id, int limit,
                               struct arena *arena, struct deleted_session **out, size_t *count)
{
    *count = 0;
    struct pg_params params = {0};
    pg_add_text(&params, user_id);
    pg_add_text(&params, after_id[0] ? after_id : no_id);
    pg_add_int(&params, limit);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_USER_DELETED, &params, &result);
    if (error == CHAT_OK) {
        *count = (size_t)PQntuples(result);
        *out = arena_alloc(arena, *count * sizeof **out);
        for (int row = 0; row < PQntuples(result); row++) {
            pg_session_from_row(result, row, 0, arena, &(*out)[row].session);
            (*out)[row].deleted_at_ms = pg_int(result, row, PG_SESSION_COLUMNS, 0) / US_PER_MS;
        }
    }
    PQclear(result);
    return error;
}

static enum chat_error messages(struct user_data *self, const char *user_id, const char *session_id, int64_t after,
                                int limit, struct arena *arena, struct stored_message **out, size_t *count)
{
    *count = 0;
    struct pg_params params = {0};
    pg_add_text(&params, user_id);
    pg_add_text(&params, session_id);
    pg_add_int(&params, after);
    pg_add_int(&params, limit);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_USER_MESSAGES, &params, &result);
    if (error == CHAT_OK) {
        *count = (size_t)PQntuples(result);
        *out = arena_alloc(arena, *count * sizeof **out);
        for (int row = 0; row < PQntuples(result); row++) {
            pg_message_from_row(result, row, 0, arena, &(*out)[row].message);
            (*out)[row].feedback_comment = pg_text(result, row, PG_MESSAGE_COLUMNS, arena, NULL);
        }
    }
    PQclear(result);
    return error;
}

/* Runs a statement that returns three counts. */
static enum chat_error counts(struct user_data *self, enum pg_statement statement, const struct pg_params *params,
                              struct user_data_counts *out)
{
    *out = (struct user_data_counts){0};
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), statement, params, &result);
    if (error == CHAT_OK) {
        out->sessions = pg_int(result, 0, 0, 0);
        out->messages = pg_int(result, 0, 1, 0);
        out->usage_rows = pg_int(result, 0, 2, 0);
    }
    PQclear(result);
    return error;
}

static enum chat_error erase(struct user_data *self, const char *user_id, int limit, struct user_data_counts *gone)
{
    struct pg_params params = {0};
    pg_add_text(&params, user_id);
    pg_add_int(&params, limit);
    return counts(self, PG_USER_ERASE, &params, gone);
}

static enum chat_error count(struct user_data *self, const char *user_id, struct user_data_counts *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, user_id);
    return counts(self, PG_USER_COUNT, &params, out);
}

static const struct user_data_ops ops = {.deleted = deleted, .messages = messages, .erase = erase, .count = count};

struct user_data *pg_user_data_open(struct pg_conn *conn)
{
    struct pg_user_data *data = calloc(1, sizeof *data);
    if (!data) return NULL;
    data->data.ops = &ops;
    data->conn = conn;
    return &data->data;
}

void pg_user_data_close(struct user_data *data)
{
    free(data);
}
