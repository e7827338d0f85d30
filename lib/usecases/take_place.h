/* Takes all that a request needs before it may ask the provider: send, regenerate, completions. */
#ifndef USECASES_TAKE_PLACE_H
#define USECASES_TAKE_PLACE_H

#include "domain/problem.h"
#include "usecases/ports.h"

/* What the request then holds, beside its place in the relay (answers.h), which has no receipt. */
struct place {
    struct admission_ticket ticket;
    struct breaker_ticket breaker; /* its model is the one to ask; NULL: it wasn't known, and any may be asked */
    struct quota quota;
};

/* The model that a request is about, as far as that is known before the store is asked. */
struct wanted_model {
    const char *name; /* offered; NULL: its session's */
    /* Called if name is NULL and a breaker isn't at rest. Returns the name; NULL: it can't be known. */
    const char *(*find)(const struct chat_ports *ports, void *context);
    void *context;
    int units; /* answers that it is to give, each counted; 0 means 1 */
};

/* Takes a place in the relay, asks the model's breaker, or else the fallback's, and then counts the limits. answer_id
 * names the lease. Returns CHAT_OK with *out; otherwise nothing is held, and *problem says why. The caller then gives
 * the place in the relay to answers_start or answers_complete, or back by answers_unreserve. It settles the one ticket
 * and reports with the other, once. */
enum chat_error take_place(const struct chat_ports *ports, const struct caller *caller,
                           const struct wanted_model *wanted, const char *answer_id, struct problem *problem,
                           struct place *out) MUST_CHECK;
/* For use before a large body is read: returns the error, and sets the problem, with which a limit would refuse
 * take_place now. Counts nothing, and promises nothing. CHAT_OK while Redis is away. */
enum chat_error look_for_place(const struct chat_ports *ports, const struct caller *caller,
                               struct problem *problem) MUST_CHECK;

#endif
