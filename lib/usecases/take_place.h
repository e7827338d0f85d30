/* What every request needs that is to ask the provider: send, regenerate, completions. */
#ifndef USECASES_TAKE_PLACE_H
#define USECASES_TAKE_PLACE_H

#include "domain/problem.h"
#include "usecases/ports.h"

/* What it holds then. */
struct place {
    struct admission_ticket ticket;
    struct breaker_ticket breaker; /* its model is the one to ask; NULL where it wasn't known, and any may be asked */
    struct quota quota;
};

/* The model that a request is about, as far as that is known before the store is asked. */
struct wanted_model {
    const char *name; /* offered; NULL: its session's */
    /* Where name is NULL, and a breaker isn't at rest: the name after all. NULL: nobody knows. */
    const char *(*find)(const struct chat_ports *ports, void *context);
    void *context;
    int units; /* answers that it is to give, each counted; 0 is 1 */
};

/* A place in the relay, leave of the model's breaker, or else of the fallback's, then the limits. answer_id names the
 * lease. Else nothing is held, and the problem says why. CHAT_OK: the place in the relay is used up by
 * answers->ops->start or complete, or given back by unreserve; the tickets are settled and reported once. */
enum chat_error take_place(const struct chat_ports *ports, const struct caller *caller,
                           const struct wanted_model *wanted, const char *answer_id, struct problem *problem,
                           struct place *out) MUST_CHECK;
/* Before a large body is read: whether take_place would be refused by a limit as things stand, with the same problem.
 * Counts nothing, and is no promise; CHAT_OK where Redis is away. */
enum chat_error look_for_place(const struct chat_ports *ports, const struct caller *caller,
                               struct problem *problem) MUST_CHECK;

#endif
