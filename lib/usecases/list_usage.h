/* What was used and what it cost, for administrators: by day, user and model, in any grouping; and how people use it.
 */
#ifndef USECASES_LIST_USAGE_H
#define USECASES_LIST_USAGE_H

#include "domain/problem.h"
#include "usecases/ports.h"

enum { ENGAGEMENT_DAYS_MAX = 92 };

/* Fills the days that were left out: up to today, USAGE_DAYS_DEFAULT of them. VALIDATION_FAILED: a day that is none,
 * the wrong way round, or more than days_max. NULL or "2026-01-31". */
enum chat_error usage_range(const struct chat_ports *ports, const char *from, const char *to, int days_max,
                            struct problem *problem, char from_out[QUOTA_DAY_SIZE],
                            char to_out[QUOTA_DAY_SIZE]) MUST_CHECK;
/* VALIDATION_FAILED: a limit out of 1-100, a user or a model that can't be. */
enum chat_error list_usage(const struct chat_ports *ports, const struct usage_query *query, struct arena *arena,
                           struct problem *problem, struct usage_page *out) MUST_CHECK;

#endif
