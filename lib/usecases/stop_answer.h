/*
 * Asks for the stop of an answer, wherever it is being written. It doesn't wait until the answer has ended:
 * stop_message.h does, for the user who asks for a stop.
 */
#ifndef USECASES_STOP_ANSWER_H
#define USECASES_STOP_ANSWER_H

#include "usecases/ports.h"

enum stop_asked {
    STOP_WAS_HERE,  /* this process writes it */
    STOP_PASSED_ON, /* another process writes it, and was told */
    STOP_NOBODY,    /* no process is known to write it: it is over, or began a moment ago */
};

/* Waits for one turn of this process' loop; if the answer isn't written here, also for a call of the log. While the log
 * is away STOP_NOBODY is returned (that is logged). Not from the loop's own thread. */
enum stop_asked stop_answer(const struct chat_ports *ports, const char *answer_id);

#endif
