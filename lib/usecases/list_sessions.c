#include "usecases/list_sessions.h"

#include <string.h>

#include "base/utf8.h"

static bool only_space(const char *text)
{
    size_t len = strlen(text), bytes;
    for (size_t at = 0; at < len; at += bytes) {
        uint32_t code_point;
        bytes = utf8_decode(text + at, len - at, &code_point);
        if (bytes == 0 || !utf8_is_space(code_point)) return false;
    }
    return true;
}

enum chat_error list_sessions(const struct chat_ports *ports, const struct caller *caller,
                              const struct session_query *query, struct arena *arena, struct problem *problem,
                              struct session_page *out)
{
    struct session_query mine = *query;
    mine.user_id = caller->user_id;
    if (mine.limit < PAGE_LIMIT_MIN || mine.limit > PAGE_LIMIT_MAX)
        return problem_field(problem, "limit", "takes a whole number from 1 to 100");
    if (mine.search) {
        size_t len = strlen(mine.search);
        if (!utf8_valid(mine.search, len))
            return problem_set(problem, CHAT_ERR_INVALID_REQUEST, "q is not valid UTF-8");
        if (utf8_count(mine.search, len) > SEARCH_MAX)
            return problem_field(problem, "q", "takes at most 200 characters");
        if (only_space(mine.search)) mine.search = NULL;
    }
    return problem_set(problem, session_repo_list(ports->sessions, &mine, arena, out), NULL);
}
