/* Deadlines in a binary heap. Loop thread only. A timer lives in its owner; moving it later costs nothing when the
 * owner leaves it be and looks again when it fires. */
#ifndef LOOP_TIMERS_H
#define LOOP_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t at_ms; /* monotonic */
    size_t slot;   /* 1-based place in the heap; 0 = not set */
    void *owner;
    void (*fire)(void *owner); /* the owner's; timers.c only keeps it */
};

struct timers {
    struct timer **heap; /* heap[1..count] */
    size_t count, cap;
};

void timers_fini(struct timers *timers);
/* Sets or moves. false: no memory (it was not set before and the heap can't grow). */
bool timer_set(struct timers *timers, struct timer *timer, int64_t at_ms);
void timer_clear(struct timers *timers, struct timer *timer);
/* The earliest that is due by now, cleared; NULL: none. */
struct timer *timers_take_due(struct timers *timers, int64_t now_ms);
/* Milliseconds until the earliest, 0 where due, -1 where there is none. */
int64_t timers_wait_ms(const struct timers *timers, int64_t now_ms);

#endif
