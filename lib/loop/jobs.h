/* A pool of a few threads for what may block. Each thread has a context of its own, takes a job, and runs it to its
 * end; then the loop hears of it. */
#ifndef LOOP_JOBS_H
#define LOOP_JOBS_H

#include "loop/loop.h"

/* Embedded in what the job is about. From job_pool_submit until `done` has begun (until `run` is over, where there is
 * no `done`) it is the pool's. Then it may be submitted again. */
struct job {
    struct job *next;
    void (*run)(struct job *self, const void *context); /* on a job thread, with that thread's context */
    void (*done)(struct job *self); /* then this, on the loop; NULL: nothing, and `run` may free the job */
    struct loop *loop;              /* that `done` runs on; it has to run longer than the pool */
    struct post post;               /* the pool's */
};

struct job_pool;
/* Takes a context for each thread, borrowed until job_pool_close; and `queued`, which is called by any thread with 1
 * for each job that comes and with -1 for each that has run (NULL: nobody counts). Starts the threads. Returns NULL if
 * they can't be had. */
struct job_pool *job_pool_open(const void *const *contexts, int threads, void (*queued)(int by));
/* Takes a job whose `run` is set, and `loop` where it has a `done`. A thread runs it, the oldest first. Never blocks
 * for long, never refuses. Any thread. */
void job_pool_submit(struct job_pool *pool, struct job *job);
/* Runs what is queued, then ends the threads; each `done` of these is posted when it returns. What is submitted later
 * never runs. */
void job_pool_stop(struct job_pool *pool);
/* Stops, and frees. NULL is fine. */
void job_pool_close(struct job_pool *pool);

#endif
