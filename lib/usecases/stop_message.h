/* Stops an answer that is being written; the text so far is kept and counted. */
#ifndef USECASES_STOP_MESSAGE_H
#define USECASES_STOP_MESSAGE_H

#include "domain/caller.h"
#include "usecases/ports.h"

enum { STOP_WAIT_MS = 3000 };

/* Between the looks of one stop; zeroed before the first. */
struct stopping {
    int64_t until_ms, ask_at_ms, wait_ms;
};

/* Asks for the stop where that is due, and gives the message as it is now; one that is done already is not changed.
 * *wait_ms > 0: it is not settled, look again after so long. 0: it is, or STOP_WAIT_MS are over. Waits for nothing but
 * the stores. MESSAGE_NOT_FOUND, DATABASE_UNAVAILABLE. */
enum chat_error stop_message(const struct chat_ports *ports, const struct caller *caller, const char *message_id,
                             struct stopping *stopping, struct arena *arena, struct message *out,
                             int64_t *wait_ms) MUST_CHECK;

#endif
