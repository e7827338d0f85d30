/*
 * usecases/shared_breaker.h on Redis: one hash, a field for each model. A breaker at rest has no field, and where all
 * are there is no key: see admission.lua.
 */
#ifndef REDIS_BREAKER_H
#define REDIS_BREAKER_H

#include "base/clock.h"
#include "redis/conn.h"
#include "redis/keys.h"
#include "usecases/shared_breaker.h"

/* What a process knows by itself: it decides while Redis is away. Any thread. */
struct local_breaker;
struct local_breaker *local_breaker_open(void); /* NULL: no memory */
void local_breaker_close(struct local_breaker *local);

/* All three are borrowed; the connection may be shared with other adapters of the same thread. NULL: no memory. */
struct shared_breaker *redis_breaker_open(struct redis_conn *conn, struct local_breaker *local,
                                          const struct clock *clock);
void redis_breaker_close(struct shared_breaker *breaker);

#endif
