/* A user's stop of an answer that is being written, until its row shows the end; the text so far is kept and counted.
 * It asks by stop_answer.h, again and again while another process writes the answer. */
#ifndef USECASES_STOP_MESSAGE_H
#define USECASES_STOP_MESSAGE_H

#include "domain/caller.h"
#include "usecases/ports.h"

enum { STOP_WAIT_MS = 3000 };

/* The state between the calls for one stop; zero it before the first. */
struct stopping {
    int64_t until_ms, ask_at_ms, wait_ms;
};

/* Asks for the stop if that is due, and fills *out with the message as it is now, in the arena. A message that is over
 * already is not changed. *wait_ms > 0: it is not settled; call again after that time. 0: it is settled, or
 * STOP_WAIT_MS have passed. Errors: MESSAGE_NOT_FOUND, DATABASE_UNAVAILABLE. Waits for nothing but the stores. */
enum chat_error stop_message(const struct chat_ports *ports, const struct caller *caller, const char *message_id,
                             struct stopping *stopping, struct arena *arena, struct message *out,
                             int64_t *wait_ms) MUST_CHECK;

#endif
