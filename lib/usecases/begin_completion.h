/* A place in the relay and the limits, for a completion that is passed through. */
#ifndef USECASES_BEGIN_COMPLETION_H
#define USECASES_BEGIN_COMPLETION_H

#include "domain/problem.h"
#include "usecases/begin_answer.h"

/* CHAT_OK: *out is filled, and one place is reserved: answers->ops->complete uses it up. Else nothing is held, and the
 * problem says why. */
enum chat_error begin_completion(const struct chat_ports *ports, const struct caller *caller, struct problem *problem,
                                 struct place *out) MUST_CHECK;

#endif
