#include "tests/fakes/fake_repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "domain/answer.h"
#include "domain/context.h"
#include "tests/fakes/fake_wait.h"

enum { ROWS_MAX = 1024 };

struct session_row {
    struct session session;
    char user_id[256];
    bool deleted;
    bool purged;
    int64_t deleted_at_ms;
};

struct message_row {
    struct message message;
    const char *feedback_comment;
    int writes;
    int64_t cost_micro_usd;
    bool uncounted; /* its use was erased */
};

struct fake_repo {
    struct session_repo sessions;
    struct message_repo messages;
    struct usage_repo usage;
    struct user_data data;
    struct fake_wait wait;
    struct arena strings;
    struct session_row session_rows[ROWS_MAX];
    struct message_row message_rows[ROWS_MAX];
    size_t session_count, message_count;
    struct usage_row counted[ROWS_MAX]; /* what batches brought, a row a line */
    size_t counted_count;
    struct {
        char id[UUID_TEXT_SIZE];
        int64_t batch;
    } writers[8];
    struct {
        enum chat_error error;
        int fine, times, calls; /* fine: calls that still come before the error */
    } calls[FAKE_REPO_CALLS];
};

static struct fake_repo *of_sessions(struct session_repo *self)
{
    return (struct fake_repo *)self;
}

static struct fake_repo *of_messages(struct message_repo *self)
{
    return (struct fake_repo *)(void *)((char *)self - offsetof(struct fake_repo, messages));
}

/* Every call begins with this and ends with leave. */
static enum chat_error enter(struct fake_repo *repo, enum fake_repo_call call)
{
    enum chat_error error = CHAT_OK;

    fake_wait_lock(&repo->wait);
    repo->calls[call].calls++;
    if (repo->calls[call].times != 0 && repo->calls[call].fine-- <= 0) {
        error = repo->calls[call].error;
        if (repo->calls[call].times > 0) repo->calls[call].times--;
    }
    return error;
}

static enum chat_error leave(struct fake_repo *repo, enum chat_error error)
{
    fake_wait_unlock(&repo->wait);
    return error;
}

static struct session_row *find_session(struct fake_repo *repo, const char *session_id)
{
    for (size_t i = 0; i < repo->session_count; i++)
        if (!repo->session_rows[i].purged && strcmp(repo->session_rows[i].session.id, session_id) == 0)
            return &repo->session_rows[i];
    return NULL;
}

static struct session_row *owned(struct fake_repo *repo, const char *user_id, const char *session_id, bool deleted_too)
{
    struct session_row *row = find_session(repo, session_id);

    return row && strcmp(row->user_id, user_id) == 0 && (deleted_too || !row->deleted) ? row : NULL;
}

static struct message_row *find_message(struct fake_repo *repo, const char *message_id)
{
    for (size_t i = 0; i < repo->message_count; i++)
        if (strcmp(repo->message_rows[i].message.id, message_id) == 0) return &repo->message_rows[i];
    return NULL;
}

static bool in_session(const struct message_row *row, const char *session_id)
{
    return strcmp(row->message.session_id, session_id) == 0;
}

static const char *active_answer(struct fake_repo *repo, const char *session_id)
{
    for (size_t i = 0; i < repo->message_count; i++)
        if (in_session(&repo->message_rows[i], session_id) && repo->message_rows[i].message.status == MESSAGE_STREAMING)
            return repo->message_rows[i].message.id;
    return "";
}

/* ---- sessions ---- */

static struct session_row *add_session(struct fake_repo *repo, const char *user_id, const struct session *session)
{
    struct session_row *row = &repo->session_rows[repo->session_count++];

    if (repo->session_count > ROWS_MAX) abort();
    row->session = *session;
    row->session.title = arena_strdup(&repo->strings, session->title);
    row->session.model = arena_strdup(&repo->strings, session->model);
    snprintf(row->user_id, sizeof row->user_id, "%s", user_id);
    return row;
}

static enum chat_error session_create(struct session_repo *self, const char *user_id, const struct session *session)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_CREATE);

    if (error == CHAT_OK && !find_session(repo, session->id)) add_session(repo, user_id, session);
    return leave(repo, error);
}

/* A clock that was set back doesn't move a session down the list. */
static void touch(struct session_row *row, int64_t now_ms)
{
    if (row->session.updated_at_ms < now_ms) row->session.updated_at_ms = now_ms;
}

static int64_t sort_key_us(const struct session *session, enum session_sort sort)
{
    return (sort == SORT_CREATED_AT ? session->created_at_ms : session->updated_at_ms) * 1000;
}

/* Newest first, ties by id. */
static bool comes_before(int64_t at_us, const char *id, int64_t other_us, const char *other_id)
{
    return at_us != other_us ? at_us > other_us : strcmp(id, other_id) > 0;
}

static bool matches_search(struct fake_repo *repo, const struct session_row *row, const char *search,
                           struct session_match *match)
{
    *match = (struct session_match){.snippet = row->session.title};
    if (strstr(row->session.title, search)) return true;
    for (size_t i = 0; i < repo->message_count; i++) {
        const struct message *message = &repo->message_rows[i].message;

        if (!in_session(&repo->message_rows[i], row->session.id) || !strstr(message->content, search)) continue;
        memcpy(match->message_id, message->id, UUID_TEXT_SIZE);
        match->snippet = message->content;
        return true;
    }
    return false;
}

static enum chat_error session_list(struct session_repo *self, const struct session_query *query, struct arena *arena,
                                    struct session_page *out)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_LIST);
    struct session_cursor last = query->after;
    bool has_last = query->has_after;

    if (error != CHAT_OK) return leave(repo, error);
    *out = (struct session_page){0};
    out->items = arena_alloc(arena, (size_t)query->limit * sizeof *out->items);
    if (query->search) out->matches = arena_alloc(arena, (size_t)query->limit * sizeof *out->matches);
    for (;;) {
        const struct session_row *best = NULL;
        struct session_match match = {0}, best_match = {0};

        for (size_t i = 0; i < repo->session_count; i++) {
            const struct session_row *row = &repo->session_rows[i];
            int64_t at_us = sort_key_us(&row->session, query->sort);

            if (row->deleted || strcmp(row->user_id, query->user_id) != 0) continue;
            if (has_last && !comes_before(last.at_us, last.id, at_us, row->session.id)) continue;
            if (query->search && !matches_search(repo, row, query->search, &match)) continue;
            if (best &&
                !comes_before(at_us, row->session.id, sort_key_us(&best->session, query->sort), best->session.id))
                continue;
            best = row;
            best_match = match;
        }
        if (!best) break;
        if (out->count == (size_t)query->limit) {
            out->has_more = true;
            break;
        }
        if (out->matches) out->matches[out->count] = best_match;
        out->items[out->count++] = best->session;
        last.at_us = sort_key_us(&best->session, query->sort);
        memcpy(last.id, best->session.id, UUID_TEXT_SIZE);
        has_last = true;
        out->last = last;
    }
    return leave(repo, CHAT_OK);
}

static enum chat_error session_get(struct session_repo *self, const char *user_id, const char *session_id,
                                   struct arena *arena, struct session *out)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_GET);
    const struct session_row *row = owned(repo, user_id, session_id, false);

    (void)arena;
    if (error == CHAT_OK && !row) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error == CHAT_OK) *out = row->session;
    return leave(repo, error);
}

static enum chat_error session_update(struct session_repo *self, const char *user_id, const char *session_id,
                                      const struct session_patch *patch, struct arena *arena, struct session *out)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_UPDATE);
    struct session_row *row = owned(repo, user_id, session_id, false);

    (void)arena;
    if (error == CHAT_OK && !row) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error == CHAT_OK) {
        if (patch->title) {
            row->session.title = arena_strdup(&repo->strings, patch->title);
            row->session.title_source = TITLE_USER;
        }
        if (patch->pinned >= 0) row->session.pinned = patch->pinned;
        if (patch->archived >= 0) row->session.archived = patch->archived;
        touch(row, patch->now_ms);
        *out = row->session;
    }
    return leave(repo, error);
}

static enum chat_error session_remove(struct session_repo *self, const char *user_id, const char *session_id,
                                      int64_t now_ms, char active[UUID_TEXT_SIZE])
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_REMOVE);
    struct session_row *row = owned(repo, user_id, session_id, false);

    active[0] = '\0';
    if (error == CHAT_OK && !row) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error == CHAT_OK) {
        row->deleted = true;
        row->deleted_at_ms = now_ms;
        snprintf(active, UUID_TEXT_SIZE, "%s", active_answer(repo, session_id));
    }
    return leave(repo, error);
}

static enum chat_error session_restore(struct session_repo *self, const char *user_id, const char *session_id,
                                       struct arena *arena, struct session *out)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_RESTORE);
    struct session_row *row = owned(repo, user_id, session_id, true);

    (void)arena;
    if (error == CHAT_OK && !row) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error == CHAT_OK) {
        row->deleted = false;
        *out = row->session;
    }
    return leave(repo, error);
}

static enum chat_error session_set_model_title(struct session_repo *self, const char *session_id, const char *title,
                                               int64_t now_ms, bool *taken)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_TITLE);
    struct session_row *row = find_session(repo, session_id);

    *taken = error == CHAT_OK && row && !row->deleted && row->session.title_source != TITLE_USER;
    if (*taken) {
        row->session.title = arena_strdup(&repo->strings, title);
        row->session.title_source = TITLE_MODEL;
        touch(row, now_ms);
    }
    return leave(repo, error);
}

static enum chat_error session_set_context_start(struct session_repo *self, const char *session_id,
                                                 const char *message_id)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_CONTEXT);
    struct session_row *row = find_session(repo, session_id);

    if (error == CHAT_OK && row) snprintf(row->session.context_starts_at, UUID_TEXT_SIZE, "%s", message_id);
    return leave(repo, error);
}

static enum chat_error session_purge(struct session_repo *self, int64_t before_ms, int limit, int *purged)
{
    struct fake_repo *repo = of_sessions(self);
    enum chat_error error = enter(repo, FAKE_SESSION_PURGE);

    *purged = 0;
    for (size_t i = 0; error == CHAT_OK && i < repo->session_count && *purged < limit; i++) {
        struct session_row *row = &repo->session_rows[i];

        if (!row->deleted || row->purged || row->deleted_at_ms >= before_ms) continue;
        row->purged = true;
        ++*purged;
    }
    return leave(repo, error);
}

/* ---- messages ---- */

static struct message_row *add_message(struct fake_repo *repo, const struct message *message)
{
    struct message_row *row = &repo->message_rows[repo->message_count++];

    if (repo->message_count > ROWS_MAX) abort();
    row->message = *message;
    row->message.content = arena_strndup(&repo->strings, message->content, message->content_len);
    row->message.reasoning = arena_strndup(&repo->strings, message->reasoning, message->reasoning_len);
    row->message.model = arena_strdup(&repo->strings, message->model);
    row->message.finish_reason = arena_strdup(&repo->strings, message->finish_reason);
    return row;
}

static enum chat_error message_page_op(struct message_repo *self, const char *user_id, const char *session_id,
                                       int64_t before, int limit, struct arena *arena, struct message_page *out)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_PAGE);
    const struct session_row *row = owned(repo, user_id, session_id, false);
    size_t bytes = 0;

    if (error == CHAT_OK && !row) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error != CHAT_OK) return leave(repo, error);
    *out = (struct message_page){.session = row->session};
    snprintf(out->active_message_id, UUID_TEXT_SIZE, "%s", active_answer(repo, session_id));
    out->items = arena_alloc(arena, (size_t)limit * sizeof *out->items);
    for (size_t i = repo->message_count; i-- > 0;) { /* rows of a session are in the order of seq */
        const struct message_row *message = &repo->message_rows[i];

        if (!in_session(message, session_id) || (before && message->message.seq >= before)) continue;
        if (out->count == (size_t)limit || bytes >= MESSAGE_PAGE_BYTES) {
            out->has_more = true;
            break;
        }
        bytes += message->message.content_len + message->message.reasoning_len;
        memmove(out->items + 1, out->items, out->count++ * sizeof *out->items);
        out->items[0] = message->message;
    }
    return leave(repo, CHAT_OK);
}

static enum chat_error message_after(struct message_repo *self, const char *user_id, const char *session_id,
                                     int64_t after, int limit, struct arena *arena, struct message_page *out)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_AFTER);
    const struct session_row *row = owned(repo, user_id, session_id, false);
    size_t bytes = 0;

    if (error == CHAT_OK && !row) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error != CHAT_OK) return leave(repo, error);
    *out = (struct message_page){.session = row->session};
    out->items = arena_alloc(arena, (size_t)limit * sizeof *out->items);
    for (size_t i = 0; i < repo->message_count && !out->has_more; i++) {
        const struct message *message = &repo->message_rows[i].message;

        if (!in_session(&repo->message_rows[i], session_id) || message->seq <= after || message->superseded_by[0])
            continue;
        out->has_more = out->count == (size_t)limit || bytes >= MESSAGE_EXPORT_BYTES;
        if (out->has_more) break;
        bytes += message->content_len + message->reasoning_len;
        out->items[out->count++] = *message;
    }
    return leave(repo, CHAT_OK);
}

static enum chat_error message_get(struct message_repo *self, const char *user_id, const char *message_id,
                                   struct arena *arena, struct message *out)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_GET);
    const struct message_row *row = find_message(repo, message_id);

    (void)arena;
    if (error == CHAT_OK && (!row || !owned(repo, user_id, row->message.session_id, false)))
        error = CHAT_ERR_MESSAGE_NOT_FOUND;
    if (error == CHAT_OK) *out = row->message;
    return leave(repo, error);
}

static int64_t next_seq(struct fake_repo *repo, const char *session_id)
{
    int64_t seq = 0;

    for (size_t i = 0; i < repo->message_count; i++)
        if (in_session(&repo->message_rows[i], session_id) && repo->message_rows[i].message.seq > seq)
            seq = repo->message_rows[i].message.seq;
    return seq + 1;
}

/* An answer that stands, with no standing question after it. */
static bool may_regenerate(struct fake_repo *repo, const struct message_row *answer)
{
    if (answer->message.role != ROLE_ASSISTANT || answer->message.superseded_by[0]) return false;
    for (size_t i = 0; i < repo->message_count; i++) {
        const struct message *message = &repo->message_rows[i].message;

        if (in_session(&repo->message_rows[i], answer->message.session_id) && message->seq > answer->message.seq &&
            message->role == ROLE_USER && !message->superseded_by[0])
            return false;
    }
    return true;
}

static enum chat_error check_begin(struct fake_repo *repo, const struct answer_begin *begin, const char *session_id,
                                   char active[UUID_TEXT_SIZE])
{
    if (begin->replaces_id) {
        const struct message_row *row = find_message(repo, begin->replaces_id);

        if (!row || !in_session(row, session_id)) return CHAT_ERR_MESSAGE_NOT_FOUND;
        if (row->message.role != ROLE_USER || row->message.superseded_by[0]) return CHAT_ERR_VALIDATION_FAILED;
    }
    if (begin->regenerates_id) {
        const struct message_row *row = find_message(repo, begin->regenerates_id);

        if (!may_regenerate(repo, row)) return CHAT_ERR_VALIDATION_FAILED;
    }
    snprintf(active, UUID_TEXT_SIZE, "%s", active_answer(repo, session_id));
    return active[0] ? CHAT_ERR_GENERATION_IN_PROGRESS : CHAT_OK;
}

/* The last message that stands, before the replaced one where there is one. */
static void find_parent(struct fake_repo *repo, const char *session_id, const struct message_row *replaced,
                        char parent_id[UUID_TEXT_SIZE])
{
    for (size_t i = 0; i < repo->message_count; i++) {
        const struct message *message = &repo->message_rows[i].message;

        if (!in_session(&repo->message_rows[i], session_id) || message->superseded_by[0]) continue;
        if (!replaced || message->seq < replaced->message.seq) memcpy(parent_id, message->id, UUID_TEXT_SIZE);
    }
}

static struct message *store_question(struct fake_repo *repo, const struct answer_begin *begin, const char *session_id)
{
    struct message question = {.role = ROLE_USER,
                               .status = MESSAGE_COMPLETE,
                               .content = begin->content,
                               .content_len = begin->content_len,
                               .usage = USAGE_UNKNOWN,
                               .token_count = begin->question_tokens,
                               .tokens_estimated = true,
                               .created_at_ms = begin->now_ms,
                               .seq = next_seq(repo, session_id)};
    const struct message_row *replaced = begin->replaces_id ? find_message(repo, begin->replaces_id) : NULL;

    memcpy(question.id, begin->question_id, UUID_TEXT_SIZE);
    memcpy(question.session_id, session_id, UUID_TEXT_SIZE);
    find_parent(repo, session_id, replaced, question.parent_id);
    for (size_t i = 0; replaced && i < repo->message_count; i++) {
        struct message *message = &repo->message_rows[i].message;

        if (in_session(&repo->message_rows[i], session_id) && message->seq >= replaced->message.seq &&
            !message->superseded_by[0])
            memcpy(message->superseded_by, begin->question_id, UUID_TEXT_SIZE);
    }
    return &add_message(repo, &question)->message;
}

static struct message *store_answer(struct fake_repo *repo, const struct answer_begin *begin,
                                    const struct message *question, const struct session *session)
{
    struct message answer = {.role = ROLE_ASSISTANT,
                             .status = MESSAGE_STREAMING,
                             .content = "",
                             .model = begin->model ? begin->model : session->model,
                             .usage = USAGE_UNKNOWN,
                             .created_at_ms = begin->now_ms,
                             .epoch = begin->epoch,
                             .seq = next_seq(repo, session->id)};

    memcpy(answer.id, begin->answer_id, UUID_TEXT_SIZE);
    memcpy(answer.session_id, session->id, UUID_TEXT_SIZE);
    memcpy(answer.parent_id, question->id, UUID_TEXT_SIZE);
    return &add_message(repo, &answer)->message;
}

static void give_history(struct fake_repo *repo, const struct answer_begin *begin, const struct message *question,
                         struct arena *arena, struct answer_begun *out)
{
    struct message *taken = arena_alloc(arena, (size_t)begin->context_messages * sizeof *taken);
    size_t count = 0;

    for (size_t i = repo->message_count; i-- > 0 && count < (size_t)begin->context_messages;) {
        const struct message *message = &repo->message_rows[i].message;

        if (!in_session(&repo->message_rows[i], question->session_id) || message->seq > question->seq ||
            !context_takes(message))
            continue;
        memmove(taken + 1, taken, count++ * sizeof *taken);
        taken[0] = *message;
    }
    out->history = taken;
    out->history_count = count;
}

static enum chat_error message_begin(struct message_repo *self, const struct answer_begin *begin, struct arena *arena,
                                     struct answer_begun *out)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_BEGIN);
    const struct message_row *again = begin->regenerates_id ? find_message(repo, begin->regenerates_id) : NULL;
    const char *session_id = begin->regenerates_id ? (again ? again->message.session_id : "") : begin->session_id;
    struct session_row *row;
    struct message *question;

    *out = (struct answer_begun){0};
    if (error != CHAT_OK) return leave(repo, error);
    if (begin->new_session) add_session(repo, begin->user_id, begin->new_session);
    row = owned(repo, begin->user_id, session_id, false);
    if (!row) return leave(repo, begin->regenerates_id ? CHAT_ERR_MESSAGE_NOT_FOUND : CHAT_ERR_SESSION_NOT_FOUND);
    error = check_begin(repo, begin, session_id, out->active_message_id);
    if (error != CHAT_OK) return leave(repo, error);

    if (begin->title && !begin->new_session && row->session.title_source == TITLE_DEFAULT) {
        row->session.title = arena_strdup(&repo->strings, begin->title);
        row->session.title_source = TITLE_FIRST_MESSAGE;
    }
    question = again ? &find_message(repo, again->message.parent_id)->message : store_question(repo, begin, session_id);
    row->session.message_count += again ? 1 : 2;
    row->session.last_message_at_ms = begin->now_ms;
    touch(row, begin->now_ms);
    if (begin->model) row->session.model = arena_strdup(&repo->strings, begin->model);
    out->question = *question;
    out->answer = *store_answer(repo, begin, question, &row->session);
    out->session = row->session;
    give_history(repo, begin, question, arena, out);
    return leave(repo, CHAT_OK);
}

static bool may_end(const struct message *message, const struct answer_end *end)
{
    if (message->epoch != end->epoch || message->role != ROLE_ASSISTANT) return false;
    if (end->session_id && strcmp(message->session_id, end->session_id) != 0) return false;
    if (message->status == MESSAGE_STREAMING) return true;
    return message->status == MESSAGE_INTERRUPTED && end->status != MESSAGE_INTERRUPTED;
}

/* All earlier answers to the same question: one that failed may stand between. */
static void supersede_earlier(struct fake_repo *repo, const struct message *answer)
{
    for (size_t i = 0; i < repo->message_count; i++) {
        struct message *message = &repo->message_rows[i].message;

        if (!in_session(&repo->message_rows[i], answer->session_id) || message->role != ROLE_ASSISTANT ||
            message->seq >= answer->seq || message->superseded_by[0])
            continue;
        if (strcmp(message->parent_id, answer->parent_id) == 0)
            memcpy(message->superseded_by, answer->id, UUID_TEXT_SIZE);
    }
}

static enum chat_error message_end(struct message_repo *self, const struct answer_end *end, struct arena *arena,
                                   bool *written, struct session *session)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_END);
    struct message_row *row = find_message(repo, end->message_id);
    /* a test may leave the session out, use cases never do */
    struct session_row *in = find_session(repo, end->session_id || !row ? end->session_id : row->message.session_id);

    (void)arena;
    *written = false;
    if (error == CHAT_OK && !in) error = CHAT_ERR_SESSION_NOT_FOUND;
    if (error != CHAT_OK) return leave(repo, error);
    *written = row && may_end(&row->message, end);
    if (*written) {
        struct message *message = &row->message;

        message->status = end->status;
        message->content = arena_strndup(&repo->strings, end->content, end->content_len);
        message->content_len = end->content_len;
        message->reasoning = arena_strndup(&repo->strings, end->reasoning, end->reasoning_len);
        message->reasoning_len = end->reasoning_len;
        if (end->model) message->model = arena_strdup(&repo->strings, end->model);
        message->finish_reason = arena_strdup(&repo->strings, end->finish_reason);
        message->usage = end->usage;
        message->token_count = end->token_count;
        message->tokens_estimated = end->tokens_estimated;
        row->cost_micro_usd = end->cost_micro_usd;
        row->writes++;
        if (end->supersedes && end->content_len) supersede_earlier(repo, message);
    }
    *session = in->session;
    return leave(repo, CHAT_OK);
}

static enum chat_error message_feedback_op(struct message_repo *self, const char *user_id, const char *message_id,
                                           enum message_feedback feedback, const char *comment, struct arena *arena,
                                           struct message *out)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_FEEDBACK);
    struct message_row *row = find_message(repo, message_id);

    (void)arena;
    if (error == CHAT_OK && (!row || !owned(repo, user_id, row->message.session_id, false)))
        error = CHAT_ERR_MESSAGE_NOT_FOUND;
    if (error == CHAT_OK) {
        row->message.feedback = feedback;
        row->feedback_comment = arena_strdup(&repo->strings, comment);
        *out = row->message;
    }
    return leave(repo, error);
}

static bool is_older(const struct message *message, int64_t created_at_ms, const char *id)
{
    if (message->created_at_ms != created_at_ms) return message->created_at_ms < created_at_ms;
    return strcmp(message->id, id) < 0;
}

static enum chat_error message_stale(struct message_repo *self, const struct stale_query *query, struct arena *arena,
                                     struct stale_answer **out, size_t *count)
{
    struct fake_repo *repo = of_messages(self);
    enum chat_error error = enter(repo, FAKE_MESSAGE_STALE);

    size_t limit = (size_t)query->limit;

    *count = 0;
    *out = arena_alloc(arena, limit * sizeof **out);
    for (size_t i = 0; error == CHAT_OK && i < repo->message_count; i++) {
        const struct message *message = &repo->message_rows[i].message;
        size_t at = *count;

        if (message->status != MESSAGE_STREAMING || message->created_at_ms >= query->before_ms) continue;
        if (is_older(message, query->after_ms, query->after_id) || strcmp(message->id, query->after_id) == 0) continue;
        while (at > 0 && is_older(message, (*out)[at - 1].message.created_at_ms, (*out)[at - 1].message.id)) at--;
        if (at == limit) continue;
        if (*count < limit) ++*count;
        memmove(*out + at + 1, *out + at, (*count - at - 1) * sizeof **out);
        (*out)[at] =
            (struct stale_answer){.message = *message, .user_id = find_session(repo, message->session_id)->user_id};
    }
    return leave(repo, error);
}

/* ---- use ---- */

static struct fake_repo *of_usage(struct usage_repo *self)
{
    return (struct fake_repo *)(void *)((char *)self - offsetof(struct fake_repo, usage));
}

static enum chat_error usage_count(struct usage_repo *self, const struct usage_batch *batch)
{
    struct fake_repo *repo = of_usage(self);
    enum chat_error error = enter(repo, FAKE_USAGE_COUNT);
    size_t at = 0;

    if (error != CHAT_OK) return leave(repo, error);
    while (repo->writers[at].id[0] && strcmp(repo->writers[at].id, batch->writer_id) != 0) at++;
    if (at + 1 == sizeof repo->writers / sizeof repo->writers[0]) abort();
    memcpy(repo->writers[at].id, batch->writer_id, UUID_TEXT_SIZE);
    for (size_t i = 0; batch->number > repo->writers[at].batch && i < batch->count; i++) {
        if (repo->counted_count == ROWS_MAX) abort();
        repo->counted[repo->counted_count++] = batch->rows[i];
    }
    if (batch->number > repo->writers[at].batch) repo->writers[at].batch = batch->number;
    return leave(repo, CHAT_OK);
}

static const struct message *answer_before(struct fake_repo *repo, const struct message *answer)
{
    const struct message *before = NULL;

    for (size_t i = 0; i < repo->message_count; i++) {
        const struct message *message = &repo->message_rows[i].message;

        if (in_session(&repo->message_rows[i], answer->session_id) && message->role == ROLE_ASSISTANT &&
            message->seq < answer->seq && (!before || message->seq > before->seq))
            before = message;
    }
    return before;
}

/* What an ended answer counts. */
static struct usage_row use_of(struct fake_repo *repo, const struct message_row *row)
{
    const struct message *answer = &row->message, *before = answer_before(repo, answer);
    char day_before[QUOTA_DAY_SIZE] = "";
    struct usage_row use = {
        .counts = {
            .answers = 1,
            .regenerated = before && strcmp(before->parent_id, answer->parent_id) == 0,
            .stopped = answer->status == MESSAGE_STOPPED,
            .interrupted = answer->status == MESSAGE_INTERRUPTED,
            .failed = answer->status == MESSAGE_FAILED,
            .rated_up = answer->feedback == FEEDBACK_UP,
            .rated_down = answer->feedback == FEEDBACK_DOWN,
            .prompt_tokens = answer->usage.prompt_tokens > 0 ? answer->usage.prompt_tokens : 0,
            .cached_tokens = answer->usage.cached_tokens,
            .completion_tokens = answer->usage.completion_tokens > 0 ? answer->usage.completion_tokens : 0,
            .cost_micro_usd = row->cost_micro_usd,
        }};

    for (size_t i = 0; i < repo->session_count; i++)
        if (strcmp(repo->session_rows[i].session.id, answer->session_id) == 0)
            snprintf(use.key.user_id, sizeof use.key.user_id, "%s", repo->session_rows[i].user_id);
    snprintf(use.key.model, sizeof use.key.model, "%s", answer->model);
    quota_day(answer->created_at_ms, use.key.day);
    if (before) quota_day(before->created_at_ms, day_before);
    use.counts.sessions = strcmp(day_before, use.key.day) < 0;
    return use;
}

static size_t all_use(struct fake_repo *repo, struct usage_row *out)
{
    size_t count = repo->counted_count;

    memcpy(out, repo->counted, count * sizeof *out);
    for (size_t i = 0; i < repo->message_count; i++)
        if (repo->message_rows[i].message.role == ROLE_ASSISTANT && repo->message_rows[i].writes &&
            !repo->message_rows[i].uncounted)
            out[count++] = use_of(repo, &repo->message_rows[i]);
    return count;
}

static int by_key(const void *a, const void *b)
{
    const struct usage_key *left = &((const struct usage_row *)a)->key, *right = &((const struct usage_row *)b)->key;
    int order = strcmp(left->day, right->day);

    if (order == 0) order = strcmp(left->user_id, right->user_id);
    return order ? order : strcmp(left->model, right->model);
}

static void add_counts(struct usage_counts *to, const struct usage_counts *more)
{
    int64_t *sum = (int64_t *)to;

    for (size_t i = 0; i < sizeof *to / sizeof *sum; i++) sum[i] += ((const int64_t *)more)[i];
}

static enum chat_error usage_list(struct usage_repo *self, const struct usage_query *query, struct arena *arena,
                                  struct usage_page *out)
{
    struct fake_repo *repo = of_usage(self);
    enum chat_error error = enter(repo, FAKE_USAGE_LIST);
    struct usage_row *rows = calloc(2 * ROWS_MAX, sizeof *rows);
    const struct usage_row after = {.key = query->after};
    size_t count = 0;

    if (!rows) abort();
    *out = (struct usage_page){.items = arena_alloc(arena, (size_t)query->limit * sizeof *out->items)};
    if (error == CHAT_OK) count = all_use(repo, rows);
    for (size_t i = 0; i < count; i++) {
        struct usage_key *key = &rows[i].key;

        if (strcmp(key->day, query->from) < 0 || strcmp(key->day, query->to) > 0 ||
            (query->user_id && strcmp(key->user_id, query->user_id) != 0) ||
            (query->model && strcmp(key->model, query->model) != 0)) {
            rows[i--] = rows[--count];
            continue;
        }
        if (!(query->group & USAGE_BY_DAY)) memset(key->day, 0, sizeof key->day);
        if (!(query->group & USAGE_BY_USER)) memset(key->user_id, 0, sizeof key->user_id);
        if (!(query->group & USAGE_BY_MODEL)) memset(key->model, 0, sizeof key->model);
    }
    qsort(rows, count, sizeof *rows, by_key);
    for (size_t i = 0; i < count; i++) {
        if (query->has_after && by_key(&rows[i], &after) <= 0) continue;
        if (out->count && by_key(&out->items[out->count - 1], &rows[i]) == 0) {
            add_counts(&out->items[out->count - 1].counts, &rows[i].counts);
        } else if (out->count == (size_t)query->limit) {
            out->has_more = true;
            break;
        } else {
            out->items[out->count++] = rows[i];
        }
    }
    free(rows);
    return leave(repo, error);
}

/* Different users on the days from the one to the other. */
static int64_t users_in(const struct usage_row *rows, size_t count, const char *from, const char *to)
{
    int64_t users = 0;

    for (size_t i = 0; i < count; i++) {
        bool seen = strcmp(rows[i].key.day, from) < 0 || strcmp(rows[i].key.day, to) > 0;

        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(rows[j].key.user_id, rows[i].key.user_id) == 0 && strcmp(rows[j].key.day, from) >= 0 &&
                   strcmp(rows[j].key.day, to) <= 0;
        users += !seen;
    }
    return users;
}

static enum chat_error usage_engagement(struct usage_repo *self, const char *from, const char *to, struct arena *arena,
                                        struct engagement_day **out, size_t *days)
{
    static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    struct fake_repo *repo = of_usage(self);
    enum chat_error error = enter(repo, FAKE_USAGE_ENGAGEMENT);
    struct usage_row *rows = calloc(2 * ROWS_MAX, sizeof *rows);
    int64_t from_ms = 0, to_ms = 0;

    if (!rows || !usage_day_parse(from, &from_ms) || !usage_day_parse(to, &to_ms)) abort();
    *days = (size_t)usage_days(from_ms, to_ms);
    *out = arena_alloc(arena, *days * sizeof **out);
    size_t count = all_use(repo, rows);
    for (size_t i = 0; i < *days; i++) {
        struct engagement_day *day = &(*out)[i];
        char week[QUOTA_DAY_SIZE];

        *day = (struct engagement_day){0};
        quota_day(from_ms + (int64_t)i * day_ms, day->day);
        quota_day(from_ms + ((int64_t)i - (USAGE_WEEK_DAYS - 1)) * day_ms, week);
        day->active_users = users_in(rows, count, day->day, day->day);
        day->weekly_users = users_in(rows, count, week, day->day);
        for (size_t j = 0; j < count; j++)
            if (strcmp(rows[j].key.day, day->day) == 0) add_counts(&day->counts, &rows[j].counts);
    }
    free(rows);
    return leave(repo, error);
}

/* ---- all of one user ---- */

static struct fake_repo *of_data(struct user_data *self)
{
    return (struct fake_repo *)(void *)((char *)self - offsetof(struct fake_repo, data));
}

static const struct session_row *next_deleted(struct fake_repo *repo, const char *user_id, const char *after_id)
{
    const struct session_row *next = NULL;

    for (size_t i = 0; i < repo->session_count; i++) {
        const struct session_row *row = &repo->session_rows[i];

        if (!row->deleted || row->purged || strcmp(row->user_id, user_id) != 0) continue;
        if (strcmp(row->session.id, after_id) > 0 && (!next || strcmp(row->session.id, next->session.id) < 0))
            next = row;
    }
    return next;
}

static enum chat_error data_deleted(struct user_data *self, const char *user_id, const char *after_id, int limit,
                                    struct arena *arena, struct deleted_session **out, size_t *count)
{
    struct fake_repo *repo = of_data(self);
    enum chat_error error = enter(repo, FAKE_USER_DELETED);
    const struct session_row *row;

    *count = 0;
    *out = arena_alloc(arena, (size_t)limit * sizeof **out);
    while (error == CHAT_OK && *count < (size_t)limit && (row = next_deleted(repo, user_id, after_id))) {
        (*out)[(*count)++] = (struct deleted_session){.session = row->session, .deleted_at_ms = row->deleted_at_ms};
        after_id = row->session.id;
    }
    return leave(repo, error);
}

static enum chat_error data_messages(struct user_data *self, const char *user_id, const char *session_id, int64_t after,
                                     int limit, struct arena *arena, struct stored_message **out, size_t *count)
{
    struct fake_repo *repo = of_data(self);
    enum chat_error error = enter(repo, FAKE_USER_MESSAGES);

    *count = 0;
    *out = arena_alloc(arena, (size_t)limit * sizeof **out);
    if (error != CHAT_OK || !owned(repo, user_id, session_id, true)) return leave(repo, error);
    for (size_t i = 0; i < repo->message_count && *count < (size_t)limit; i++) { /* rows are in the order of seq */
        const struct message_row *row = &repo->message_rows[i];

        if (in_session(row, session_id) && row->message.seq > after)
            (*out)[(*count)++] =
                (struct stored_message){.message = row->message, .feedback_comment = row->feedback_comment};
    }
    return leave(repo, CHAT_OK);
}

/* The user's days of use, in order; `out` takes 2 * ROWS_MAX. */
static size_t days_of(struct fake_repo *repo, const char *user_id, struct usage_row *out)
{
    size_t count = all_use(repo, out), own = 0, days = 0;

    for (size_t i = 0; i < count; i++)
        if (strcmp(out[i].key.user_id, user_id) == 0) out[own++] = out[i];
    qsort(out, own, sizeof *out, by_key);
    for (size_t i = 0; i < own; i++)
        if (!days || by_key(&out[days - 1], &out[i]) != 0) out[days++] = out[i];
    return days;
}

static void erase_day(struct fake_repo *repo, const struct usage_row *day)
{
    for (size_t i = 0; i < repo->counted_count; i++)
        if (by_key(&repo->counted[i], day) == 0) repo->counted[i--] = repo->counted[--repo->counted_count];
    for (size_t i = 0; i < repo->message_count; i++) {
        struct message_row *row = &repo->message_rows[i];

        if (row->message.role != ROLE_ASSISTANT || !row->writes) continue;
        const struct usage_row use = use_of(repo, row);
        if (by_key(&use, day) == 0) row->uncounted = true;
    }
}

static enum chat_error data_erase(struct user_data *self, const char *user_id, int limit, struct user_data_counts *gone)
{
    struct fake_repo *repo = of_data(self);
    enum chat_error error = enter(repo, FAKE_USER_ERASE);
    struct usage_row *days = calloc(2 * ROWS_MAX, sizeof *days);
    size_t day_count = 0;

    if (!days) abort();
    *gone = (struct user_data_counts){0};
    for (size_t i = 0; error == CHAT_OK && i < repo->session_count && gone->sessions < limit; i++) {
        struct session_row *row = &repo->session_rows[i];

        if (!row->deleted || row->purged || strcmp(row->user_id, user_id) != 0) continue;
        if (active_answer(repo, row->session.id)[0]) continue;
        row->purged = true;
        gone->sessions++;
        for (size_t j = 0; j < repo->message_count; j++)
            gone->messages += in_session(&repo->message_rows[j], row->session.id);
    }
    if (error == CHAT_OK) day_count = days_of(repo, user_id, days);
    for (size_t i = 0; i < day_count && gone->usage_rows < limit; i++, gone->usage_rows++) erase_day(repo, &days[i]);
    free(days);
    return leave(repo, error);
}

static enum chat_error data_count(struct user_data *self, const char *user_id, struct user_data_counts *out)
{
    struct fake_repo *repo = of_data(self);
    enum chat_error error = enter(repo, FAKE_USER_COUNT);
    struct usage_row *days = calloc(2 * ROWS_MAX, sizeof *days);

    if (!days) abort();
    *out = (struct user_data_counts){0};
    for (size_t i = 0; error == CHAT_OK && i < repo->session_count; i++)
        out->sessions += !repo->session_rows[i].purged && strcmp(repo->session_rows[i].user_id, user_id) == 0;
    if (error == CHAT_OK) out->usage_rows = (int64_t)days_of(repo, user_id, days);
    free(days);
    return leave(repo, error);
}

/* ---- for tests ---- */

struct fake_repo *fake_repo_open(void)
{
    static const struct session_repo_ops session_ops = {
        .create = session_create,
        .list = session_list,
        .get = session_get,
        .update = session_update,
        .remove = session_remove,
        .restore = session_restore,
        .set_model_title = session_set_model_title,
        .set_context_start = session_set_context_start,
        .purge = session_purge,
    };
    static const struct message_repo_ops message_ops = {
        .page = message_page_op,
        .after = message_after,
        .get = message_get,
        .begin = message_begin,
        .end = message_end,
        .rate = message_feedback_op,
        .stale_answers = message_stale,
    };
    static const struct usage_repo_ops usage_ops = {
        .count = usage_count, .list = usage_list, .engagement = usage_engagement};
    static const struct user_data_ops data_ops = {
        .deleted = data_deleted, .messages = data_messages, .erase = data_erase, .count = data_count};
    struct fake_repo *repo = calloc(1, sizeof *repo);

    if (!repo) abort();
    repo->data.ops = &data_ops;
    repo->usage.ops = &usage_ops;
    repo->sessions.ops = &session_ops;
    repo->messages.ops = &message_ops;
    fake_wait_init(&repo->wait);
    arena_init(&repo->strings);
    return repo;
}

void fake_repo_close(struct fake_repo *repo)
{
    arena_fini(&repo->strings);
    fake_wait_fini(&repo->wait);
    free(repo);
}

struct session_repo *fake_repo_sessions(struct fake_repo *repo)
{
    return &repo->sessions;
}

struct message_repo *fake_repo_messages(struct fake_repo *repo)
{
    return &repo->messages;
}

struct usage_repo *fake_repo_usage(struct fake_repo *repo)
{
    return &repo->usage;
}

struct user_data *fake_repo_user_data(struct fake_repo *repo)
{
    return &repo->data;
}

static void fail(struct fake_repo *repo, enum fake_repo_call call, enum chat_error error, int fine, int times)
{
    fake_wait_lock(&repo->wait);
    repo->calls[call].error = error;
    repo->calls[call].fine = fine;
    repo->calls[call].times = error == CHAT_OK ? 0 : times;
    fake_wait_unlock(&repo->wait);
}

void fake_repo_fail(struct fake_repo *repo, enum fake_repo_call call, enum chat_error error, int times)
{
    fail(repo, call, error, 0, times);
}

void fake_repo_fail_later(struct fake_repo *repo, enum fake_repo_call call, enum chat_error error, int fine)
{
    fail(repo, call, error, fine, 1);
}

int fake_repo_calls(struct fake_repo *repo, enum fake_repo_call call)
{
    int calls;

    fake_wait_lock(&repo->wait);
    calls = repo->calls[call].calls;
    fake_wait_unlock(&repo->wait);
    return calls;
}

bool fake_repo_wait_calls(struct fake_repo *repo, enum fake_repo_call call, int at_least)
{
    bool came;

    FAKE_WAIT_UNTIL(&repo->wait, repo->calls[call].calls >= at_least, came);
    return came;
}

bool fake_repo_message(struct fake_repo *repo, const char *message_id, struct message *out)
{
    const struct message_row *row;

    fake_wait_lock(&repo->wait);
    row = find_message(repo, message_id);
    if (row) *out = row->message;
    fake_wait_unlock(&repo->wait);
    return row != NULL;
}

int fake_repo_writes(struct fake_repo *repo, const char *message_id)
{
    const struct message_row *row;
    int writes;

    fake_wait_lock(&repo->wait);
    row = find_message(repo, message_id);
    writes = row ? row->writes : 0;
    fake_wait_unlock(&repo->wait);
    return writes;
}

int64_t fake_repo_cost(struct fake_repo *repo, const char *message_id)
{
    const struct message_row *row;
    int64_t cost;

    fake_wait_lock(&repo->wait);
    row = find_message(repo, message_id);
    cost = row ? row->cost_micro_usd : -1;
    fake_wait_unlock(&repo->wait);
    return cost;
}

static bool has_ended(struct fake_repo *repo, const char *message_id)
{
    const struct message_row *row = find_message(repo, message_id);

    return row && answer_is_final(row->message.status);
}

bool fake_repo_wait_ended(struct fake_repo *repo, const char *message_id)
{
    bool ended;

    FAKE_WAIT_UNTIL(&repo->wait, has_ended(repo, message_id), ended);
    return ended;
}

void fake_repo_put(struct fake_repo *repo, const struct message *message)
{
    fake_wait_lock(&repo->wait);
    add_message(repo, message);
    fake_wait_unlock(&repo->wait);
}
