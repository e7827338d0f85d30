/* What every request needs that is to ask the provider: send, regenerate, completions. */
#ifndef USECASES_TAKE_PLACE_H
#define USECASES_TAKE_PLACE_H

#include "domain/problem.h"
#include "usecases/ports.h"

/* What it holds then. */
struct place {
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    struct quota quota;
};

/* A place in the relay, the breaker's leave, then the limits. answer_id names the
 * lease. Else nothing is held, and the problem says why. CHAT_OK: the place in the relay is used up by
 * answers->ops->start or complete, or given back by unreserve; the tickets are settled and reported once. */
enum chat_error take_place(const struct chat_ports *ports, const struct caller *caller, const char *answer_id,
                           struct problem *problem, struct place *out) MUST_CHECK;

#endif
