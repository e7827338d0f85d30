/* The rules that an operator sets; filled by the settings table (fcgi/settings.c), read-only afterwards. */
#ifndef DOMAIN_POLICY_H
#define DOMAIN_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "domain/context.h"
#include "domain/problem.h"

enum {
    POLICY_MAX_MODELS = 32,
    POLICY_MAX_ASKED = POLICY_MAX_MODELS + 2, /* and the fallback, and the one for titles */
};

struct chat_policy {
    int max_context_messages;
    int max_tokens;               /* of an answer, sent upstream */
    int completions_max_n;        /* answers that one completion may ask for (`n`) */
    int max_message_length;       /* Unicode code points */
    struct context_list contexts; /* how much each model takes */
    const char *system_prompt;    /* NULL: none */
    const char *title_model;      /* NULL: titles are cut from the first message */

    int rate_limit_per_minute; /* 0: none allowed; QUOTA_UNLIMITED: no limit; like all four */
    int daily_message_quota;
    int max_concurrent_streams; /* answers at once, a user */
    int create_rate_per_minute; /* sessions made, which aren't counted as messages */
    int completions_max_bytes;  /* of a completion's body */
    bool quota_fail_open;       /* Redis away: let the daily quota pass */

    int detach_grace_seconds; /* how long an answer goes on to which nobody is attached */
    int retention_days;

    bool feature_enabled;
    bool feature_admin_only;
    int feature_rollout_percent; /* 0-100 */

    const char *models[POLICY_MAX_MODELS]; /* offered to users; the default is among them */
    size_t model_count;
    const char *default_model;
    const char *fallback_model; /* asked if the wanted one can't be (domain/retry.h); NULL: none */
};

/* Returns the policy's own string of an offered model's name; NULL: it isn't offered. */
const char *policy_model(const struct chat_policy *policy, const char *name);
/* Fills in all models that the provider may be asked for, each once. Returns how many. */
size_t policy_asked(const struct chat_policy *policy, const char *out[POLICY_MAX_ASKED]);
/* NULL name: false. */
bool policy_offers_model(const struct chat_policy *policy, const char *name);
/* Checks a request's model. Errors: MODEL_NOT_FOUND, with `model` as its param, if it isn't offered. NULL name: fine.
 */
enum chat_error policy_check_model(const struct chat_policy *policy, const char *name,
                                   struct problem *problem) MUST_CHECK;

#endif
