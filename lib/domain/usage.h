/* The use and cost of users' answers and completions, by day and model: numbers alone, and no text. */
#ifndef DOMAIN_USAGE_H
#define DOMAIN_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/caller.h"
#include "domain/cost.h"
#include "domain/quota.h"

enum { USAGE_DAYS_MAX = 366, USAGE_DAYS_DEFAULT = 30, USAGE_WEEK_DAYS = 7 };

struct usage_key {
    char user_id[USER_ID_SIZE];
    char day[QUOTA_DAY_SIZE]; /* UTC, on which it began */
    char model[MODEL_NAME_SIZE];
};

struct usage_counts {
    int64_t answers; /* that ended, however */
    int64_t regenerated, stopped, interrupted, failed;
    int64_t sessions; /* with an answer on the day, each counted at the day's first */
    int64_t rated_up, rated_down;
    int64_t completions;
    int64_t prompt_tokens, completion_tokens;
    int64_t cached_tokens; /* of the prompt's */
    int64_t cost_micro_usd;
};

/* A day of all users. */
struct engagement_day {
    char day[QUOTA_DAY_SIZE];
    int64_t active_users; /* who got an answer or a completion */
    int64_t weekly_users; /* the same, in the seven days that end with it */
    struct usage_counts counts;
};

/* Reads "2026-01-31", a day that exists. Sets *at_ms to its beginning. */
bool usage_day_parse(const char *text, int64_t *at_ms);
/* Returns how many days from the one to the other, both counted; below 1 if `to` is earlier. */
int64_t usage_days(int64_t from_ms, int64_t to_ms);

#endif
