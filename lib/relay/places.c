#include "relay/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domain/caller.h"
#include "metrics/metrics.h"

struct reader_user {
    struct reader_user *next;
    int count;
    bool has_long; /* one of them is a long reply */
    char user_id[USER_ID_SIZE];
};

void places_open(struct places *places, int max_streams, int max_readers_per_user)
{
    places->max_streams = max_streams;
    places->max_readers_per_user = max_readers_per_user;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&places->lock, NULL);
    pthread_cond_init(&places->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void places_close(struct places *places)
{
    pthread_cond_destroy(&places->idle);
    pthread_mutex_destroy(&places->lock);
}

/* ---- streams ---- */

enum chat_error places_take(struct places *places)
{
    if (atomic_load(&places->refusing)) return CHAT_ERR_SHUTTING_DOWN;
    if (atomic_fetch_add(&places->streams, 1) < places->max_streams) return CHAT_OK;
    atomic_fetch_sub(&places->streams, 1);
    return CHAT_ERR_OVERLOADED;
}

void places_give(struct places *places)
{
    pthread_mutex_lock(&places->lock);
    atomic_fetch_sub(&places->streams, 1);
    pthread_cond_broadcast(&places->idle);
    pthread_mutex_unlock(&places->lock);
}

/* ---- readers ---- */

static struct reader_user **user_at(struct places *places, const char *user_id)
{
    uint32_t hash = 2166136261u;
    for (const char *at = user_id; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    struct reader_user **place = &places->users[hash % READER_BUCKETS];
    while (*place && strcmp((*place)->user_id, user_id) != 0) place = &(*place)->next;
    return place;
}

static enum chat_error take(struct places *places, const char *user_id)
{
    struct reader_user **user = user_at(places, user_id);
    if (*user && (*user)->count >= places->max_readers_per_user) return CHAT_ERR_TOO_MANY_STREAMS;
    if (atomic_load(&places->readers) >= places->max_streams) return CHAT_ERR_OVERLOADED;
    if (!*user) {
        *user = calloc(1, sizeof **user);
        if (!*user) return CHAT_ERR_OVERLOADED;
        snprintf((*user)->user_id, USER_ID_SIZE, "%s", user_id);
    }
    (*user)->count++;
    atomic_fetch_add(&places->readers, 1);
    metrics_move(&metrics->gauges.readers, 1);
    return CHAT_OK;
}

enum chat_error places_take_reader(struct places *places, const char *user_id)
{
    if (atomic_load(&places->refusing)) return CHAT_ERR_SHUTTING_DOWN;
    pthread_mutex_lock(&places->lock);
    enum chat_error error = take(places, user_id);
    pthread_mutex_unlock(&places->lock);
    return error;
}

enum chat_error places_take_long(struct places *places, const char *user_id)
{
    if (atomic_load(&places->refusing)) return CHAT_ERR_SHUTTING_DOWN;
    pthread_mutex_lock(&places->lock);
    const struct reader_user *user = *user_at(places, user_id);
    enum chat_error error = user && user->has_long ? CHAT_ERR_TOO_MANY_STREAMS : take(places, user_id);
    if (error == CHAT_OK) (*user_at(places, user_id))->has_long = true;
    pthread_mutex_unlock(&places->lock);
    return error;
}

static void give(struct places *places, const char *user_id, bool is_long)
{
    pthread_mutex_lock(&places->lock);
    struct reader_user **place = user_at(places, user_id), *user = *place;
    if (is_long) user->has_long = false;
    if (--user->count == 0) {
        *place = user->next;
        free(user);
    }
    atomic_fetch_sub(&places->readers, 1);
    metrics_move(&metrics->gauges.readers, -1);
    pthread_cond_broadcast(&places->idle);
    pthread_mutex_unlock(&places->lock);
}

void places_give_reader(struct places *places, const char *user_id)
{
    give(places, user_id, false);
}

void places_give_long(struct places *places, const char *user_id)
{
    give(places, user_id, true);
}

/* ---- of all ---- */

bool places_refuse(struct places *places)
{
    return !atomic_exchange(&places->refusing, true);
}

int places_taken(const struct places *places)
{
    return atomic_load(&places->streams) + atomic_load(&places->readers);
}

bool places_wait_empty(struct places *places, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    pthread_mutex_lock(&places->lock);
    int waited = 0;
    while (places_taken(places) > 0 && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&places->idle, &places->lock, &until);
    bool empty = places_taken(places) == 0;
    pthread_mutex_unlock(&places->lock);
    return empty;
}
