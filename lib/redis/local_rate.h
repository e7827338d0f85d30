/*
 * The per-minute limit of this process alone, for while Redis is away. One table for the whole process, of a fixed
 * size: where more users come in a minute than it holds, those without a place are refused. Any thread.
 */
#ifndef REDIS_LOCAL_RATE_H
#define REDIS_LOCAL_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { LOCAL_RATE_USERS = 6144 };

/* This process's part of a limit: at least 1, but 0 of 0. */
int64_t local_rate_share(int64_t limit, int workers);
/* Counts so many where with them no more than `share` have been counted in this window. *used is how many have, after
 * the step. */
bool local_rate_take(const char *user_id, int64_t window, int units, int64_t share, int64_t *used);
/* Counts nothing. */
int64_t local_rate_used(const char *user_id, int64_t window);

#endif
