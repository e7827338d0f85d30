/*
 * usecases/idempotency.h on Redis. Its keys are in keys.h. The hash in them is the first half of SHA-256 over user and
 * key, in hex, so that nothing of a key's text is stored.
 */
#ifndef REDIS_IDEMPOTENCY_H
#define REDIS_IDEMPOTENCY_H

#include "base/clock.h"
#include "redis/conn.h"
#include "usecases/idempotency.h"

/* The connection and the clock are borrowed. NULL: no memory. */
struct idempotency *redis_idempotency_open(struct redis_conn *conn, const struct clock *clock);
void redis_idempotency_close(struct idempotency *idempotency);

#endif
