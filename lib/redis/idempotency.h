/*
 * usecases/idempotency.h on Redis.
 *   chat:idempotency:<user>#<hash>   "<fingerprint> <id> p" (pending) or "… d" (done); hash: the first half of SHA-256
 *                                    over user and key, in hex, so that nothing of a key's text is stored
 *   chat:keys:day:<user>, chat:keys:hour:<user>   the user's hashes by when they were taken, by how long they live
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
