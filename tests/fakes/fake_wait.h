/* A lock and a condition that tests wait on instead of sleeping: bounded, so that a test that never sees what it waits
 * for fails instead of hanging. */
#ifndef FAKES_FAKE_WAIT_H
#define FAKES_FAKE_WAIT_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum { FAKE_WAIT_SECONDS = 20 };

struct fake_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static inline void fake_wait_init(struct fake_wait *wait)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&wait->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wait->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static inline void fake_wait_fini(struct fake_wait *wait)
{
    pthread_cond_destroy(&wait->changed);
    pthread_mutex_destroy(&wait->lock);
}

static inline void fake_wait_lock(struct fake_wait *wait)
{
    pthread_mutex_lock(&wait->lock);
}

/* Unlocks, and wakes whoever waits for a change. */
static inline void fake_wait_unlock(struct fake_wait *wait)
{
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->lock);
}

/* Until `condition`, looked at under the lock; `result` says whether it came true in time. */
#define FAKE_WAIT_UNTIL(wait, condition, result)                                        \
    do {                                                                                \
        struct timespec until_;                                                         \
        int waited_ = 0;                                                                \
        clock_gettime(CLOCK_MONOTONIC, &until_);                                        \
        until_.tv_sec += FAKE_WAIT_SECONDS;                                             \
        pthread_mutex_lock(&(wait)->lock);                                              \
        while (!(condition) && waited_ != ETIMEDOUT)                                    \
            waited_ = pthread_cond_timedwait(&(wait)->changed, &(wait)->lock, &until_); \
        (result) = (condition);                                                         \
        pthread_mutex_unlock(&(wait)->lock);                                            \
    } while (0)

#endif
