/*
 * The keeper: a thread of its own for upkeep that may wait for Postgres. Every 2 seconds it looks whether the stores
 * are there, counts the use that was gathered, ends answers whose process died, and purges. What may not wait for
 * Postgres, like to say that the process lives, is the first thread's (upkeep.h).
 */
#ifndef FCGI_KEEPER_H
#define FCGI_KEEPER_H

#include <stdint.h>

#include "fcgi/stores.h"

struct keeper_settings {
    const struct stores_base *base;
    int stop_fd;               /* an eventfd that is readable once the thread is to end; borrowed */
    const char *process_id;    /* ours, as the others know it; borrowed */
    int64_t longest_answer_ms; /* no answer gets older */
};

struct keeper;
/* Takes settings, which are copied. Opens stores of its own and starts the thread. Returns what the calls below take;
 * NULL: out of memory or threads. The first thread owns it: it makes all of these calls. */
struct keeper *keeper_open(const struct keeper_settings *settings);
/* After stop_fd became readable: counts the use that was gathered, in the thread's stead. Does nothing while the thread
 * still runs. With Postgres away the use is kept (that is logged). */
void keeper_count_use(struct keeper *keeper);
/* After stop_fd became readable: waits for the thread, which first does what it has begun. NULL is fine. */
void keeper_join(struct keeper *keeper);
/* After keeper_join. Frees it. NULL is fine. */
void keeper_close(struct keeper *keeper);

#endif
