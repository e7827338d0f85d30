/*
 * One worker process: puts its parts together, lets them live until a signal, and drains.
 *
 *   request threads   accept on the shared socket, one whole short request each, blocking style (accept.h)
 *   relay loop        one thread, owns every live stream (lib/relay)
 *   job threads       four pools: what follows a stream (save, settle); exchanges with the log; steps of replies that
 *                     wait; titles
 *   keeper            what may wait for Postgres: looks after the stores, reaps, purges (keeper.h)
 *   first thread      signals; says that the process lives, renews leases, gives memory back (upkeep.h)
 *
 * Each thread but the loop has connections to the stores for itself (stores.h). Includes: stores <- accept, keeper,
 * upkeep <- worker.
 */
#ifndef FCGI_WORKER_H
#define FCGI_WORKER_H

#include "fcgi/settings.h"

/* Takes the settings and the listening socket, both borrowed, and ready_fd (-1: none), which it closes. Runs until
 * SIGTERM (drains: streams finish) or SIGINT, or a second SIGTERM (streams end as interrupted, stored). Writes a byte
 * to ready_fd once requests are accepted. Returns the exit status; 1: it couldn't start (that is logged). The process's
 * first thread, before there are others. */
int worker_run(const struct settings *settings, int listen_fd, int ready_fd, const char *version);

#endif
