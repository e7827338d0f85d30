/* Opens a completion: its model, then what it takes of the limits. */
#ifndef USECASES_OPEN_COMPLETION_H
#define USECASES_OPEN_COMPLETION_H

#include "usecases/completion.h"
#include "usecases/ports.h"

/* Sets *model to what is asked: `wished`, or the policy's default (NULL). Errors, in *problem too: VALIDATION_FAILED,
 * MODEL_NOT_FOUND. Pure. */
enum chat_error open_completion_model(const struct chat_policy *policy, const char *wished, struct problem *problem,
                                      const char **model) MUST_CHECK;
/* Takes a place for `units` answers to a spec whose model is set. Sets the spec's ticket and breaker, and *quota to the
 * user's standing. Then give the spec to answers->complete. Errors, in *problem too: those of take_place.h; nothing is
 * held then, and the spec's body stays the caller's. */
enum chat_error open_completion(const struct chat_ports *ports, const struct caller *caller, int units,
                                struct completion_spec *spec, struct quota *quota, struct problem *problem) MUST_CHECK;

#endif
