/*
 * libcurl's sockets and timers, and the connections to the provider that it keeps. A pool here is a multi handle with
 * its transfers; pools of job threads are loop/jobs.h. The loop's thread.
 */
#ifndef UPSTREAM_POOLS_H
#define UPSTREAM_POOLS_H

#include "upstream/internal.h"

struct pool;
struct pools;

/* A request, as it is in a pool; embedded in a transfer. The caller sets the first three. */
struct pooled {
    CURL *easy; /* the caller's to clean up, after pools_remove; NULL: none under way */
    void *owner;
    void (*on_over)(void *owner); /* libcurl is done with it; called outside of libcurl's callbacks */
    struct pool *pool;
    int openings; /* sockets of its own that aren't connected yet */
    bool over;    /* libcurl is done with it: result is set */
    CURLcode result;
};

/* Returns pools for so many transfers at once, for pools_close. NULL: out of resources. */
struct pools *pools_open(struct upstream *upstream, int max_transfers);
/* After the last was removed. NULL is fine. */
void pools_close(struct pools *pools);
/* Starts the request that `easy` is set up for. It is borrowed until pools_remove. false: out of resources. */
bool pools_add(struct pools *pools, struct pooled *pooled) MUST_CHECK;
/* Takes a request out; if it isn't over, its connection is closed. Not within a callback of libcurl. */
void pools_remove(struct pools *pools, struct pooled *pooled);
/* A request that was paused goes on. What libcurl kept comes, by callbacks, before this returns; then the question that
 * was read is told that the reading is over. Returns libcurl's result. */
CURLcode pools_resume(struct upstream *upstream, struct pooled *pooled);
/* Tells the question that was handed pieces (upstream->reading) that the reading is over. */
void pools_read_done(struct upstream *upstream);

#endif
