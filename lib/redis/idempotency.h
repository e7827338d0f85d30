/* usecases/idempotency.h on Redis. Key: chat:idempotency:<user>#<key>, holding "<fingerprint> <id>". */
#ifndef REDIS_IDEMPOTENCY_H
#define REDIS_IDEMPOTENCY_H

#include "redis/conn.h"
#include "usecases/idempotency.h"

/* The connection is borrowed. NULL: no memory. */
struct idempotency *redis_idempotency_open(struct redis_conn *conn);
void redis_idempotency_close(struct idempotency *idempotency);

#endif
