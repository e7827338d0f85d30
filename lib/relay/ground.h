/*
 * What everything in the relay stands on: the loop, the places, the job threads, the way to the provider. relay.c makes
 * one and owns it. All others get a pointer to it, borrowed as long as the relay lives. The loop's thread, but for
 * `places` and loop_post, which any thread may use.
 */
#ifndef RELAY_GROUND_H
#define RELAY_GROUND_H

#include "base/buf.h"
#include "loop/jobs.h"
#include "loop/loop.h"
#include "relay/places.h"

struct upstream;

struct ground {
    struct loop loop;
    struct places places;
    struct buf scratch;        /* for composing; whoever uses it resets it first, and keeps nothing in it */
    struct job_pool *jobs;     /* borrowed; the context of its threads is a struct chat_ports */
    struct upstream *upstream; /* the way to the provider; owned */
};

#endif
