/* The common middle of send and regenerate: a place, the limits, the store, the prompt. */
#ifndef USECASES_BEGIN_ANSWER_H
#define USECASES_BEGIN_ANSWER_H

#include "usecases/send_message.h"

/* begin->user_id, epoch, now_ms and context_messages are filled here, and answer_id where it is
 * NULL. */
enum chat_error begin_answer(const struct chat_ports *ports, const struct caller *caller, struct answer_begin *begin,
                             struct arena *arena, struct problem *problem, struct ready_answer *out) MUST_CHECK;

/* What a request holds that may ask the provider. */
struct place {
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    struct quota quota;
};

/* A place in the relay, the breaker's leave, then the limits. Else nothing is held, and the problem says why. */
enum chat_error take_place(const struct chat_ports *ports, const struct caller *caller, const char *answer_id,
                           struct problem *problem, struct place *out) MUST_CHECK;

#endif
