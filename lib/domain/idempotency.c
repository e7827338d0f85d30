#include "domain/idempotency.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool idempotency_key_valid(const char *key)
{
    size_t len = 0;
    for (; key[len]; len++)
        if (key[len] < '!' || key[len] > '~') return false;
    return len >= 1 && len <= IDEMPOTENCY_KEY_MAX;
}

/* FNV-1a */
static uint64_t mix(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * UINT64_C(1099511628211);
}

void idempotency_fingerprint(const char *const *parts, size_t count, char out[FINGERPRINT_SIZE])
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < count; i++) {
        size_t len = parts[i] ? strlen(parts[i]) : SIZE_MAX;
        for (size_t at = 0; at < sizeof len; at++) hash = mix(hash, (unsigned char)(len >> (8 * at)));
        /* each begins with its length, so parts can't run together */
        for (const char *at = parts[i]; at && *at; at++) hash = mix(hash, (unsigned char)*at);
    }
    snprintf(out, FINGERPRINT_SIZE, "%016" PRIx64, hash);
}
