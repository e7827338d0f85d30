#include "usecases/send_message.h"

#include "usecases/begin_answer.h"

enum chat_error send_message_check(const struct chat_policy *policy, const struct send_message *in,
                                   struct problem *problem)
{
    const char *wrong = message_content_problem(in->content, in->content_len, policy->max_message_length);
    if (wrong) return problem_field(problem, "content", wrong);
    return policy_check_model(policy, in->model, problem);
}

enum chat_error send_message(const struct chat_ports *ports, const struct send_message *in, struct arena *arena,
                             struct problem *problem, struct ready_answer *out)
{
    int64_t now_ms = clock_wall_ms(ports->clock);
    const char *title = session_title_from(in->content, in->content_len, arena);
    struct session fresh = {
        .title = title,
        .title_source = TITLE_FIRST_MESSAGE,
        .model = in->model ? in->model : ports->policy->default_model,
        .created_at_ms = now_ms,
        .updated_at_ms = now_ms,
    };
    char question_id[UUID_TEXT_SIZE];
    uuid_v7(now_ms, fresh.id);
    uuid_v7(now_ms, question_id);
    struct answer_begin begin = {
        .session_id = in->session_id ? in->session_id : fresh.id,
        .new_session = in->session_id ? NULL : &fresh,
        .question_id = question_id,
        .content = in->content,
        .content_len = in->content_len,
        .question_tokens = message_estimate_tokens(in->content, in->content_len),
        .replaces_id = in->replaces_id,
        .answer_id = in->answer_id,
        .model = in->model,
        .title = title,
        .idempotency_key = in->idempotency_key,
        .idempotency_fingerprint = in->idempotency_fingerprint,
    };
    return begin_answer(ports, in->caller, &begin, arena, problem, out);
}
