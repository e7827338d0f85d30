/*
 * Ends the answers whose process died, as interrupted, with the text that the log has. Every process may do it at any
 * time: the row's compare-and-set and the settling happen once.
 */
#ifndef USECASES_REAP_ANSWERS_H
#define USECASES_REAP_ANSWERS_H

#include "usecases/ports.h"

/* Looks at streaming rows older than PROCESS_ALIVE_SECONDS. Of one whose writer is not known (it died before its first
 * word to the log, or the log was emptied) the lease tells; without one it is ended once it is older than an answer may
 * get, longest_ms. What the log can't be asked for now, or there was no time for
 * (some seconds), is left for the next time. Gives how many it ended. */
int reap_answers(const struct chat_ports *ports, int64_t longest_ms);

#endif
