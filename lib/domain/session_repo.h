/*
 * The store of sessions. Every call is bounded in time; CHAT_ERR_DATABASE_UNAVAILABLE: the store is away or too slow.
 * Foreign, deleted and non-existent sessions are the same: CHAT_ERR_SESSION_NOT_FOUND.
 * One instance belongs to one thread.
 */
#ifndef DOMAIN_SESSION_REPO_H
#define DOMAIN_SESSION_REPO_H

#include "base/arena.h"
#include "domain/session.h"

enum session_sort { SORT_CREATED_AT, SORT_UPDATED_AT };

/* Keyset position: the last row already seen. */
struct session_cursor {
    int64_t at_us; /* microseconds since the epoch of the sort column: as exact as the store */
    char id[UUID_TEXT_SIZE];
};

struct session_query {
    const char *user_id;
    enum session_sort sort; /* newest first, ties by id, descending */
    int limit;              /* 1-100 */
    bool has_after;
    struct session_cursor after;
    const char *search; /* NULL: all; otherwise only those whose title or messages match */
};

struct session_match {
    char message_id[UUID_TEXT_SIZE]; /* "" = the title matched */
    const char *snippet;             /* plain text, at most ~200 code points around the match */
};

struct session_page {
    struct session *items;
    struct session_match *matches; /* as many as items, for a search; otherwise NULL */
    size_t count;
    bool has_more;
    struct session_cursor last; /* of the last item, where count > 0 */
};

struct session_patch {
    const char *title; /* NULL: as it is; set by the user from now on */
    int pinned;        /* -1: as it is; 0, 1 */
    int archived;
    int64_t now_ms;
};

struct session_repo;
/* Implemented by lib/postgres; callers use the functions below. */
struct session_repo_ops {
    enum chat_error (*create)(struct session_repo *self, const char *user_id, const struct session *session);
    enum chat_error (*list)(struct session_repo *self, const struct session_query *query, struct arena *arena,
                            struct session_page *out);
    enum chat_error (*get)(struct session_repo *self, const char *user_id, const char *session_id, struct arena *arena,
                           struct session *out);
    enum chat_error (*update)(struct session_repo *self, const char *user_id, const char *session_id,
                              const struct session_patch *patch, struct arena *arena, struct session *out);
    enum chat_error (*remove)(struct session_repo *self, const char *user_id, const char *session_id, int64_t now_ms,
                              char active_answer[UUID_TEXT_SIZE]);
    enum chat_error (*restore)(struct session_repo *self, const char *user_id, const char *session_id,
                               struct arena *arena, struct session *out);
    enum chat_error (*set_model_title)(struct session_repo *self, const char *session_id, const char *title,
                                       int64_t now_ms, bool *taken);
    enum chat_error (*set_context_start)(struct session_repo *self, const char *session_id, const char *message_id);
    enum chat_error (*purge)(struct session_repo *self, int64_t before_ms, int limit, int *purged);
};
struct session_repo {
    const struct session_repo_ops *ops;
};

/* Stores all fields given; the caller makes `session->id`. */
static inline enum chat_error session_repo_create(struct session_repo *self, const char *user_id,
                                                  const struct session *session)
{
    return self->ops->create(self, user_id, session);
}

/* Reads a page of a user's sessions into the arena. */
static inline enum chat_error session_repo_list(struct session_repo *self, const struct session_query *query,
                                                struct arena *arena, struct session_page *out)
{
    return self->ops->list(self, query, arena, out);
}

/* Reads one session into the arena. */
static inline enum chat_error session_repo_get(struct session_repo *self, const char *user_id, const char *session_id,
                                               struct arena *arena, struct session *out)
{
    return self->ops->get(self, user_id, session_id, arena, out);
}

/* Changes what the patch names. *out: the session afterwards, in the arena. */
static inline enum chat_error session_repo_update(struct session_repo *self, const char *user_id,
                                                  const char *session_id, const struct session_patch *patch,
                                                  struct arena *arena, struct session *out)
{
    return self->ops->update(self, user_id, session_id, patch, arena, out);
}

/* Soft-deletes. Sets `active_answer` to the id of an answer still being written in it, otherwise "". A second time:
 * CHAT_ERR_SESSION_NOT_FOUND. */
static inline enum chat_error session_repo_remove(struct session_repo *self, const char *user_id,
                                                  const char *session_id, int64_t now_ms,
                                                  char active_answer[UUID_TEXT_SIZE])
{
    return self->ops->remove(self, user_id, session_id, now_ms, active_answer);
}

/* Restores a deleted session that isn't purged yet. One that isn't deleted is returned as it is. */
static inline enum chat_error session_repo_restore(struct session_repo *self, const char *user_id,
                                                   const char *session_id, struct arena *arena, struct session *out)
{
    return self->ops->restore(self, user_id, session_id, arena, out);
}

/* Stores a title that a model wrote, unless the user has named the session. *taken: it was stored. */
static inline enum chat_error session_repo_set_model_title(struct session_repo *self, const char *session_id,
                                                           const char *title, int64_t now_ms, bool *taken)
{
    return self->ops->set_model_title(self, session_id, title, now_ms, taken);
}

/* Sets session.context_starts_at; "" for none. Does nothing for a session that isn't there. */
static inline enum chat_error session_repo_set_context_start(struct session_repo *self, const char *session_id,
                                                             const char *message_id)
{
    return self->ops->set_context_start(self, session_id, message_id);
}

/* Removes for good, with their messages, at most `limit` sessions that were deleted before `before_ms`. If *purged is
 * below `limit`, none are left. */
static inline enum chat_error session_repo_purge(struct session_repo *self, int64_t before_ms, int limit, int *purged)
{
    return self->ops->purge(self, before_ms, limit, purged);
}

#endif
