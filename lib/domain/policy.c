#include "domain/policy.h"

#include <string.h>

bool policy_offers_model(const struct chat_policy *policy, const char *name)
{
    if (!name) return false;
    for (size_t i = 0; i < policy->model_count; i++) {
        if (strcmp(policy->models[i], name) == 0) return true;
    }
    return false;
}
