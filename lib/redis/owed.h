/*
 * What admissions may have counted that were refused, because their answer never came. Redis runs a script in time, and
 * its answer may still be late: then nobody knows. What was refused so is owed. Before an admission, its thread
 * takes back what it holds itself, and up to four of the process's. Until then the units count. Its lease tells whether
 * it was counted. A lease lives 15 s; after that a unit of the day stays spent.
 *
 * For admission.c alone. A struct owed belongs to one thread; what is owed is common to the process.
 */
#ifndef REDIS_OWED_H
#define REDIS_OWED_H

#include <stdbool.h>
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
    bool holds;
    struct owed_count held; /* of the last admission of this thread, which may be asked for again under its id */
};

/* Takes one that is all zero. Adds its script to the connection, which is borrowed. */
void owed_open(struct owed *owed, struct redis_conn *conn);
/* Holds what the admission of a moment ago may have counted. Before, owed_give_back was called. */
void owed_hold(struct owed *owed, const struct owed_count *count);
/* What is held was refused for good: any thread may take it back now. Of more than 64, those that wait longest
 * in line are forgotten (logged). */
void owed_let_go(struct owed *owed);
/* Within a call that was begun (redis_conn_begin), before `answer_id` is asked for ("": no answer is): takes back what
 * is held, and some of what the process owes. What Redis could still count is left for later, but for `answer_id`
 * itself. false: Redis didn't answer; the rest is left. */
bool owed_give_back(struct owed *owed, const char *answer_id);

#endif
