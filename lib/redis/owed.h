/*
 * What admissions may have counted that were refused, because their answer never came. Redis runs a script in time, and
 * its answer may still be late: then nobody knows. Each is taken back by the thread that asked for it, before it asks
 * for the next one. Until then its units count. Its lease tells whether it was counted. A lease lives 15 s; after that
 * a unit of the day stays spent.
 *
 * For admission.c alone. An instance belongs to one thread.
 */
#ifndef REDIS_OWED_H
#define REDIS_OWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "domain/caller.h"
#include "redis/conn.h"

enum { OWED_KEY_SIZE = USER_ID_SIZE + 64 };

/* Plain value: one admission, as admission.lua was asked for it. */
struct owed_count {
    char rate[OWED_KEY_SIZE], daily[OWED_KEY_SIZE], streams[OWED_KEY_SIZE]; /* keys */
    char answer_id[UUID_TEXT_SIZE];
    int rate_units, daily_units;
    int64_t deadline_ms; /* on Redis' clock: later it isn't counted any more */
};

struct owed {
    struct redis_conn *conn; /* borrowed */
    int script;
    struct owed_item *first, *last; /* oldest first; owned */
    size_t count;
};

/* Takes one that is all zero. Adds its script to the connection, which is borrowed. */
void owed_open(struct owed *owed, struct redis_conn *conn);
/* Forgets all; what was counted stays counted. */
void owed_close(struct owed *owed);
/* Remembers one. Of more than 16 the oldest is forgotten, and so is the new one without memory (both are logged). */
void owed_add(struct owed *owed, const struct owed_count *count);
/* Within a call that was begun (redis_conn_begin), before `answer_id` is asked for: takes all back. What Redis could
 * still count is left for the next time, but for `answer_id` itself. false: Redis didn't answer, the rest is left. */
bool owed_give_back(struct owed *owed, const char *answer_id);

#endif
