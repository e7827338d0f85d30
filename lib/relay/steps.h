/*
 * Replies that jobs make step by step (usecases/stepped.h), and what happens between the steps: the loop waits for time
 * to pass, or for the client to take what it was given, and notices a client that leaves. Repeats, stops and exports
 * are such replies (http/late.h, http/export_stream.h).
 */
#ifndef RELAY_STEPS_H
#define RELAY_STEPS_H

#include "relay/ground.h"
#include "usecases/stepped.h"

struct visit;

/* The caller sets the first two members; the rest is zero. */
struct steps {
    struct ground *ground;
    struct job_pool *jobs; /* whose threads make the steps */
    struct visit *visits;  /* the loop's: the replies that are under way */
};

/* Takes the reply, and uses a reader's place that was taken (or, of a long reply, the long one). A job makes its first
 * step after wait_ms. The reply is closed, and the place given back, when it is over or its client is gone. Any thread.
 */
void steps_begin(struct steps *steps, const char *user_id, struct stepped *reply, int64_t wait_ms);
/* Closes all replies; one whose step runs is closed after that step. Its client gets no response. Loop thread. */
void steps_shut_down(struct steps *steps);
/* After the loop and the jobs have ended: closes what is left. */
void steps_close(struct steps *steps);

#endif
