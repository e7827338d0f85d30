/*
 * Ends the answers whose process died, as interrupted, with the text that the log has. Every process may do it at any
 * time: the row's compare-and-set and the settling happen once.
 */
#ifndef USECASES_REAP_ANSWERS_H
#define USECASES_REAP_ANSWERS_H

#include "usecases/ports.h"

enum { REAP_PAGE = 256 };

/* One thread's. */
struct reaper {
    const char *process_id;        /* ours; borrowed */
    int64_t longest_ms;            /* no answer gets older */
    int64_t after_ms;              /* where the last page ended; 0: the next begins at the oldest */
    char after_id[UUID_TEXT_SIZE]; /* … and "" */
};

/* Looks at streaming rows older than PROCESS_ALIVE_SECONDS: at all of them where a process has died, else, for what was
 * left behind in another way, at REAP_PAGE of them, the next time at those that follow. Of one whose writer is not
 * known (it died before its first word to the log, or the log was emptied) the lease tells; without one it is ended
 * once it is older than longest_ms. What the log can't be asked for now, or there was no time for (some seconds), is
 * left for another time. Nothing is ended by a log that may not be believed (processes.h): it is asked before and, of
 * each answer, after all was read. Gives how many it ended. */
int reap_answers(const struct chat_ports *ports, struct reaper *reaper);

#endif
