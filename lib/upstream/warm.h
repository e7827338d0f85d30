/* The connection that stands before anybody asks: what question.c tells it. upstream.h has the rest. Loop thread. */
#ifndef UPSTREAM_WARM_H
#define UPSTREAM_WARM_H

struct upstream;

/* A user's question goes to the provider now: the connection is kept for another quarter of an hour. */
void warm_asked(struct upstream *upstream);

#endif
