#include "redis/owed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/log.h"
#include "redis/give_back.lua.h"

enum { OWED_MAX = 16, NUMBER_SIZE = 24 };

struct owed_item {
    struct owed_item *next;
    struct owed_count count;
};

static struct owed_item *take_first(struct owed *owed)
{
    struct owed_item *item = owed->first;
    owed->first = item->next;
    if (!owed->first) owed->last = NULL;
    owed->count--;
    return item;
}

static void append(struct owed *owed, struct owed_item *item)
{
    item->next = NULL;
    if (owed->last)
        owed->last->next = item;
    else
        owed->first = item;
    owed->last = item;
    owed->count++;
}

void owed_open(struct owed *owed, struct redis_conn *conn)
{
    owed->conn = conn;
    owed->script = redis_conn_add_script(conn, give_back_lua);
}

void owed_close(struct owed *owed)
{
    while (owed->first) free(take_first(owed));
}

void owed_add(struct owed *owed, const struct owed_count *count)
{
    struct owed_item *item = malloc(sizeof *item);
    if (!item || owed->count == OWED_MAX) log_write(LOG_WARN, "count_not_given_back");
    if (!item) return;
    if (owed->count == OWED_MAX) free(take_first(owed));
    item->count = *count;
    append(owed, item);
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
    enum given_back result = !reply                                                      ? NO_ANSWER
                             : reply->type == REDIS_REPLY_INTEGER && reply->integer == 0 ? TOO_EARLY
                                                                                         : GIVEN_BACK;
    if (reply) freeReplyObject(reply);
    return result;
}

bool owed_give_back(struct owed *owed, const char *answer_id)
{
    for (size_t left = owed->count; left > 0; left--) {
        enum given_back result = give_back(owed, &owed->first->count);
        if (result == NO_ANSWER) return false;
        struct owed_item *item = take_first(owed);
        /* what is asked for again under the same id must not be taken back later */
        if (result == TOO_EARLY && strcmp(item->count.answer_id, answer_id) != 0)
            append(owed, item);
        else
            free(item);
    }
    return true;
}
