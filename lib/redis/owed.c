#include "redis/owed.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/log.h"
#include "redis/give_back.lua.h"

enum {
    OWED_MAX = 64,
    AT_ONCE = 4, /* before one admission, which waits for them */
    NUMBER_SIZE = 24,
};

/* The process's, oldest first from `first` on, as a ring. */
static struct {
    pthread_mutex_t lock;
    struct owed_count items[OWED_MAX];
    size_t first, count;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void push(const struct owed_count *count)
{
    pthread_mutex_lock(&all.lock);
    bool full = all.count == OWED_MAX;
    if (full) {
        all.first = (all.first + 1) % OWED_MAX;
        all.count--;
    }
    all.items[(all.first + all.count++) % OWED_MAX] = *count;
    pthread_mutex_unlock(&all.lock);
    if (full) log_write(LOG_WARN, "count_not_given_back");
}

static bool pop(struct owed_count *out)
{
    pthread_mutex_lock(&all.lock);
    bool found = all.count > 0;
    if (found) {
        *out = all.items[all.first];
        all.first = (all.first + 1) % OWED_MAX;
        all.count--;
    }
    pthread_mutex_unlock(&all.lock);
    return found;
}

void owed_open(struct owed *owed, struct redis_conn *conn)
{
    owed->conn = conn;
    owed->script = redis_conn_add_script(conn, give_back_lua);
}

void owed_hold(struct owed *owed, const struct owed_count *count)
{
    owed->held = *count;
    owed->holds = true;
}

void owed_let_go(struct owed *owed)
{
    if (owed->holds) push(&owed->held);
    owed->holds = false;
}

enum given_back { GIVEN_BACK, TOO_EARLY, NO_ANSWER };

static enum given_back give_back(const struct owed *owed, const struct owed_count *count)
{
    char deadline[NUMBER_SIZE], rate_units[NUMBER_SIZE], daily_units[NUMBER_SIZE];
    const char *const args[] = {count->rate,      count->daily, count->streams, deadline,
                                count->answer_id, rate_units,   daily_units};
    snprintf(deadline, sizeof deadline, "%" PRId64, count->deadline_ms);
    snprintf(rate_units, sizeof rate_units, "%d", count->rate_units);
    snprintf(daily_units, sizeof daily_units, "%d", count->daily_units);
    redisReply *reply = redis_conn_eval(owed->conn, owed->script, 3, args, sizeof args / sizeof args[0]);
    if (!reply) return NO_ANSWER;
    bool early = reply->type == REDIS_REPLY_INTEGER && reply->integer == 0;
    freeReplyObject(reply);
    return early ? TOO_EARLY : GIVEN_BACK;
}

static bool give_back_held(struct owed *owed, const char *answer_id)
{
    enum given_back result = give_back(owed, &owed->held);
    if (result == NO_ANSWER) return false;
    /* what is asked for again under the same id must not be taken back later */
    if (result == TOO_EARLY && strcmp(owed->held.answer_id, answer_id) != 0) owed_let_go(owed);
    owed->holds = false;
    return true;
}

bool owed_give_back(struct owed *owed, const char *answer_id)
{
    if (owed->holds && !give_back_held(owed, answer_id)) return false;
    struct owed_count count;
    for (int i = 0; i < AT_ONCE && pop(&count); i++) {
        enum given_back result = give_back(owed, &count);
        if (result != GIVEN_BACK) push(&count);
        if (result == NO_ANSWER) return false;
    }
    return true;
}
