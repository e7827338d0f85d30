#include "domain/feature.h"

#include <stdint.h>

/* FNV-1a, 64 bit. A bucket never changes for a user, so a growing percentage only adds users. */
int feature_bucket(const char *user_id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *byte = (const unsigned char *)user_id; *byte; byte++) {
        hash ^= *byte;
        hash *= UINT64_C(0x100000001b3);
    }
    return (int)(hash % 100);
}

bool feature_allows(const struct chat_policy *policy, const struct caller *caller)
{
    if (!policy->feature_enabled) return false;
    if (caller->is_admin) return true;
    if (policy->feature_admin_only) return false;
    return feature_bucket(caller->user_id) < policy->feature_rollout_percent;
}
