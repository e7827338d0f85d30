/*
 * All that is stored of one user, for export and erasure. Each call is a bounded batch. session_repo.h lists the
 * sessions that aren't deleted. Errors and threads as in session_repo.h.
 */
#ifndef DOMAIN_USER_DATA_H
#define DOMAIN_USER_DATA_H

#include "base/arena.h"
#include "domain/message.h"
#include "domain/session.h"

/* A session that is deleted, and not purged yet. */
struct deleted_session {
    struct session session;
    int64_t deleted_at_ms;
};

/* A message, perhaps superseded. */
struct stored_message {
    struct message message;
    const char *feedback_comment; /* NULL: none */
};

struct user_data_counts {
    int64_t sessions, messages, usage_rows;
    int64_t redis_keys; /* not this store's: usecases/user_keys.h */
};

struct user_data;
/* Implemented by lib/postgres; callers use the functions below. */
struct user_data_ops {
    enum chat_error (*deleted)(struct user_data *self, const char *user_id, const char *after_id, int limit,
                               struct arena *arena, struct deleted_session **out, size_t *count);
    enum chat_error (*messages)(struct user_data *self, const char *user_id, const char *session_id, int64_t after,
                                int limit, struct arena *arena, struct stored_message **out, size_t *count);
    enum chat_error (*erase)(struct user_data *self, const char *user_id, int limit, struct user_data_counts *gone);
    enum chat_error (*count)(struct user_data *self, const char *user_id, struct user_data_counts *out);
};
struct user_data {
    const struct user_data_ops *ops;
};

/* Reads deleted sessions in the order of their ids, after `after_id` ("": from the first), at most `limit`, into the
 * arena. */
static inline enum chat_error user_data_deleted(struct user_data *self, const char *user_id, const char *after_id,
                                                int limit, struct arena *arena, struct deleted_session **out,
                                                size_t *count)
{
    return self->ops->deleted(self, user_id, after_id, limit, arena, out, count);
}

/* Reads the messages of a session, deleted or not, oldest first, after seq `after`. */
static inline enum chat_error user_data_messages(struct user_data *self, const char *user_id, const char *session_id,
                                                 int64_t after, int limit, struct arena *arena,
                                                 struct stored_message **out, size_t *count)
{
    return self->ops->messages(self, user_id, session_id, after, limit, arena, out, count);
}

/* Removes for good at most `limit` deleted sessions in which no answer is being written, and as many days of use. Fills
 * *gone with the counts. */
static inline enum chat_error user_data_erase(struct user_data *self, const char *user_id, int limit,
                                              struct user_data_counts *gone)
{
    return self->ops->erase(self, user_id, limit, gone);
}

/* Counts what there is: sessions, deleted ones too, and days of use. Messages don't exist without a session. */
static inline enum chat_error user_data_count(struct user_data *self, const char *user_id, struct user_data_counts *out)
{
    return self->ops->count(self, user_id, out);
}

#endif
