/*
 * The counts of use by day. Answers are counted with their final row (message_repo.h, end_answer and set_feedback).
 * Other use is counted here, and the reports are here. Errors and threads as in session_repo.h.
 */
#ifndef DOMAIN_USAGE_REPO_H
#define DOMAIN_USAGE_REPO_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "domain/usage.h"

struct usage_row {
    struct usage_key key; /* in a report: "" for what it isn't grouped by */
    struct usage_counts counts;
};

/* A batch is added to the days once, even if it is sent again: a writer sends one at a time, each with a higher number.
 */
struct usage_batch {
    char writer_id[UUID_TEXT_SIZE];
    int64_t number; /* from 1 */
    int64_t now_ms;
    const struct usage_row *rows; /* of each, the counts of completions, tokens and cost; no key twice */
    size_t count;
};

enum usage_group { USAGE_BY_DAY = 1, USAGE_BY_USER = 2, USAGE_BY_MODEL = 4, USAGE_GROUPS = 8 };

struct usage_query {
    char from[QUOTA_DAY_SIZE], to[QUOTA_DAY_SIZE]; /* both included */
    const char *user_id, *model;                   /* NULL: all */
    unsigned group;                                /* at least one of enum usage_group */
    int limit;                                     /* 1-100 */
    bool has_after;
    struct usage_key after; /* the last row already seen */
};

struct usage_page {
    struct usage_row *items; /* in the order of day, user, model, as far as it is grouped by them */
    size_t count;
    bool has_more;
};

struct usage_repo;
/* Implemented by lib/postgres; callers use the functions below. */
struct usage_repo_ops {
    enum chat_error (*count)(struct usage_repo *self, const struct usage_batch *batch);
    enum chat_error (*list)(struct usage_repo *self, const struct usage_query *query, struct arena *arena,
                            struct usage_page *out);
    enum chat_error (*engagement)(struct usage_repo *self, const char *from, const char *to, struct arena *arena,
                                  struct engagement_day **out, size_t *count);
};
struct usage_repo {
    const struct usage_repo_ops *ops;
};

/* Adds a batch to the days. */
static inline enum chat_error usage_repo_count(struct usage_repo *self, const struct usage_batch *batch)
{
    return self->ops->count(self, batch);
}

/* Reads a page of a report into the arena. */
static inline enum chat_error usage_repo_list(struct usage_repo *self, const struct usage_query *query,
                                              struct arena *arena, struct usage_page *out)
{
    return self->ops->list(self, query, arena, out);
}

/* Reads every day from the one to the other, also those without any use, into the arena. */
static inline enum chat_error usage_repo_engagement(struct usage_repo *self, const char *from, const char *to,
                                                    struct arena *arena, struct engagement_day **out, size_t *count)
{
    return self->ops->engagement(self, from, to, arena, out, count);
}

#endif
