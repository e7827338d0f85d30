#include "usecases/create_session.h"

#include <string.h>

enum chat_error create_session_check(const struct chat_policy *policy, const struct create_session *in,
                                     struct problem *problem)
{
    if (in->title) {
        const char *wrong = session_title_problem(in->title, in->title_len);
        if (wrong) return problem_field(problem, "title", wrong);
    }
    return policy_check_model(policy, in->model, problem);
}

enum chat_error create_session(const struct chat_ports *ports, const struct create_session *in, struct arena *arena,
                               struct problem *problem, struct session *out)
{
    int64_t now_ms = clock_wall_ms(ports->clock);
    enum chat_error error =
        admission_admit_making(ports->admission, in->caller, &problem->quota, &problem->retry_after_s);
    problem->has_quota = error != CHAT_OK;
    if (error != CHAT_OK) return problem_set(problem, error, "Too many chats made this minute; see `Retry-After`.");
    *out = (struct session){
        .title = in->title ? arena_strndup(arena, in->title, in->title_len) : SESSION_DEFAULT_TITLE,
        .title_source = in->title ? TITLE_USER : TITLE_DEFAULT,
        .model = arena_strdup(arena, in->model ? in->model : ports->policy->default_model),
        .created_at_ms = now_ms,
        .updated_at_ms = now_ms,
    };
    if (in->session_id)
        memcpy(out->id, in->session_id, UUID_TEXT_SIZE);
    else
        uuid_v7(now_ms, out->id);
    return problem_set(problem, session_repo_create(ports->sessions, in->caller->user_id, out), NULL);
}
