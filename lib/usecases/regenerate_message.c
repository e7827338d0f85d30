#include "usecases/regenerate_message.h"

#include "usecases/begin_answer.h"

enum chat_error regenerate_message_check(const struct chat_policy *policy, const struct regenerate_message *in,
                                         struct problem *problem)
{
    return policy_check_model(policy, in->model, problem);
}

enum chat_error regenerate_message(const struct chat_ports *ports, const struct regenerate_message *in,
                                   struct arena *arena, struct problem *problem, struct ready_answer *out)
{
    struct answer_begin begin = {
        .regenerates_id = in->message_id,
        .model = in->model,
        .answer_id = in->answer_id,
        .idempotency_key = in->idempotency_key,
        .idempotency_fingerprint = in->idempotency_fingerprint,
    };
    return begin_answer(ports, in->caller, &begin, arena, problem, out);
}
