#include "loop/timers.h"

#include <stdlib.h>

static void place(struct timers *timers, struct timer *timer, size_t slot)
{
    timers->heap[slot] = timer;
    timer->slot = slot;
}

static void sift_up(struct timers *timers, size_t slot)
{
    struct timer *timer = timers->heap[slot];
    while (slot > 1 && timers->heap[slot / 2]->at_ms > timer->at_ms) {
        place(timers, timers->heap[slot / 2], slot);
        slot /= 2;
    }
    place(timers, timer, slot);
}

static void sift_down(struct timers *timers, size_t slot)
{
    struct timer *timer = timers->heap[slot];
    for (;;) {
        size_t child = slot * 2;
        if (child > timers->count) break;
        if (child < timers->count && timers->heap[child + 1]->at_ms < timers->heap[child]->at_ms) child++;
        if (timers->heap[child]->at_ms >= timer->at_ms) break;
        place(timers, timers->heap[child], slot);
        slot = child;
    }
    place(timers, timer, slot);
}

void timers_fini(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

bool timer_set(struct timers *timers, struct timer *timer, int64_t at_ms)
{
    if (!timer->slot) {
        if (timers->count + 1 >= timers->cap) {
            size_t cap = timers->cap ? timers->cap * 2 : 64;
            struct timer **grown = realloc(timers->heap, cap * sizeof *grown);
            if (!grown) return false;
            timers->heap = grown;
            timers->cap = cap;
        }
        place(timers, timer, ++timers->count);
    }
    timer->at_ms = at_ms;
    sift_up(timers, timer->slot);
    sift_down(timers, timer->slot);
    return true;
}

void timer_clear(struct timers *timers, struct timer *timer)
{
    size_t slot = timer->slot;
    if (!slot) return;
    struct timer *last = timers->heap[timers->count--];
    timer->slot = 0;
    if (last == timer) return;
    place(timers, last, slot);
    sift_up(timers, slot);
    sift_down(timers, last->slot);
}

struct timer *timers_take_due(struct timers *timers, int64_t now_ms)
{
    if (!timers->count || timers->heap[1]->at_ms > now_ms) return NULL;
    struct timer *timer = timers->heap[1];
    timer_clear(timers, timer);
    return timer;
}

int64_t timers_wait_ms(const struct timers *timers, int64_t now_ms)
{
    if (!timers->count) return -1;
    int64_t wait_ms = timers->heap[1]->at_ms - now_ms;
    return wait_ms > 0 ? wait_ms : 0;
}
