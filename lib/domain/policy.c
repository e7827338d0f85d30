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

enum chat_error policy_check_model(const struct chat_policy *policy, const char *name, struct problem *problem)
{
    if (!name || policy_offers_model(policy, name)) return CHAT_OK;
    problem->param = "model";
    return problem_set(problem, CHAT_ERR_MODEL_NOT_FOUND, NULL);
}
