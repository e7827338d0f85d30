/* Stops an answer wherever it is being written. */
#ifndef USECASES_STOP_ANSWER_H
#define USECASES_STOP_ANSWER_H

#include "usecases/ports.h"

/* Asks this process, and where it isn't written here the one that writes it. With timeout_ms > 0 waits until an answer
 * of this process is settled. true: it was here. */
bool stop_answer(const struct chat_ports *ports, const char *answer_id, int timeout_ms);

#endif
