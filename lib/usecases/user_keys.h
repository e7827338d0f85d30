/* One user's keys in Redis: counters of limits, leases, idempotency keys. */
#ifndef USECASES_USER_KEYS_H
#define USECASES_USER_KEYS_H

#include <stdint.h>

#include "base/error.h"

struct user_keys;
/* Implemented by lib/redis; callers use the functions below. */
struct user_keys_ops {
    enum chat_error (*erase)(struct user_keys *self, const char *user_id, int64_t *erased);
};
struct user_keys {
    const struct user_keys_ops *ops;
};

/* Walks all keys, in bounded steps. CHAT_ERR_REDIS_UNAVAILABLE: Redis is away, not all are gone. *erased: how many are,
 * in any case. */
static inline enum chat_error user_keys_erase(struct user_keys *self, const char *user_id, int64_t *erased)
{
    return self->ops->erase(self, user_id, erased);
}

#endif
