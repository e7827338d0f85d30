/* Stops an answer wherever it is being written. */
#ifndef USECASES_STOP_ANSWER_H
#define USECASES_STOP_ANSWER_H

#include "usecases/ports.h"

enum stop_asked {
    STOP_WAS_HERE,  /* this process writes it */
    STOP_PASSED_ON, /* the process that writes it was told */
    STOP_NOBODY,    /* nobody is known to write it: over, or begun a moment ago */
};

enum stop_asked stop_answer(const struct chat_ports *ports, const char *answer_id);

#endif
