/* What everything in the relay stands on. relay.c makes it; the others borrow it as long as the relay lives. */
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
    struct buf scratch;    /* for composing, within one call */
    struct job_pool *jobs; /* with struct chat_ports as their context */
    struct upstream *upstream;
};

#endif
