/*
 * Ends answers whose process died, as interrupted, with the text that the log has. Every process may do it at any time:
 * the row's compare-and-set and the settling take effect once.
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

/* Looks at streaming rows older than PROCESS_ALIVE_SECONDS. If a process has died, it looks at all of them. Otherwise
 * it looks at REAP_PAGE of them, for answers left behind in another way, and the next time at those that follow.
 *
 * If the writer is not known (it died before its first word to the log, or the log was emptied), the lease decides;
 * without a lease the answer is ended once it is older than longest_ms. Rows that the log can't be asked about now, or
 * for which there was no time (some seconds), are left for another call. No answer is ended on the word of a log that
 * may not be believed (processes.h): it is asked before, and, for each answer, after all was read. Returns how many
 * answers it ended. */
int reap_answers(const struct chat_ports *ports, struct reaper *reaper);

#endif
