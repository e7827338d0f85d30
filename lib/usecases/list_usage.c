#include "usecases/list_usage.h"

#include <string.h>

#include "usecases/list_sessions.h"

static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

enum chat_error usage_range(const struct chat_ports *ports, const char *from, const char *to, int days_max,
                            struct problem *problem, char from_out[QUOTA_DAY_SIZE], char to_out[QUOTA_DAY_SIZE])
{
    static const char form[] = "takes a day, 2026-01-31";
    int64_t from_ms, to_ms = clock_wall_ms(ports->clock);
    bool fine = true;
    if (to && !usage_day_parse(to, &to_ms)) {
        problem_field(problem, "to", form);
        fine = false;
    }
    from_ms = to_ms - (USAGE_DAYS_DEFAULT - 1) * day_ms;
    if (from_ms < 0) from_ms = 0;
    if (from && !usage_day_parse(from, &from_ms)) {
        problem_field(problem, "from", form);
        fine = false;
    }
    if (!fine) return problem->error;
    quota_day(from_ms, from_out);
    quota_day(to_ms, to_out);
    int64_t days = usage_days(from_ms, to_ms);
    if (strcmp(from_out, to_out) > 0) return problem_field(problem, "from", "takes a day that is not after `to`");
    if (days > days_max)
        return problem_field(problem, "from",
                             days_max == USAGE_DAYS_MAX ? "takes a day at most 366 days before the end of `to`"
                                                        : "takes a day at most 92 days before the end of `to`");
    return CHAT_OK;
}

enum chat_error list_usage(const struct chat_ports *ports, const struct usage_query *query, struct arena *arena,
                           struct problem *problem, struct usage_page *out)
{
    if (query->limit < PAGE_LIMIT_MIN || query->limit > PAGE_LIMIT_MAX)
        return problem_field(problem, "limit", "takes a whole number from 1 to 100");
    if (query->user_id && strlen(query->user_id) >= USER_ID_SIZE)
        return problem_field(problem, "user", "takes at most 255 characters");
    if (query->model && strlen(query->model) >= MODEL_NAME_SIZE)
        return problem_field(problem, "model", "takes at most 127 characters");
    return problem_set(problem, usage_repo_list(ports->usage, query, arena, out), NULL);
}
