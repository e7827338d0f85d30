/* Makes a session without a message in it. */
#ifndef USECASES_CREATE_SESSION_H
#define USECASES_CREATE_SESSION_H

#include "domain/caller.h"
#include "domain/problem.h"
#include "usecases/ports.h"

struct create_session {
    const struct caller *caller;
    const char *title; /* NULL: the default until there is a first message */
    size_t title_len;
    const char *model;      /* NULL: the default */
    const char *session_id; /* NULL: made here */
};

/* Checks the request alone, before anything is taken or asked. Errors: VALIDATION_FAILED, MODEL_NOT_FOUND. */
enum chat_error create_session_check(const struct chat_policy *policy, const struct create_session *in,
                                     struct problem *problem) MUST_CHECK;
/* Takes a request that create_session_check accepted. Returns CHAT_OK with *out in the arena; otherwise *problem says
 * why. Errors: RATE_LIMITED, which is counted apart from messages; DATABASE_UNAVAILABLE. */
enum chat_error create_session(const struct chat_ports *ports, const struct create_session *in, struct arena *arena,
                               struct problem *problem, struct session *out) MUST_CHECK;

#endif
