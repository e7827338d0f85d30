/* Use and cost for administrators: by day, user and model, in any grouping; and how people use the service. */
#ifndef USECASES_LIST_USAGE_H
#define USECASES_LIST_USAGE_H

#include "domain/problem.h"
#include "usecases/ports.h"

enum { ENGAGEMENT_DAYS_MAX = 92 };

/* Takes two days, each "2026-01-31" or NULL. Fills in those left out: up to today, USAGE_DAYS_DEFAULT of them. Errors:
 * VALIDATION_FAILED (no such day, the wrong order, or more than days_max). */
enum chat_error usage_range(const struct chat_ports *ports, const char *from, const char *to, int days_max,
                            struct problem *problem, char from_out[QUOTA_DAY_SIZE],
                            char to_out[QUOTA_DAY_SIZE]) MUST_CHECK;
/* Returns a page in the arena. Errors: VALIDATION_FAILED (a limit out of 1-100, an impossible user or model), those of
 * the repository. */
enum chat_error list_usage(const struct chat_ports *ports, const struct usage_query *query, struct arena *arena,
                           struct problem *problem, struct usage_page *out) MUST_CHECK;

#endif
