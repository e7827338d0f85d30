/*
 * The keeper: a thread that may wait for Postgres, so that the process says in time that it lives. Each 2 seconds it
 * looks whether the stores are there, counts the use that was gathered, ends answers whose process died, and purges.
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
/* After stop_fd became readable, in the thread's stead: counts the use that was gathered, but for while the thread is
 * still at it. With Postgres away it is kept (that is logged). */
void keeper_count_use(struct keeper *keeper);
/* After stop_fd became readable: waits for the thread, which ends behind what it is at. NULL is fine. */
void keeper_join(struct keeper *keeper);
/* After keeper_join. Frees it. NULL is fine. */
void keeper_close(struct keeper *keeper);

#endif
