#include "domain/quota.h"

#include <string.h>

#include "base/clock.h"

enum { DAY_SECONDS = 86400 };

int64_t quota_window(int64_t wall_ms)
{
    return wall_ms / 1000 / RATE_WINDOW_SECONDS;
}

int64_t quota_window_reset_s(int64_t wall_ms)
{
    return (quota_window(wall_ms) + 1) * RATE_WINDOW_SECONDS;
}

void quota_day(int64_t wall_ms, char out[QUOTA_DAY_SIZE])
{
    char time[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(wall_ms, time);
    memcpy(out, time, QUOTA_DAY_SIZE - 1);
    out[QUOTA_DAY_SIZE - 1] = '\0';
}

int64_t quota_day_reset_s(int64_t wall_ms)
{
    return (wall_ms / 1000 / DAY_SECONDS + 1) * DAY_SECONDS;
}

static int64_t at_least_zero(int64_t number)
{
    return number > 0 ? number : 0;
}

static int64_t left_of(int64_t limit, int64_t used)
{
    return limit == QUOTA_UNLIMITED ? QUOTA_UNLIMITED : at_least_zero(limit - at_least_zero(used));
}

struct quota quota_of(int64_t wall_ms, int64_t rate_limit, int64_t rate_used, int64_t daily_limit, int64_t daily_used,
                      bool unlimited)
{
    return (struct quota){
        .unlimited = unlimited || daily_limit == QUOTA_UNLIMITED,
        .rate_limit = rate_limit,
        .rate_remaining = left_of(rate_limit, rate_used),
        .rate_reset_s = quota_window_reset_s(wall_ms),
        .daily_limit = daily_limit,
        .daily_used = at_least_zero(daily_used),
        /* what was counted before a user became an admin takes nothing from them */
        .daily_remaining = unlimited ? daily_limit : left_of(daily_limit, daily_used),
        .daily_reset_s = quota_day_reset_s(wall_ms),
    };
}

void quota_give_back(struct quota *quota)
{
    if (quota->daily_used > 0) quota->daily_used--;
    quota->daily_remaining = left_of(quota->daily_limit, quota->daily_used);
}

int64_t quota_retry_after_s(int64_t wall_ms, int64_t reset_s)
{
    int64_t wait_s = (reset_s * 1000 - wall_ms + 999) / 1000;
    return wait_s > 1 ? wait_s : 1;
}
