/* Decides who may use chat: the flag, admins only, and a rollout in which a user who was in stays in. */
#ifndef DOMAIN_FEATURE_H
#define DOMAIN_FEATURE_H

#include <stdbool.h>

#include "domain/caller.h"
#include "domain/policy.h"

/* Returns 0-99, the same for a user on every machine and in every version (FNV-1a of the id). */
int feature_bucket(const char *user_id);
/* Returns false for everybody while the flag is off. While it is on: true for admins; for users, by admin_only and the
 * bucket. */
bool feature_allows(const struct chat_policy *policy, const struct caller *caller);

#endif
