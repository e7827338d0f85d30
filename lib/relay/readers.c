/* Who reads what is there already, or waits for it: places of their own, apart from those of answers and completions,
 * so that however many come again, nobody's question is refused for it; and only so many for one user. */
#include "relay/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"

struct reader_user {
    struct reader_user *next;
    int count;
    bool has_long; /* one of them is a long reply */
    char user_id[USER_ID_SIZE];
};

static struct reader_user **place_of(struct relay *relay, const char *user_id)
{
    uint32_t hash = 2166136261u;
    for (const char *at = user_id; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    struct reader_user **place = &relay->reader_users[hash % READER_BUCKETS];
    while (*place && strcmp((*place)->user_id, user_id) != 0) place = &(*place)->next;
    return place;
}

static enum chat_error take(struct relay *relay, const char *user_id)
{
    struct reader_user **place = place_of(relay, user_id);
    if (*place && (*place)->count >= relay->settings.max_readers_per_user) return CHAT_ERR_TOO_MANY_STREAMS;
    if (atomic_load(&relay->readers) >= relay->settings.max_streams) return CHAT_ERR_OVERLOADED;
    if (!*place) {
        *place = calloc(1, sizeof **place);
        if (!*place) return CHAT_ERR_OVERLOADED;
        snprintf((*place)->user_id, USER_ID_SIZE, "%s", user_id);
    }
    (*place)->count++;
    atomic_fetch_add(&relay->readers, 1);
    metrics_move(&metrics->gauges.readers, 1);
    return CHAT_OK;
}

enum chat_error readers_take(struct relay *relay, const char *user_id)
{
    if (atomic_load(&relay->draining)) return CHAT_ERR_SHUTTING_DOWN;
    pthread_mutex_lock(&relay->lock);
    enum chat_error error = take(relay, user_id);
    pthread_mutex_unlock(&relay->lock);
    return error;
}

enum chat_error readers_take_long(struct relay *relay, const char *user_id)
{
    if (atomic_load(&relay->draining)) return CHAT_ERR_SHUTTING_DOWN;
    pthread_mutex_lock(&relay->lock);
    const struct reader_user *user = *place_of(relay, user_id);
    enum chat_error error = user && user->has_long ? CHAT_ERR_TOO_MANY_STREAMS : take(relay, user_id);
    if (error == CHAT_OK) (*place_of(relay, user_id))->has_long = true;
    pthread_mutex_unlock(&relay->lock);
    return error;
}

static void give(struct relay *relay, const char *user_id, bool is_long)
{
    pthread_mutex_lock(&relay->lock);
    struct reader_user **place = place_of(relay, user_id), *user = *place;
    if (is_long) user->has_long = false;
    if (--user->count == 0) {
        *place = user->next;
        free(user);
    }
    atomic_fetch_sub(&relay->readers, 1);
    metrics_move(&metrics->gauges.readers, -1);
    pthread_cond_broadcast(&relay->idle);
    pthread_mutex_unlock(&relay->lock);
}

void readers_give(struct relay *relay, const char *user_id)
{
    give(relay, user_id, false);
}

void readers_give_long(struct relay *relay, const char *user_id)
{
    give(relay, user_id, true);
}
