/* Undoes a delete. */
#ifndef USECASES_RESTORE_SESSION_H
#define USECASES_RESTORE_SESSION_H

#include "domain/caller.h"
#include "usecases/ports.h"

/* Restores the caller's session as it was, except for an answer that the delete stopped. One that isn't deleted stays
 * as it is. Fills *out, in the arena. Errors: SESSION_NOT_FOUND, also for one that is purged; DATABASE_UNAVAILABLE. */
enum chat_error restore_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                                struct arena *arena, struct session *out) MUST_CHECK;

#endif
