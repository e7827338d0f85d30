/*
 * Deadlines in a binary heap. The loop's thread alone. A timer lives in its owner's struct, and fires once: loop.c
 * takes those that are due, and calls `fire`. An owner whose deadline moves away leaves the timer as it is, and looks
 * at its deadline when the timer fires: that costs less than moving it for each piece of text.
 */
#ifndef LOOP_TIMERS_H
#define LOOP_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t at_ms; /* monotonic */
    size_t slot;   /* its index in the heap, from 1; 0: it isn't set. timers.c alone writes it */
    void *owner;
    void (*fire)(void *owner); /* called by the loop (loop.c), once the timer is cleared; may set it again */
};

struct timers {
    struct timer **heap; /* heap[1..count] */
    size_t count, cap;
};

/* Frees the heap. The timers in it are their owners'. */
void timers_fini(struct timers *timers);
/* Takes a timer whose `owner` and `fire` are set. Sets it, or moves one that is set. false: no memory, and it isn't
 * set; one that was set before can always be moved. */
bool timer_set(struct timers *timers, struct timer *timer, int64_t at_ms);
/* It won't fire. One that isn't set is fine. To be called before its owner is freed. */
void timer_clear(struct timers *timers, struct timer *timer);
/* The earliest that is due by now, cleared; NULL: none. */
struct timer *timers_take_due(struct timers *timers, int64_t now_ms);
/* Milliseconds until the earliest, 0 where due, -1 where there is none. */
int64_t timers_wait_ms(const struct timers *timers, int64_t now_ms);

#endif
