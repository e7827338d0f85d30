#include "postgres/health.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 1000 };

struct pg_health {
    pthread_mutex_t mutex;
    const struct clock *clock;
    bool suspect;
    bool probing;          /* somebody is finding out */
    int backoff_ms;        /* doubled by each failed probe */
    int64_t next_probe_ms; /* monotonic */
    unsigned seed;
    unsigned generation, host_turn;
    int64_t started_us; /* the server's of this generation; 0: not known */
    bool unprepared;
};

struct pg_health *pg_health_open(const struct clock *clock)
{
    struct pg_health *health = calloc(1, sizeof *health);
    if (!health) return NULL;
    pthread_mutex_init(&health->mutex, NULL);
    health->clock = clock;
    health->seed = (unsigned)(clock_wall_ms(clock) ^ clock_mono_ms(clock));
    return health;
}

void pg_health_close(struct pg_health *health)
{
    if (!health) return;
    pthread_mutex_destroy(&health->mutex);
    free(health);
}

bool pg_health_enter(struct pg_health *health, bool *probe)
{
    *probe = false;
    pthread_mutex_lock(&health->mutex);
    bool in = true;
    if (health->suspect) {
        in = !health->probing && clock_mono_ms(health->clock) >= health->next_probe_ms;
        if (in) health->probing = *probe = true;
    }
    pthread_mutex_unlock(&health->mutex);
    return in;
}

/* Between half and all of the backoff, so that workers don't probe in step. */
static void schedule_probe(struct pg_health *health)
{
    int jitter = rand_r(&health->seed) % (health->backoff_ms / 2 + 1);
    health->next_probe_ms = clock_mono_ms(health->clock) + health->backoff_ms - jitter;
}

void pg_health_leave(struct pg_health *health, bool probe, bool reached)
{
    enum { NOTHING, LOST, BACK } news = NOTHING;
    pthread_mutex_lock(&health->mutex);
    if (probe) health->probing = false;
    if (reached) {
        if (health->suspect) news = BACK;
        health->suspect = false;
    } else if (!health->suspect) {
        news = LOST;
        health->suspect = true;
        health->backoff_ms = BACKOFF_FIRST_MS;
        schedule_probe(health);
    } else if (probe) {
        health->backoff_ms = health->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : health->backoff_ms * 2;
        schedule_probe(health);
    }
    pthread_mutex_unlock(&health->mutex);
    if (news == LOST) log_write(LOG_WARN, "store_suspect");
    if (news == BACK) log_write(LOG_INFO, "store_back");
}

bool pg_health_suspect(struct pg_health *health)
{
    pthread_mutex_lock(&health->mutex);
    bool suspect = health->suspect;
    pthread_mutex_unlock(&health->mutex);
    return suspect;
}

unsigned pg_health_generation(struct pg_health *health)
{
    pthread_mutex_lock(&health->mutex);
    unsigned generation = health->generation;
    pthread_mutex_unlock(&health->mutex);
    return generation;
}

void pg_health_renew(struct pg_health *health, unsigned generation, const char *reason)
{
    pthread_mutex_lock(&health->mutex);
    bool first = generation == health->generation;
    if (first) {
        health->generation++;
        health->started_us = 0;
    }
    pthread_mutex_unlock(&health->mutex);
    if (first) log_write(LOG_WARN, "store_connections_renewed", LOG_STR("reason", reason));
}

unsigned pg_health_note_server(struct pg_health *health, unsigned generation, int64_t started_us)
{
    pthread_mutex_lock(&health->mutex);
    bool ours = generation == health->generation;
    bool other = ours && health->started_us && health->started_us != started_us;
    if (other) generation = ++health->generation;
    if (ours) health->started_us = started_us;
    pthread_mutex_unlock(&health->mutex);
    if (other) log_write(LOG_WARN, "store_connections_renewed", LOG_STR("reason", "another server"));
    return generation;
}

bool pg_health_prepares(struct pg_health *health)
{
    pthread_mutex_lock(&health->mutex);
    bool prepares = !health->unprepared;
    pthread_mutex_unlock(&health->mutex);
    return prepares;
}

void pg_health_dont_prepare(struct pg_health *health)
{
    pthread_mutex_lock(&health->mutex);
    health->unprepared = true;
    pthread_mutex_unlock(&health->mutex);
}

unsigned pg_health_host_turn(struct pg_health *health)
{
    pthread_mutex_lock(&health->mutex);
    unsigned turn = health->host_turn;
    pthread_mutex_unlock(&health->mutex);
    return turn;
}

void pg_health_next_host(struct pg_health *health, unsigned turn)
{
    pthread_mutex_lock(&health->mutex);
    if (health->host_turn == turn) health->host_turn++;
    pthread_mutex_unlock(&health->mutex);
}
