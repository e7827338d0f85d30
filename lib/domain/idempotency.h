/* Keys that make a repeated request one request. */
#ifndef DOMAIN_IDEMPOTENCY_H
#define DOMAIN_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>

enum {
    IDEMPOTENCY_KEY_MAX = 128,
    FINGERPRINT_SIZE = 17 /* 16 hex digits and NUL */,
    IDEMPOTENCY_HOURS = 24,
    IDEMPOTENCY_KEYS_MAX = 200 /* of a user */
};

/* Returns whether a key is 1-128 visible ASCII characters. */
bool idempotency_key_valid(const char *key);
/* Computes a fingerprint of the parts that make two requests the same: NUL-terminated texts, or NULL, which differs
 * from
 * "". It is neither secret nor secure: a user can only confuse their own requests. */
void idempotency_fingerprint(const char *const *parts, size_t count, char out[FINGERPRINT_SIZE]);

#endif
