/* Soft-deletes a session and stops an answer that is being written in it. */
#ifndef USECASES_DELETE_SESSION_H
#define USECASES_DELETE_SESSION_H

#include "domain/caller.h"
#include "usecases/ports.h"

/* Deletes the caller's session. Errors: SESSION_NOT_FOUND, also if it is deleted already. */
enum chat_error delete_session(const struct chat_ports *ports, const struct caller *caller,
                               const char *session_id) MUST_CHECK;

#endif
