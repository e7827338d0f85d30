/* Looks a host name up without waiting longer than the caller can: getaddrinfo() has no deadline of its own.
 * A look-up that takes longer goes on beside, and a later call finds its answer. Any thread. */
#ifndef REDIS_RESOLVE_H
#define REDIS_RESOLVE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct resolver;

/* NULL: no memory. */
struct resolver *resolver_open(const char *host);
void resolver_close(struct resolver *resolver);
/* An address to try, as text. false: none known within wait_ms. */
bool resolver_address(struct resolver *resolver, int64_t wait_ms, char out[INET6_ADDRSTRLEN]);
/* The address given led nowhere: look the name up again, and begin with another of its addresses. */
void resolver_doubt(struct resolver *resolver);

#endif
