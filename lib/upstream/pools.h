/*
 * libcurl's sockets and timers, and the connections to the provider that it keeps. Loop thread.
 */
#ifndef UPSTREAM_POOLS_H
#define UPSTREAM_POOLS_H

#include "upstream/internal.h"

struct pool;
struct pools;

/* A request, as it is in a pool. The caller sets the first three. */
struct pooled {
    CURL *easy; /* NULL: none under way */
    void *owner;
    void (*on_over)(void *owner); /* libcurl is done with it; not within a callback of libcurl */
    struct pool *pool;
    int openings; /* sockets of its own that aren't connected yet */
    bool over;    /* libcurl is done with it: result is set */
    CURLcode result;
};

/* NULL: out of resources. */
struct pools *pools_open(struct upstream *upstream, int max_transfers);
/* After the last was removed. NULL is fine. */
void pools_close(struct pools *pools);
/* Starts what is set up. false: out of resources. */
bool pools_add(struct pools *pools, struct pooled *pooled) MUST_CHECK;
/* Closes the connection where it isn't over. Not while libcurl calls. */
void pools_remove(struct pools *pools, struct pooled *pooled);
/* What was kept comes, by callbacks, before this returns; then who reads is told that the reading is over. */
CURLcode pools_resume(struct upstream *upstream, struct pooled *pooled);
/* Whoever got pieces is told that the reading is over. */
void pools_read_done(struct upstream *upstream);

#endif
