#include "domain/policy.h"

#include <string.h>

const char *policy_model(const struct chat_policy *policy, const char *name)
{
    for (size_t i = 0; name && i < policy->model_count; i++) {
        if (strcmp(policy->models[i], name) == 0) return policy->models[i];
    }
    return NULL;
}

bool policy_offers_model(const struct chat_policy *policy, const char *name)
{
    return policy_model(policy, name) != NULL;
}

size_t policy_asked(const struct chat_policy *policy, const char *out[POLICY_MAX_ASKED])
{
    const char *const more[] = {policy->fallback_model, policy->title_model};
    size_t count = 0;
    for (size_t i = 0; i < policy->model_count; i++) out[count++] = policy->models[i];
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        bool known = !more[i];
        for (size_t k = 0; !known && k < count; k++) known = strcmp(out[k], more[i]) == 0;
        if (!known) out[count++] = more[i];
    }
    return count;
}

enum chat_error policy_check_model(const struct chat_policy *policy, const char *name, struct problem *problem)
{
    if (!name || policy_offers_model(policy, name)) return CHAT_OK;
    problem->param = "model";
    return problem_set(problem, CHAT_ERR_MODEL_NOT_FOUND, NULL);
}
