/* Stops an answer wherever it is being written. */
#ifndef USECASES_STOP_ANSWER_H
#define USECASES_STOP_ANSWER_H

#include "usecases/ports.h"

enum stop_asked {
    STOP_WAS_HERE,  /* this process writes it */
    STOP_PASSED_ON, /* another process writes it, and was told */
    STOP_NOBODY,    /* no process is known to write it: it is over, or began a moment ago */
};

enum stop_asked stop_answer(const struct chat_ports *ports, const char *answer_id);

#endif
