/*
 * The store of messages, in which an answer begins and ends. Errors and threads as in session_repo.h; and
 * CHAT_ERR_MESSAGE_NOT_FOUND for a message that isn't the user's, or whose session is deleted.
 */
#ifndef DOMAIN_MESSAGE_REPO_H
#define DOMAIN_MESSAGE_REPO_H

#include "base/arena.h"
#include "domain/message.h"
#include "domain/session.h"

/* The text that is read at once; the rest comes with the next page. A single message may be longer. */
enum { MESSAGE_PAGE_BYTES = 4 << 20, MESSAGE_EXPORT_BYTES = 1 << 20 };

struct message_page {
    struct session session;
    struct message *items; /* oldest first */
    size_t count;
    bool has_more;                          /* older ones exist; of `after`: newer ones */
    char active_message_id[UUID_TEXT_SIZE]; /* the answer being written in the session, "" = none */
};

/* A question and the (streaming) row of its answer, stored together or not at all. */
struct answer_begin {
    const char *user_id;
    const char *session_id;            /* of an existing session; with new_session, that one's id */
    const struct session *new_session; /* NULL, or the session to make in the same step */
    const char *question_id;           /* id for the new question; NULL for a regenerate */
    const char *content;               /* of the question */
    size_t content_len;
    int64_t question_tokens;    /* estimate */
    const char *replaces_id;    /* NULL, or the user message that this one replaces: it and all after it in the
                                   session are superseded by the new question */
    const char *regenerates_id; /* NULL, or the answer to write again: it must be the last answer of its session and
                                   not superseded; session_id is then found from it */
    const char *answer_id;
    const char *model; /* NULL: the session's */
    const char *title; /* becomes the title, if the session still has the default one; NULL: none */
    /* The request's key, kept with the first row that it makes: the question, or a regenerate's answer. The idempotency
     * port decides who holds a key; this is for later questions. NULL: no key. */
    const char *idempotency_key;
    const char *idempotency_fingerprint;
    int epoch;
    int64_t now_ms;
    int context_messages; /* how many earlier messages to give back at most */
};

struct answer_begun {
    struct session session; /* as it is now */
    struct message question;
    struct message answer;   /* the streaming row, no text */
    struct message *history; /* oldest first, ending with the question: candidates for the context, at most
                                context_messages, only those that context_takes (and for a regenerate none after
                                the question) */
    size_t history_count;
    char active_message_id[UUID_TEXT_SIZE]; /* with CHAT_ERR_GENERATION_IN_PROGRESS */
};

struct answer_end {
    const char *message_id;
    const char *session_id;
    int epoch;
    enum message_status status; /* a final one */
    const char *content;
    size_t content_len;
    const char *reasoning; /* NULL = none */
    size_t reasoning_len;
    const char *model;         /* the one that wrote it */
    const char *finish_reason; /* NULL = not known */
    struct token_usage usage;
    int64_t token_count;
    bool tokens_estimated;
    int64_t cost_micro_usd;
    bool supersedes; /* if it has text, it replaces all earlier answers to its question */
    int64_t now_ms;
};

/* A streaming row, and whose it is. */
struct stale_answer {
    struct message message;
    const char *user_id;
};

/* Selects rows that began before `before_ms`, in the order of their age, after the one given (zeroed: from the oldest).
 */
struct stale_query {
    int64_t before_ms;
    int64_t after_ms;
    char after_id[UUID_TEXT_SIZE];
    int limit;
};

struct message_repo;
/* Implemented by lib/postgres; callers use the functions below. */
struct message_repo_ops {
    enum chat_error (*page)(struct message_repo *self, const char *user_id, const char *session_id, int64_t before,
                            int limit, struct arena *arena, struct message_page *out);
    enum chat_error (*after)(struct message_repo *self, const char *user_id, const char *session_id, int64_t after,
                             int limit, struct arena *arena, struct message_page *out);
    enum chat_error (*get)(struct message_repo *self, const char *user_id, const char *message_id, struct arena *arena,
                           struct message *out);
    enum chat_error (*begin)(struct message_repo *self, const struct answer_begin *begin, struct arena *arena,
                             struct answer_begun *out);
    enum chat_error (*end)(struct message_repo *self, const struct answer_end *end, struct arena *arena, bool *written,
                           struct session *session);
    enum chat_error (*rate)(struct message_repo *self, const char *user_id, const char *message_id,
                            enum message_feedback feedback, const char *comment, struct arena *arena,
                            struct message *out);
    enum chat_error (*stale_answers)(struct message_repo *self, const struct stale_query *query, struct arena *arena,
                                     struct stale_answer **out, size_t *count);
};
struct message_repo {
    const struct message_repo_ops *ops;
};

/* Reads the newest `limit` messages before seq `before` (0: from the end), with their session. Gives fewer if they
 * exceed MESSAGE_PAGE_BYTES, but at least one. */
static inline enum chat_error message_repo_page(struct message_repo *self, const char *user_id, const char *session_id,
                                                int64_t before, int limit, struct arena *arena,
                                                struct message_page *out)
{
    return self->ops->page(self, user_id, session_id, before, limit, arena, out);
}

/* Reads, for an export, the oldest `limit` messages after seq `after` that are not superseded. Gives fewer if they
 * exceed MESSAGE_EXPORT_BYTES, but at least one. Sets no active_message_id. */
static inline enum chat_error message_repo_after(struct message_repo *self, const char *user_id, const char *session_id,
                                                 int64_t after, int limit, struct arena *arena,
                                                 struct message_page *out)
{
    return self->ops->after(self, user_id, session_id, after, limit, arena, out);
}

/* Reads one message into the arena. */
static inline enum chat_error message_repo_get(struct message_repo *self, const char *user_id, const char *message_id,
                                               struct arena *arena, struct message *out)
{
    return self->ops->get(self, user_id, message_id, arena, out);
}

/* Stores the question and the answer's row, in one round trip. Errors: CHAT_ERR_SESSION_NOT_FOUND;
 * CHAT_ERR_MESSAGE_NOT_FOUND (replaces_id, regenerates_id); CHAT_ERR_VALIDATION_FAILED (replaces_id is no user message
 * or superseded already, or regenerates_id is not the last answer); CHAT_ERR_GENERATION_IN_PROGRESS. */
static inline enum chat_error message_repo_begin(struct message_repo *self, const struct answer_begin *begin,
                                                 struct arena *arena, struct answer_begun *out)
{
    return self->ops->begin(self, begin, arena, out);
}

/* Writes the final row, by compare-and-set on status and epoch: the row must be streaming with this epoch, or
 * interrupted with this epoch while the new status is not. *written = false: another process ended it. `session` is
 * filled as it is afterwards, also if it is deleted. */
static inline enum chat_error message_repo_end(struct message_repo *self, const struct answer_end *end,
                                               struct arena *arena, bool *written, struct session *session)
{
    return self->ops->end(self, end, arena, written, session);
}

/* Sets the feedback on a message. comment: NULL for none. *out: the message afterwards, in the arena. */
static inline enum chat_error message_repo_rate(struct message_repo *self, const char *user_id, const char *message_id,
                                                enum message_feedback feedback, const char *comment,
                                                struct arena *arena, struct message *out)
{
    return self->ops->rate(self, user_id, message_id, feedback, comment, arena, out);
}

/* Reads streaming rows, oldest first, into the arena. */
static inline enum chat_error message_repo_stale_answers(struct message_repo *self, const struct stale_query *query,
                                                         struct arena *arena, struct stale_answer **out, size_t *count)
{
    return self->ops->stale_answers(self, query, arena, out, count);
}

#endif
