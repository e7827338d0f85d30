/*
 * All that is stored of one user, for handing it out and for erasing it. Errors and threads as in session_repo.h. Each
 * call is a bounded batch. What stands is listed by session_repo.h.
 */
#ifndef DOMAIN_USER_DATA_H
#define DOMAIN_USER_DATA_H

#include "base/arena.h"
#include "domain/message.h"
#include "domain/session.h"

/* Deleted, not purged yet. */
struct deleted_session {
    struct session session;
    int64_t deleted_at_ms;
};

/* Also superseded ones. */
struct stored_message {
    struct message message;
    const char *feedback_comment; /* NULL: none */
};

struct user_data_counts {
    int64_t sessions, messages, usage_rows;
    int64_t redis_keys; /* not this store's: usecases/user_keys.h */
};

struct user_data;
struct user_data_ops {
    /* In the order of their ids, from after `after_id` on ("": from the first), at most `limit`; in the arena. */
    enum chat_error (*deleted)(struct user_data *self, const char *user_id, const char *after_id, int limit,
                               struct arena *arena, struct deleted_session **out, size_t *count);
    /* Of a session, deleted or not, oldest first, from after seq `after` on. */
    enum chat_error (*messages)(struct user_data *self, const char *user_id, const char *session_id, int64_t after,
                                int limit, struct arena *arena, struct stored_message **out, size_t *count);
    /* Removes for good, at most `limit` sessions and as many days of use: deleted sessions in which no answer is being
     * written. *gone: what went. */
    enum chat_error (*erase)(struct user_data *self, const char *user_id, int limit, struct user_data_counts *gone);
    /* What there is: sessions, deleted ones too, and days of use; messages have no life without a session. */
    enum chat_error (*count)(struct user_data *self, const char *user_id, struct user_data_counts *out);
};
struct user_data {
    const struct user_data_ops *ops;
};

#endif
