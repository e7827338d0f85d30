/*
 * A reply that is made step by step: a connection taken out of its request, and jobs that work on it one step at a
 * time. Between steps the relay loop waits, for time to pass or for the client to take what it was given; it notices a
 * client that leaves. So no thread waits for a client or for another request, and a body of any length goes out in
 * pieces.
 *
 *   request thread ──answers->step──► loop ──job──► step ──► loop: waits ──job──► step … ──► over, or handed on
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
struct stepped_ops {
    int (*fd)(const struct stepped *self); /* watched for a peer that left, and for room */
    enum step_next (*step)(struct stepped *self, const struct chat_ports *ports, int64_t *wait_ms);
    enum listener_state (*writable)(struct stepped *self); /* sends what waits */
    bool (*took)(struct stepped *self);                    /* as answer_listener_ops' */
    void (*close)(struct stepped *self);                   /* frees it */
};
struct stepped {
    const struct stepped_ops *ops;
    bool is_long; /* it holds the place of its user's one long reply (answers.h: reserve_long) */
};

#endif
