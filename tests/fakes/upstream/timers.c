#include "timers.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t timers_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void timers_fini(struct timers *self)
{
    free(self->heap);
    *self = (struct timers){0};
}

static void place(struct timers *self, size_t slot, struct timer *timer)
{
    self->heap[slot - 1] = timer;
    timer->slot = slot;
}

static void sift_up(struct timers *self, struct timer *timer)
{
    size_t slot = timer->slot;
    while (slot > 1 && self->heap[slot / 2 - 1]->due_us > timer->due_us) {
        place(self, slot, self->heap[slot / 2 - 1]);
        slot /= 2;
    }
    place(self, slot, timer);
}

static void sift_down(struct timers *self, struct timer *timer)
{
    size_t slot = timer->slot;
    for (;;) {
        size_t child = slot * 2;
        if (child > self->count) break;
        if (child < self->count && self->heap[child]->due_us < self->heap[child - 1]->due_us) child++;
        if (self->heap[child - 1]->due_us >= timer->due_us) break;
        place(self, slot, self->heap[child - 1]);
        slot = child;
    }
    place(self, slot, timer);
}

void timers_set(struct timers *self, struct timer *timer, uint64_t due_us)
{
    if (timer->slot == 0) {
        if (self->count == self->cap) {
            size_t cap = self->cap ? self->cap * 2 : 1024;
            struct timer **heap = realloc(self->heap, cap * sizeof(*heap));
            if (heap == NULL) {
                fprintf(stderr, "test-upstream: out of memory\n");
                exit(70);
            }
            self->heap = heap;
            self->cap = cap;
        }
        place(self, ++self->count, timer);
    }
    timer->due_us = due_us;
    sift_up(self, timer);
    sift_down(self, timer);
}

void timers_clear(struct timers *self, struct timer *timer)
{
    if (timer->slot == 0) return;
    struct timer *last = self->heap[self->count - 1];
    size_t slot = timer->slot;
    self->count--;
    timer->slot = 0;
    if (last == timer) return;
    place(self, slot, last);
    sift_up(self, last);
    sift_down(self, last);
}

struct timer *timers_first(const struct timers *self)
{
    return self->count ? self->heap[0] : NULL;
}
