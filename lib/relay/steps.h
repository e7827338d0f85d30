/* Replies that jobs make step by step (usecases/stepped.h): what happens between the steps. */
#ifndef RELAY_STEPS_H
#define RELAY_STEPS_H

#include "relay/ground.h"
#include "usecases/stepped.h"

struct visit;

struct steps {
    struct ground *ground;
    struct job_pool *jobs; /* that make the steps */
    struct visit *visits;
};

/* Takes the reply, and uses a reader's place that was taken. Its first step is made after wait_ms. Any thread. */
void steps_begin(struct steps *steps, const char *user_id, struct stepped *reply, int64_t wait_ms);
/* Closes all; those whose step runs after it. Loop thread. */
void steps_shut_down(struct steps *steps);
/* After the loop and the jobs have ended. */
void steps_close(struct steps *steps);

#endif
