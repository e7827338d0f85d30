#ifndef UPSTREAM_WARM_H
#define UPSTREAM_WARM_H

struct upstream;

/* A user's question goes to the provider now: the connection that stands before anybody asks is wanted. */
void warm_asked(struct upstream *upstream);

#endif
