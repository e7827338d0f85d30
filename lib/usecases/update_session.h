/* Renames, pins or archives a session. */
#ifndef USECASES_UPDATE_SESSION_H
#define USECASES_UPDATE_SESSION_H

#include "domain/caller.h"
#include "domain/problem.h"
#include "usecases/ports.h"

/* Fields that aren't given stay as they are. */
struct update_session {
    const struct caller *caller;
    const char *session_id;
    const char *title; /* NULL: not given */
    size_t title_len;
    int pinned; /* -1: not given; 0, 1 */
    int archived;
};

/* Returns CHAT_OK with *out in the arena: the session as it is afterwards. If nothing is given, the row isn't touched.
 * Otherwise *problem says why. Errors: VALIDATION_FAILED, SESSION_NOT_FOUND, DATABASE_UNAVAILABLE. */
enum chat_error update_session(const struct chat_ports *ports, const struct update_session *in, struct arena *arena,
                               struct problem *problem, struct session *out) MUST_CHECK;

#endif
