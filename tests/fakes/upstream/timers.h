/*
 * When is whose turn: a binary heap of deadlines in CLOCK_MONOTONIC microseconds.
 *
 * A timer lives inside its owner's struct; the heap holds pointers only. A timer is in the heap
 * once at most: setting it again moves it.
 */
#ifndef UPSTREAM_TIMERS_H
#define UPSTREAM_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t due_us;
    size_t slot; /* place in the heap, counted from 1; 0: not set */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t cap;
};

uint64_t timers_now_us(void);
void timers_fini(struct timers *self);
void timers_set(struct timers *self, struct timer *timer, uint64_t due_us);
void timers_clear(struct timers *self, struct timer *timer);

/* The next one, still set; NULL when there is none. */
struct timer *timers_first(const struct timers *self);

#endif
