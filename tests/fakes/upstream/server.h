/*
 * HTTP/1.1 over TCP, one thread, one epoll: connections, their timers, and what is sent when.
 *
 * A connection reads a request, hands it to the provider and walks through the reply's steps,
 * each in its own write when it is paced, several in one where no pause lies between them.
 */
#ifndef UPSTREAM_SERVER_H
#define UPSTREAM_SERVER_H

#include <stddef.h>

#include "provider.h"
#include "stats.h"
#include "timers.h"

struct conn;

struct server {
    int epoll;
    int listener;
    int signals;
    int port;
    int spare; /* a file descriptor to give up when none is left for accept */
    struct timers timers;
    struct conn **conns; /* by file descriptor */
    size_t conns_cap;
    struct stats stats;
    struct provider provider;
};

/* Binds and listens; port 0 takes a free one, see self->port. -1: errno says why. */
int server_open(struct server *self, const char *host, int port, double pace_ms);

/* Serves until SIGTERM, SIGINT or SIGALRM. */
int server_run(struct server *self);
void server_close(struct server *self);

#endif
