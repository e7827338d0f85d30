/*
 * An event loop: one thread that waits for descriptors, deadlines and what other threads post, and never blocks in what
 * it runs. A turn is, in this order:
 *
 *   1. epoll_wait              until an event comes or a timer is due
 *   2. the events              each watch's `on_event`; one of them runs all posts of other threads
 *   3. the timers that are due each timer's `fire`
 *   4. the turn's end          each queued `run`, phase by phase (enum loop_phase)
 *   5. the dead watches        are freed
 *
 * A watch, a post, a timer or a turn_end is embedded in a struct of the caller, who owns it: the loop allocates
 * nothing. All callbacks run on the loop's thread. All functions are for that thread alone where they don't say more.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "loop/timers.h"

enum { TURN_MAX_EVENTS = 64 }; /* what they bring is shown at the turn's end: more would wait for one another */

/* The struct that `pointer` is the member of. */
#define LOOP_OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A descriptor that the loop waits for. It is the first member of a malloc'ed block: after loop_unwatch the loop frees
 * the whole block, at the turn's end. */
struct watch {
    void (*on_event)(struct watch *self, uint32_t events); /* EPOLL* bits; never of a dead one */
    int fd;                                                /* the owner's to close */
    bool dead;
    uint32_t events; /* waited for; 0: none. The loop's */
    struct watch *next_dead;
};

/* Something that another thread wants run on the loop. From loop_post until it runs it is the loop's. */
struct post {
    struct post *next;
    void (*run)(struct post *self); /* may free what the post is in, or post it again */
};

/* What a turn's end does, in this order. */
enum loop_phase {
    LOOP_SHOW,   /* what the turn brought is shown, in one piece */
    LOOP_SETTLE, /* what could not be done within a reading, or a callback */
    LOOP_GATHER, /* what takes along all that the turn has brought */
    LOOP_FREE,   /* what has to come last: memory is freed that nothing of this turn can point to any more */
    LOOP_PHASES
};

/* Something to do once at a turn's end; always in the same phase. It has to stay until it has run. */
struct turn_end {
    struct turn_end *next;
    void (*run)(struct turn_end *self); /* may free what it is in, or queue it again */
    bool due;                           /* queued. The loop's, and false from just before it runs */
};

struct loop {
    const struct clock *clock;
    int64_t now_ms;                       /* monotonic time of this turn */
    int64_t busy_us;                      /* that all turns have taken, without their waiting for events */
    struct timers timers;                 /* set and cleared by timer_set and timer_clear */
    struct turn_end *at_end[LOOP_PHASES]; /* the newest first */
    struct watch *dead_watches;           /* freed when the turn is over */
    bool stopping;                        /* this turn is the last */
    int epoll_fd;
    struct watch wake; /* an eventfd: something was posted */
    pthread_t thread;
    pthread_mutex_t lock;  /* of the posts, and of each loop_call's `done` */
    pthread_cond_t called; /* a loop_call is done */
    struct post *first_post, *last_post;
    struct epoll_event events[TURN_MAX_EVENTS]; /* of a turn; not on its stack, which is cleared each time */
};

/* ---- its life: the thread that owns the loop ---- */

/* Takes a loop that is all zero, and a clock, which is borrowed until loop_close. Makes it ready for watches, timers
 * and posts; nothing of it runs yet. false: out of descriptors, and there is nothing to close. */
bool loop_open(struct loop *loop, const struct clock *clock);
/* Starts the thread, which is called "loop". What was posted before is run in its first turn. false: no thread. */
bool loop_start(struct loop *loop);
/* Ends the thread, after a last turn that runs whatever was posted before; returns when it is gone. What is posted
 * later may never run. Never from the loop's own thread. */
void loop_stop(struct loop *loop);
/* Takes a loop whose thread has ended or was never started. Frees its dead watches and closes its descriptors; what is
 * queued for a turn's end isn't run. One that is all zero is fine. */
void loop_close(struct loop *loop);

/* ---- for other threads, and the loop's own ---- */

/* Takes a post that isn't posted. The loop runs it, soon and once, after all that were posted before. Never blocks for
 * long, never fails. Any thread. */
void loop_post(struct loop *loop, struct post *post);
/* Posts, and returns once the loop has run it, so that the post may be on the caller's stack. It waits for a turn at
 * most. Any thread but the loop's own; only while the loop runs. */
void loop_call(struct loop *loop, struct post *post);

/* ---- for the loop's own thread ---- */

/* Waits for these EPOLL* bits of watch->fd, instead of those before. Makes no system call where they are the same.
 * false: the kernel refuses, and what was waited for before still is. */
bool loop_watch(struct loop *loop, struct watch *watch, uint32_t events);
/* No event comes until the next loop_watch, but for those that this turn holds already. */
void loop_rest(struct loop *loop, struct watch *watch);
/* No event comes any more, not even of this turn. The loop frees the watch, and so what begins with it, when the turn
 * is over. The descriptor must still be open, or watch->events 0. A dead one is fine. */
void loop_unwatch(struct loop *loop, struct watch *watch);

/* Takes an item whose `run` is set. The loop runs it once at this turn's end, after all of earlier phases; within a
 * phase the newest comes first. What is queued while its phase runs is run too. What is queued for a phase that is over
 * is run at the end of the next turn, which then waits for nothing. An item that is queued already stays where it is.
 */
static inline void loop_at_turn_end(struct loop *loop, enum loop_phase phase, struct turn_end *item)
{
    if (item->due) return;
    item->due = true;
    item->next = loop->at_end[phase];
    loop->at_end[phase] = item;
}

#endif
