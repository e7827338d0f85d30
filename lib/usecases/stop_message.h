/* Stops an answer that is being written; the text so far is kept and counted. */
#ifndef USECASES_STOP_MESSAGE_H
#define USECASES_STOP_MESSAGE_H

#include "domain/caller.h"
#include "usecases/ports.h"

enum { STOP_WAIT_MS = 3000 };

/* Gives the message as it is afterwards; one that is done already is not changed. MESSAGE_NOT_FOUND,
 * DATABASE_UNAVAILABLE. */
enum chat_error stop_message(const struct chat_ports *ports, const struct caller *caller, const char *message_id,
                             struct arena *arena, struct message *out) MUST_CHECK;

#endif
