/* Who may use chat: the flag, admins only, and a rollout that keeps those in who were in. */
#ifndef DOMAIN_FEATURE_H
#define DOMAIN_FEATURE_H

#include <stdbool.h>

#include "domain/caller.h"
#include "domain/policy.h"

/* 0-99, the same for a user on every machine and in every version (FNV-1a of the id). */
int feature_bucket(const char *user_id);
/* Off for all, on for admins always where the flag is on, else by admin_only and the bucket. */
bool feature_allows(const struct chat_policy *policy, const struct caller *caller);

#endif
