#include "postgres/session_repo.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/query.h"
#include "postgres/rows.h"
#include "postgres/search_text.h"

struct pg_session_repo {
    struct session_repo repo;
    struct pg_conn *conn;
};

static struct pg_conn *conn_of(struct session_repo *repo)
{
    return ((struct pg_session_repo *)repo)->conn;
}

static const char *title_words(const char *title, struct arena *arena)
{
    return search_text_words(title, strlen(title), arena);
}

static enum chat_error create(struct session_repo *self, const char *user_id, const struct session *session)
{
    struct arena arena;
    arena_init(&arena);
    struct pg_params params = {0};
    pg_add_text(&params, session->id);
    pg_add_text(&params, user_id);
    pg_add_text(&params, session->title);
    pg_add_text(&params, title_source_name(session->title_source));
    pg_add_text(&params, session->model);
    pg_add_int(&params, session->created_at_ms);
    pg_add_int(&params, session->updated_at_ms);
    pg_add_int_or_null(&params, session->last_message_at_ms, session->last_message_at_ms == 0);
    pg_add_int(&params, session->message_count);
    pg_add_int(&params, session->pinned);
    pg_add_int(&params, session->archived);
    pg_add_text(&params, title_words(session->title, &arena));
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_SESSION_CREATE, &params, &result);
    PQclear(result);
    arena_fini(&arena);
    return error;
}

/* Runs a statement that returns the session's columns, in one row or none. */
static enum chat_error one_session(struct session_repo *self, enum pg_statement statement,
                                   const struct pg_params *params, struct arena *arena, struct session *out)
{
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), statement, params, &result);
    if (error == CHAT_OK) {
        if (PQntuples(result) == 0)
            error = CHAT_ERR_SESSION_NOT_FOUND;
        else
            pg_session_from_row(result, 0, 0, arena, out);
    }
    PQclear(result);
    return error;
}

static enum chat_error get(struct session_repo *self, const char *user_id, const char *session_id, struct arena *arena,
                           struct session *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, user_id);
    return one_session(self, PG_SESSION_GET, &params, arena, out);
}

static enum chat_error update(struct session_repo *self, const char *user_id, const char *session_id,
                              const struct session_patch *patch, struct arena *arena, struct session *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, user_id);
    pg_add_text(&params, patch->title);
    pg_add_text(&params, patch->title ? title_words(patch->title, arena) : NULL);
    pg_add_int(&params, patch->pinned);
    pg_add_int(&params, patch->archived);
    pg_add_int(&params, patch->now_ms);
    return one_session(self, PG_SESSION_UPDATE, &params, arena, out);
}

static enum chat_error restore(struct session_repo *self, const char *user_id, const char *session_id,
                               struct arena *arena, struct session *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, user_id);
    return one_session(self, PG_SESSION_RESTORE, &params, arena, out);
}

/* Asked after the delete, on purpose: it sees an answer that began while the delete waited for the row, too, and no
 * other can begin any more. */
static enum chat_error find_active(struct session_repo *self, const char *session_id, char active[UUID_TEXT_SIZE])
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_SESSION_ACTIVE, &params, &result);
    if (error == CHAT_OK && PQntuples(result) > 0) pg_id_from_row(result, 0, 0, active);
    PQclear(result);
    return error;
}

static enum chat_error remove_session(struct session_repo *self, const char *user_id, const char *session_id,
                                      int64_t now_ms, char active_answer[UUID_TEXT_SIZE])
{
    active_answer[0] = '\0';
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, user_id);
    pg_add_int(&params, now_ms);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_SESSION_REMOVE, &params, &result);
    if (error == CHAT_OK && PQntuples(result) == 0) error = CHAT_ERR_SESSION_NOT_FOUND;
    PQclear(result);
    if (error != CHAT_OK) return error;
    /* The delete is done, whatever this returns: an answer that is not stopped now ends by itself, unseen. */
    if (find_active(self, session_id, active_answer) != CHAT_OK) active_answer[0] = '\0';
    return CHAT_OK;
}

static enum chat_error set_model_title(struct session_repo *self, const char *session_id, const char *title,
                                       int64_t now_ms, bool *taken)
{
    struct arena arena;
    arena_init(&arena);
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, title);
    pg_add_text(&params, title_words(title, &arena));
    pg_add_int(&params, now_ms);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_SESSION_MODEL_TITLE, &params, &result);
    *taken = error == CHAT_OK && PQntuples(result) > 0;
    PQclear(result);
    arena_fini(&arena);
    return error;
}

/* ---- the list ---- */

static void add_page_params(struct pg_params *params, const struct session_query *query)
{
    pg_add_text(params, query->user_id);
    if (query->has_after) {
        pg_add_int(params, query->after.at_us);
        pg_add_text(params, query->after.id);
    } else {
        pg_add_text(params, "Infinity");
        pg_add_text(params, "ffffffff-ffff-ffff-ffff-ffffffffffff");
    }
    pg_add_int(params, query->limit + 1);
}

static void read_match(const PGresult *result, int row, const struct search_terms *terms, struct arena *arena,
                       const struct session *session, struct session_match *out)
{
    int column = PG_SESSION_COLUMNS + 1;
    pg_id_from_row(result, row, column, out->message_id);
    const char *text = out->message_id[0] ? PQgetvalue(result, row, column + 1) : session->title;
    size_t len = out->message_id[0] ? (size_t)PQgetlength(result, row, column + 1) : strlen(session->title);
    out->snippet = search_text_snippet(text, len, terms, arena);
}

static void read_page(const PGresult *result, const struct session_query *query, const struct search_terms *terms,
                      struct arena *arena, struct session_page *out)
{
    int rows = PQntuples(result);
    out->has_more = rows > query->limit;
    if (out->has_more) rows = query->limit;
    out->count = (size_t)rows;
    out->items = arena_alloc(arena, out->count * sizeof *out->items);
    if (terms) out->matches = arena_alloc(arena, out->count * sizeof *out->matches);
    for (int row = 0; row < rows; row++) {
        pg_session_from_row(result, row, 0, arena, &out->items[row]);
        if (terms) read_match(result, row, terms, arena, &out->items[row], &out->matches[row]);
    }
    if (rows > 0) {
        out->last.at_us = pg_int(result, rows - 1, PG_SESSION_COLUMNS, 0);
        pg_id_from_row(result, rows - 1, 0, out->last.id);
    }
}

static enum chat_error list(struct session_repo *self, const struct session_query *query, struct arena *arena,
                            struct session_page *out)
{
    bool by_created = query->sort == SORT_CREATED_AT;
    enum pg_statement statement = by_created ? PG_SESSION_LIST_CREATED : PG_SESSION_LIST_UPDATED;
    *out = (struct session_page){0};
    struct pg_params params = {0};
    add_page_params(&params, query);
    struct search_terms terms;
    if (query->search) {
        statement = by_created ? PG_SESSION_SEARCH_CREATED : PG_SESSION_SEARCH_UPDATED;
        search_text_terms(query->search, arena, &terms);
        const char *tsquery = search_text_tsquery(&terms, arena);
        if (!tsquery) { /* nothing but punctuation: nothing can match */
            out->matches = arena_alloc(arena, 0);
            return CHAT_OK;
        }
        pg_add_text(&params, tsquery);
    }
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), statement, &params, &result);
    if (error == CHAT_OK) read_page(result, query, query->search ? &terms : NULL, arena, out);
    PQclear(result);
    return error;
}

static enum chat_error set_context_start(struct session_repo *self, const char *session_id, const char *message_id)
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, message_id[0] ? message_id : NULL);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_SESSION_CONTEXT_START, &params, &result);
    PQclear(result);
    return error;
}

static enum chat_error purge(struct session_repo *self, int64_t before_ms, int limit, int *purged)
{
    struct pg_params params = {0};
    pg_add_int(&params, before_ms);
    pg_add_int(&params, limit);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_SESSION_PURGE, &params, &result);
    *purged = error == CHAT_OK ? PQntuples(result) : 0;
    PQclear(result);
    return error;
}

static const struct session_repo_ops ops = {
    .create = create,
    .list = list,
    .get = get,
    .update = update,
    .remove = remove_session,
    .restore = restore,
    .set_model_title = set_model_title,
    .set_context_start = set_context_start,
    .purge = purge,
};

struct session_repo *pg_session_repo_open(struct pg_conn *conn)
{
    struct pg_session_repo *repo = calloc(1, sizeof *repo);
    if (!repo) return NULL;
    repo->repo.ops = &ops;
    repo->conn = conn;
    return &repo->repo;
}

void pg_session_repo_close(struct session_repo *repo)
{
    free(repo);
}
