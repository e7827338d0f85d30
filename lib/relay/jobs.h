/* A few threads for what may block: each has its own stores, takes a job, runs it to its end. */
#ifndef RELAY_JOBS_H
#define RELAY_JOBS_H

#include "usecases/ports.h"

struct job {
    struct job *next;
    /* On a job thread, with that thread's ports. The job is its own again afterwards. */
    void (*run)(struct job *self, const struct chat_ports *ports);
};

struct job_pool;
/* One thread for each of `ports` (borrowed until close). NULL: no threads to be had. */
struct job_pool *job_pool_open(const struct chat_ports *const *ports, int threads);
/* Any thread; never blocks for long, never refuses. */
void job_pool_submit(struct job_pool *pool, struct job *job);
/* Runs what is queued, then ends the threads; what is submitted later never runs. */
void job_pool_stop(struct job_pool *pool);
/* Stops, and frees. NULL is fine. */
void job_pool_close(struct job_pool *pool);

#endif
