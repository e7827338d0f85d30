/* What the way to the provider needs (upstream.h). */
#ifndef UPSTREAM_SETTINGS_H
#define UPSTREAM_SETTINGS_H

#include "base/clock.h"
#include "loop/jobs.h"
#include "loop/loop.h"
#include "usecases/provider.h"

/* What it points to is borrowed until upstream_close. */
struct upstream_settings {
    const struct provider *provider;
    const struct clock *clock;
    struct loop *loop;          /* opened; everything here runs on it, where nothing else is said */
    struct job_pool *jobs;      /* with struct chat_ports as their context: for the breakers */
    int max_transfers;          /* questions under way at once */
    int pace_ms;                /* at most, between two readings of a stream that flows (pace.h); 0: none */
    const char *ca_file;        /* NULL: the system's */
    const char *fallback_model; /* asked where the one wanted is missing or busy; NULL: none */
};

#endif
