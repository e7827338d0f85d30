#include "domain/usage.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { DAY_MS = 24 * 3600 * 1000 };

bool usage_day_parse(const char *text, int64_t *at_ms)
{
    if (strlen(text) != QUOTA_DAY_SIZE - 1) return false;
    char midnight[CLOCK_RFC3339_SIZE];
    snprintf(midnight, sizeof midnight, "%sT00:00:00.000Z", text);
    return clock_parse_rfc3339(midnight, at_ms);
}

int64_t usage_days(int64_t from_ms, int64_t to_ms)
{
    return (to_ms - from_ms) / DAY_MS + 1;
}
