#include "postgres/message_repo.h"

#include <stdlib.h>
#include <string.h>

#include "postgres/query.h"
#include "postgres/rows.h"
#include "postgres/search_text.h"

/* Each repetition means that another send of the same session got through; only a storm of short answers needs two. */
enum { STALE_RETRIES = 50 };

struct pg_message_repo {
    struct message_repo repo;
    struct pg_conn *conn;
};

static struct pg_conn *conn_of(struct message_repo *repo)
{
    return ((struct pg_message_repo *)repo)->conn;
}

/* ---- reading ---- */

/* Reads one page, by either of two statements, in the order of the statement's rows or in reverse. */
static enum chat_error read_page(struct message_repo *self, enum pg_statement statement, const struct pg_params *params,
                                 bool newest_first, int limit, struct arena *arena, struct message_page *out)
{
    enum { ACTIVE = PG_SESSION_COLUMNS, FOUND, MESSAGE };
    PGresult *result;
    *out = (struct message_page){0};
    enum chat_error error = pg_exec(conn_of(self), statement, params, &result);
    if (error == CHAT_OK && PQntuples(result) == 0) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error == CHAT_OK) {
        int rows = PQgetisnull(result, 0, MESSAGE) ? 0 : PQntuples(result); /* an empty session is one row too */
        pg_session_from_row(result, 0, 0, arena, &out->session);
        pg_id_from_row(result, 0, ACTIVE, out->active_message_id);
        if (rows > limit) rows = limit;
        out->has_more = pg_int(result, 0, FOUND, 0) > rows;
        out->count = (size_t)rows;
        out->items = arena_alloc(arena, out->count * sizeof *out->items);
        for (int row = 0; row < rows; row++)
            pg_message_from_row(result, row, MESSAGE, arena, &out->items[newest_first ? rows - 1 - row : row]);
    }
    PQclear(result);
    return error;
}

static enum chat_error page(struct message_repo *self, const char *user_id, const char *session_id, int64_t before,
                            int limit, struct arena *arena, struct message_page *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, user_id);
    pg_add_int(&params, before > 0 ? before : INT64_MAX);
    pg_add_int(&params, limit + 1);
    pg_add_int(&params, MESSAGE_PAGE_BYTES);
    return read_page(self, PG_MESSAGE_PAGE, &params, true, limit, arena, out);
}

static enum chat_error after(struct message_repo *self, const char *user_id, const char *session_id, int64_t seq,
                             int limit, struct arena *arena, struct message_page *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    pg_add_text(&params, user_id);
    pg_add_int(&params, seq);
    pg_add_int(&params, limit + 1);
    pg_add_int(&params, MESSAGE_EXPORT_BYTES);
    return read_page(self, PG_MESSAGE_AFTER, &params, false, limit, arena, out);
}

/* Runs a statement that returns the message's columns, in one row or none. */
static enum chat_error one_message(struct message_repo *self, enum pg_statement statement,
                                   const struct pg_params *params, struct arena *arena, struct message *out)
{
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), statement, params, &result);
    if (error == CHAT_OK) {
        if (PQntuples(result) == 0)
            error = CHAT_ERR_MESSAGE_NOT_FOUND;
        else
            pg_message_from_row(result, 0, 0, arena, out);
    }
    PQclear(result);
    return error;
}

static enum chat_error get(struct message_repo *self, const char *user_id, const char *message_id, struct arena *arena,
                           struct message *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, message_id);
    pg_add_text(&params, user_id);
    return one_message(self, PG_MESSAGE_GET, &params, arena, out);
}

static enum chat_error repo_set_feedback(struct message_repo *self, const char *user_id, const char *message_id,
                                         enum message_feedback feedback, const char *comment, struct arena *arena,
                                         struct message *out)
{
    struct pg_params params = {0};
    pg_add_text(&params, message_id);
    pg_add_text(&params, user_id);
    pg_add_text(&params, feedback == FEEDBACK_NONE ? NULL : message_feedback_name(feedback));
    pg_add_text(&params, feedback == FEEDBACK_NONE ? NULL : comment);
    return one_message(self, PG_MESSAGE_FEEDBACK, &params, arena, out);
}

static enum chat_error stale_answers(struct message_repo *self, const struct stale_query *query, struct arena *arena,
                                     struct stale_answer **out, size_t *count)
{
    static const char before_all[] = "00000000-0000-0000-0000-000000000000";
    *out = NULL;
    *count = 0;
    struct pg_params params = {0};
    pg_add_int(&params, query->before_ms);
    pg_add_int(&params, query->limit);
    pg_add_int(&params, query->after_ms);
    pg_add_text(&params, query->after_id[0] ? query->after_id : before_all);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_MESSAGE_STALE, &params, &result);
    if (error == CHAT_OK) {
        int rows = PQntuples(result);
        *count = (size_t)rows;
        *out = arena_alloc(arena, *count * sizeof **out);
        for (int row = 0; row < rows; row++) {
            pg_message_from_row(result, row, 0, arena, &(*out)[row].message);
            (*out)[row].user_id = arena_strdup(arena, PQgetvalue(result, row, PQfnumber(result, "user_id")));
        }
    }
    PQclear(result);
    return error;
}

/* ---- beginning an answer ---- */

static void fill_question(const struct answer_begin *begin, struct arena *arena, struct message *out)
{
    *out = (struct message){
        .role = ROLE_USER,
        .status = MESSAGE_COMPLETE,
        .content = arena_strndup(arena, begin->content, begin->content_len),
        .content_len = begin->content_len,
        .usage = USAGE_UNKNOWN,
        .token_count = begin->question_tokens,
        .tokens_estimated = true,
        .created_at_ms = begin->now_ms,
    };
    memcpy(out->id, begin->question_id, UUID_TEXT_SIZE);
}

static void fill_answer(const struct answer_begin *begin, const struct answer_begun *begun, int64_t seq,
                        struct arena *arena, struct message *out)
{
    *out = (struct message){
        .seq = seq,
        .role = ROLE_ASSISTANT,
        .status = MESSAGE_STREAMING,
        .content = "",
        .model = arena_strdup(arena, begin->model ? begin->model : begun->session.model),
        .usage = USAGE_UNKNOWN,
        .created_at_ms = begin->now_ms,
        .epoch = begin->epoch,
    };
    memcpy(out->id, begin->answer_id, UUID_TEXT_SIZE);
    memcpy(out->session_id, begun->session.id, UUID_TEXT_SIZE);
    memcpy(out->parent_id, begun->question.id, UUID_TEXT_SIZE);
}

static enum chat_error begin_in_new_session(struct message_repo *self, const struct answer_begin *begin,
                                            struct arena *arena, struct answer_begun *out)
{
    const struct session *session = begin->new_session;
    struct pg_params params = {0};
    pg_add_text(&params, session->id);
    pg_add_text(&params, begin->user_id);
    pg_add_text(&params, begin->question_id);
    pg_add_bytes(&params, begin->content, begin->content_len);
    pg_add_int(&params, begin->question_tokens);
    pg_add_text(&params, begin->answer_id);
    pg_add_text(&params, begin->model ? begin->model : session->model);
    pg_add_int(&params, begin->epoch);
    pg_add_int(&params, begin->now_ms);
    pg_add_text(&params, search_text_words(begin->content, begin->content_len, arena));
    pg_add_text(&params, session->title);
    pg_add_text(&params, title_source_name(session->title_source));
    pg_add_text(&params, search_text_words(session->title, strlen(session->title), arena));
    pg_add_int(&params, session->created_at_ms);
    pg_add_text(&params, begin->idempotency_key);
    pg_add_text(&params, begin->idempotency_fingerprint);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_ANSWER_BEGIN_NEW_SESSION, &params, &result);
    if (error == CHAT_OK) {
        pg_session_from_row(result, 0, 0, arena, &out->session);
        fill_question(begin, arena, &out->question);
        out->question.seq = 1;
        memcpy(out->question.session_id, out->session.id, UUID_TEXT_SIZE);
        fill_answer(begin, out, 2, arena, &out->answer);
        out->history = arena_alloc(arena, sizeof *out->history);
        out->history[0] = out->question;
        out->history_count = 1;
    }
    PQclear(result);
    return error;
}

/* Columns of the two statements that begin an answer in an existing session. */
enum { VERDICT, BUSY_ID, LAST_SEQ, PARENT_ID, SESSION, MESSAGE = SESSION + PG_SESSION_COLUMNS };

/* Rows carry the earlier messages, oldest first; for a regenerate the last of them is the question. */
static void read_begun(const PGresult *result, const struct answer_begin *begin, struct arena *arena,
                       struct answer_begun *out)
{
    bool is_send = begin->question_id != NULL;
    int64_t last_seq = pg_int(result, 0, LAST_SEQ, 0);
    int rows = PQgetisnull(result, 0, MESSAGE) ? 0 : PQntuples(result);
    pg_session_from_row(result, 0, SESSION, arena, &out->session);
    out->history = arena_alloc(arena, ((size_t)rows + 1) * sizeof *out->history);
    for (int row = 0; row < rows; row++) pg_message_from_row(result, row, MESSAGE, arena, &out->history[row]);
    out->history_count = (size_t)rows;
    if (is_send) {
        fill_question(begin, arena, &out->question);
        out->question.seq = last_seq - 1;
        memcpy(out->question.session_id, out->session.id, UUID_TEXT_SIZE);
        pg_id_from_row(result, 0, PARENT_ID, out->question.parent_id);
        out->history[out->history_count++] = out->question;
    } else if (rows > 0) {
        out->question = out->history[rows - 1];
    }
    fill_answer(begin, out, last_seq, arena, &out->answer);
}

static void add_send_params(const struct answer_begin *begin, struct arena *arena, struct pg_params *params)
{
    pg_add_text(params, begin->session_id);
    pg_add_text(params, begin->user_id);
    pg_add_text(params, begin->question_id);
    pg_add_bytes(params, begin->content, begin->content_len);
    pg_add_int(params, begin->question_tokens);
    pg_add_text(params, begin->answer_id);
    pg_add_text(params, begin->model);
    pg_add_int(params, begin->epoch);
    pg_add_int(params, begin->now_ms);
    pg_add_text(params, search_text_words(begin->content, begin->content_len, arena));
    pg_add_text(params, begin->title);
    pg_add_text(params, begin->title ? search_text_words(begin->title, strlen(begin->title), arena) : NULL);
    pg_add_text(params, begin->replaces_id);
    pg_add_int(params, begin->context_messages > 0 ? begin->context_messages - 1 : 0);
    pg_add_text(params, begin->idempotency_key);
    pg_add_text(params, begin->idempotency_fingerprint);
}

static void add_regenerate_params(const struct answer_begin *begin, struct pg_params *params)
{
    pg_add_text(params, begin->regenerates_id);
    pg_add_text(params, begin->user_id);
    pg_add_text(params, begin->answer_id);
    pg_add_text(params, begin->model);
    pg_add_int(params, begin->epoch);
    pg_add_int(params, begin->now_ms);
    pg_add_int(params, begin->context_messages > 1 ? begin->context_messages : 1);
    pg_add_text(params, begin->idempotency_key);
    pg_add_text(params, begin->idempotency_fingerprint);
}

enum verdict { GO, STALE, BUSY, MISSING, UNFIT };

static enum verdict verdict_of(const PGresult *result)
{
    const char *name = PQgetvalue(result, 0, VERDICT);
    if (strcmp(name, "go") == 0) return GO;
    if (strcmp(name, "busy") == 0) return BUSY;
    if (strcmp(name, "missing") == 0) return MISSING;
    return strcmp(name, "unfit") == 0 ? UNFIT : STALE;
}

/* Finds the answer that won the race which the unique index decided. "": it has ended meanwhile. */
static void find_winner(struct message_repo *self, const struct answer_begin *begin, struct arena *arena,
                        char out[UUID_TEXT_SIZE])
{
    const char *session_id = begin->session_id;
    struct message old;
    if (begin->regenerates_id) {
        if (get(self, begin->user_id, begin->regenerates_id, arena, &old) != CHAT_OK) return;
        session_id = old.session_id;
    }
    struct pg_params params = {0};
    pg_add_text(&params, session_id);
    PGresult *result;
    if (pg_exec(conn_of(self), PG_SESSION_ACTIVE, &params, &result) == CHAT_OK && PQntuples(result) > 0)
        pg_id_from_row(result, 0, 0, out);
    PQclear(result);
}

static enum chat_error begin_once(struct message_repo *self, const struct answer_begin *begin,
                                  const struct pg_params *params, struct arena *arena, struct answer_begun *out,
                                  bool *stale)
{
    enum pg_statement statement = begin->regenerates_id ? PG_ANSWER_BEGIN_REGENERATE : PG_ANSWER_BEGIN_SEND;
    *stale = false;
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), statement, params, &result);
    if (error == CHAT_ERR_GENERATION_IN_PROGRESS) {
        find_winner(self, begin, arena, out->active_message_id);
        *stale = out->active_message_id[0] == '\0'; /* it is over already, so the way may be free */
    }
    if (error == CHAT_OK && PQntuples(result) == 0)
        error = begin->regenerates_id ? CHAT_ERR_MESSAGE_NOT_FOUND : CHAT_ERR_SESSION_NOT_FOUND;
    if (error == CHAT_OK) switch (verdict_of(result)) {
        case GO: read_begun(result, begin, arena, out); break;
        case STALE:
            *stale = true;
            error = CHAT_ERR_DATABASE_UNAVAILABLE; /* where even repeating didn't help */
            break;
        case BUSY:
            pg_id_from_row(result, 0, BUSY_ID, out->active_message_id);
            error = CHAT_ERR_GENERATION_IN_PROGRESS;
            break;
        case MISSING: error = CHAT_ERR_MESSAGE_NOT_FOUND; break;
        case UNFIT: error = CHAT_ERR_VALIDATION_FAILED; break;
        }
    PQclear(result);
    return error;
}

static enum chat_error repo_begin_answer(struct message_repo *self, const struct answer_begin *begin,
                                         struct arena *arena, struct answer_begun *out)
{
    *out = (struct answer_begun){0};
    if (begin->new_session) return begin_in_new_session(self, begin, arena, out);
    struct pg_params params = {0};
    if (begin->regenerates_id)
        add_regenerate_params(begin, &params);
    else
        add_send_params(begin, arena, &params);
    bool stale;
    enum chat_error error;
    int tries = 0;
    do error = begin_once(self, begin, &params, arena, out, &stale);
    while (stale && ++tries < STALE_RETRIES);
    return error;
}

/* ---- ending it ---- */

static enum chat_error end_answer(struct message_repo *self, const struct answer_end *end, struct arena *arena,
                                  bool *written, struct session *session)
{
    *written = false;
    struct pg_params params = {0};
    pg_add_text(&params, end->message_id);
    pg_add_text(&params, end->session_id);
    pg_add_int(&params, end->epoch);
    pg_add_text(&params, message_status_name(end->status));
    pg_add_bytes(&params, end->content, end->content_len);
    if (end->reasoning)
        pg_add_bytes(&params, end->reasoning, end->reasoning_len);
    else
        pg_add_text(&params, NULL);
    pg_add_text(&params, end->model);
    pg_add_text(&params, end->finish_reason);
    pg_add_int_or_null(&params, end->usage.prompt_tokens, end->usage.prompt_tokens < 0);
    pg_add_int_or_null(&params, end->usage.completion_tokens, end->usage.completion_tokens < 0);
    pg_add_int_or_null(&params, end->usage.total_tokens, end->usage.total_tokens < 0);
    pg_add_int(&params, end->token_count);
    pg_add_int(&params, end->tokens_estimated);
    pg_add_int(&params, end->cost_micro_usd);
    pg_add_text(&params, search_text_words(end->content ? end->content : "", end->content_len, arena));
    pg_add_int(&params, end->supersedes);
    pg_add_int(&params, end->usage.cached_tokens);
    PGresult *result;
    enum chat_error error = pg_exec(conn_of(self), PG_ANSWER_END, &params, &result);
    if (error == CHAT_OK && PQntuples(result) == 0) error = CHAT_ERR_SESSION_NOT_FOUND; /* purged */
    if (error == CHAT_OK) {
        pg_session_from_row(result, 0, 0, arena, session);
        *written = pg_bool(result, 0, PG_SESSION_COLUMNS);
    }
    PQclear(result);
    return error;
}

static const struct message_repo_ops ops = {
    .page = page,
    .after = after,
    .get = get,
    .begin = repo_begin_answer,
    .end = end_answer,
    .rate = repo_set_feedback,
    .stale_answers = stale_answers,
};

struct message_repo *pg_message_repo_open(struct pg_conn *conn)
{
    struct pg_message_repo *repo = calloc(1, sizeof *repo);
    if (!repo) return NULL;
    repo->repo.ops = &ops;
    repo->conn = conn;
    return &repo->repo;
}

void pg_message_repo_close(struct message_repo *repo)
{
    free(repo);
}
