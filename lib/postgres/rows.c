#include "postgres/rows.h"

#include <stdio.h>

#include "base/log.h"

enum { US_PER_MS = 1000 };

/* The table's CHECKs admit the same names as the domain; an unknown name comes from a newer version. */
static void unknown_name(const char *column)
{
    log_write(LOG_ERROR, "store_unknown_name", LOG_STR("column", column));
}

void pg_id_from_row(const PGresult *result, int row, int column, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "%s", PQgetvalue(result, row, column));
}

void pg_session_from_row(const PGresult *result, int row, int column, struct arena *arena, struct session *out)
{
    *out = (struct session){0};
    pg_id_from_row(result, row, column, out->id);
    out->title = pg_text(result, row, column + 1, arena, NULL);
    if (!title_source_parse(PQgetvalue(result, row, column + 2), &out->title_source)) unknown_name("title_source");
    out->model = pg_text(result, row, column + 3, arena, NULL);
    out->created_at_ms = pg_int(result, row, column + 4, 0) / US_PER_MS;
    out->updated_at_ms = pg_int(result, row, column + 5, 0) / US_PER_MS;
    out->last_message_at_ms = pg_int(result, row, column + 6, 0) / US_PER_MS;
    out->message_count = pg_int(result, row, column + 7, 0);
    out->pinned = pg_bool(result, row, column + 8);
    out->archived = pg_bool(result, row, column + 9);
    pg_id_from_row(result, row, column + 10, out->context_starts_at);
}

void pg_message_from_row(const PGresult *result, int row, int column, struct arena *arena, struct message *out)
{
    *out = (struct message){0};
    pg_id_from_row(result, row, column, out->id);
    pg_id_from_row(result, row, column + 1, out->session_id);
    pg_id_from_row(result, row, column + 2, out->parent_id);
    pg_id_from_row(result, row, column + 3, out->superseded_by);
    out->seq = pg_int(result, row, column + 4, 0);
    if (!message_role_parse(PQgetvalue(result, row, column + 5), &out->role)) unknown_name("role");
    if (!message_status_parse(PQgetvalue(result, row, column + 6), &out->status)) unknown_name("status");
    out->feedback = FEEDBACK_NONE;
    if (!PQgetisnull(result, row, column + 7) &&
        !message_feedback_parse(PQgetvalue(result, row, column + 7), &out->feedback))
        unknown_name("feedback");
    out->content = pg_text(result, row, column + 8, arena, &out->content_len);
    out->reasoning = pg_text(result, row, column + 9, arena, &out->reasoning_len);
    out->model = pg_text(result, row, column + 10, arena, NULL);
    out->finish_reason = pg_text(result, row, column + 11, arena, NULL);
    out->usage.prompt_tokens = pg_int(result, row, column + 12, -1);
    out->usage.completion_tokens = pg_int(result, row, column + 13, -1);
    out->usage.total_tokens = pg_int(result, row, column + 14, -1);
    out->token_count = pg_int(result, row, column + 15, 0);
    out->tokens_estimated = pg_bool(result, row, column + 16);
    out->created_at_ms = pg_int(result, row, column + 17, 0) / US_PER_MS;
    out->epoch = (int)pg_int(result, row, column + 18, 0);
    out->usage.cached_tokens = pg_int(result, row, column + 19, 0);
}

void pg_usage_from_row(const PGresult *result, int row, int column, struct usage_counts *out)
{
    int64_t *const counts[PG_USAGE_COLUMNS] = {
        &out->answers,           &out->regenerated,    &out->stopped,       &out->interrupted, &out->failed,
        &out->sessions,          &out->rated_up,       &out->rated_down,    &out->completions, &out->prompt_tokens,
        &out->completion_tokens, &out->cost_micro_usd, &out->cached_tokens,
    };
    for (int i = 0; i < PG_USAGE_COLUMNS; i++) *counts[i] = pg_int(result, row, column + i, 0);
}
