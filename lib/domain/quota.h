/* The arithmetic of limits: windows, days, what is left. The counting itself is usecases/admission.h. */
#ifndef DOMAIN_QUOTA_H
#define DOMAIN_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_WINDOW_SECONDS = 60, QUOTA_DAY_SIZE = 11 /* "2026-01-31" and NUL */ };

/* No limit: in a policy, and for limit and remaining below. 0 allows none. */
enum { QUOTA_UNLIMITED = -1 };

struct quota {
    bool unlimited;     /* the daily quota doesn't apply: for admins, and if there is none */
    int64_t rate_limit; /* here and below: or QUOTA_UNLIMITED */
    int64_t rate_remaining;
    int64_t rate_reset_s; /* epoch seconds */
    int64_t daily_limit;
    int64_t daily_used;
    int64_t daily_remaining;
    int64_t daily_reset_s;
};

int64_t quota_window(int64_t wall_ms);         /* number of the 60 s window since the epoch */
int64_t quota_window_reset_s(int64_t wall_ms); /* its end, epoch seconds: after now */
void quota_day(int64_t wall_ms, char out[QUOTA_DAY_SIZE]);
int64_t quota_day_reset_s(int64_t wall_ms); /* next midnight UTC, epoch seconds: after now */
/* Computes a standing from the counts so far; nothing is below 0. */
struct quota quota_of(int64_t wall_ms, int64_t rate_limit, int64_t rate_used, int64_t daily_limit, int64_t daily_used,
                      bool unlimited);
/* Gives one of the day back. */
void quota_give_back(struct quota *quota);
/* Returns whole seconds from now until then, rounded up, at least 1: for Retry-After. */
int64_t quota_retry_after_s(int64_t wall_ms, int64_t reset_s);

#endif
