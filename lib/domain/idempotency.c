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

void idempotency_fingerprint(const char *const *parts, size_t count, char out[FINGERPRINT_SIZE])
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < count; i++) {
        const char *part = parts[i] ? parts[i] : "\x01"; /* no text has this byte */
        size_t len = strlen(part) + 1;                   /* with the NUL: parts can't run together */
        for (size_t at = 0; at < len; at++) hash = (hash ^ (unsigned char)part[at]) * UINT64_C(1099511628211);
    }
    snprintf(out, FINGERPRINT_SIZE, "%016" PRIx64, hash);
}
