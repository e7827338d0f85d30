#include "usecases/update_session.h"

enum chat_error update_session(const struct chat_ports *ports, const struct update_session *in, struct arena *arena,
                               struct problem *problem, struct session *out)
{
    struct session_repo *sessions = ports->sessions;
    const char *user_id = in->caller->user_id;
    if (!in->title && in->pinned < 0 && in->archived < 0)
        return problem_set(problem, session_repo_get(sessions, user_id, in->session_id, arena, out), NULL);
    if (in->title) {
        const char *wrong = session_title_problem(in->title, in->title_len);
        if (wrong) return problem_field(problem, "title", wrong);
    }
    struct session_patch patch = {
        .title = arena_strndup(arena, in->title, in->title_len),
        .pinned = in->pinned,
        .archived = in->archived,
        .now_ms = clock_wall_ms(ports->clock),
    };
    return problem_set(problem, session_repo_update(sessions, user_id, in->session_id, &patch, arena, out), NULL);
}
