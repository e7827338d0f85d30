/*
 * A reply that is made step by step: a connection taken out of its request, and jobs that work on it one step at a
 * time. Between steps the relay loop waits, for time to pass or for the client to take what it was given; it notices a
 * client that leaves. So no thread waits for a client or for another request, and a body of any length goes out in
 * pieces.
 *
 *   request thread ──answers_step──► loop ──job──► step ──► loop: waits ──job──► step … ──► over, or handed on
 *
 * A step has the connection to itself. It may ask the stores, and never waits for anything else. All other calls come
 * from the loop's thread, and never while a step runs.
 */
#ifndef USECASES_STEPPED_H
#define USECASES_STEPPED_H

#include <stdbool.h>
#include <stdint.h>

#include "usecases/listener.h"

struct chat_ports;

enum step_next {
    STEP_LATER,     /* again in *wait_ms */
    STEP_ON,        /* again as soon as the client has taken what it was given */
    STEP_OVER,      /* close it, once the client has taken what it was given */
    STEP_HANDED_ON, /* a listener has the connection now, and the reader's place; the reply has freed itself */
};

struct stepped;
/* Implemented by lib/http; callers use the functions below. */
struct stepped_ops {
    int (*fd)(const struct stepped *self);
    enum step_next (*step)(struct stepped *self, const struct chat_ports *ports, int64_t *wait_ms);
    enum listener_state (*writable)(struct stepped *self);
    bool (*took)(struct stepped *self);
    void (*close)(struct stepped *self);
};
struct stepped {
    const struct stepped_ops *ops;
    bool is_long; /* it holds the place of its user's one long reply (answers_reserve_long) */
};

/* Returns the descriptor. It is watched for a peer that left, and for room. */
static inline int stepped_fd(const struct stepped *self)
{
    return self->ops->fd(self);
}

/* Does one step. Sets *wait_ms with STEP_LATER. */
static inline enum step_next stepped_step(struct stepped *self, const struct chat_ports *ports, int64_t *wait_ms)
{
    return self->ops->step(self, ports, wait_ms);
}

/* Sends what waits. */
static inline enum listener_state stepped_writable(struct stepped *self)
{
    return self->ops->writable(self);
}

/* As listener_took. */
static inline bool stepped_took(struct stepped *self)
{
    return self->ops->took(self);
}

/* Frees it. */
static inline void stepped_close(struct stepped *self)
{
    self->ops->close(self);
}

#endif
