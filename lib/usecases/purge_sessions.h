/* Removes deleted sessions for good, once they can no longer be restored. */
#ifndef USECASES_PURGE_SESSIONS_H
#define USECASES_PURGE_SESSIONS_H

#include "usecases/ports.h"

enum { PURGE_BATCH = 50, PURGE_PAUSE_MS = 600000 };

/* Removes one batch of those deleted longer ago than CHAT_RETENTION_DAYS. Returns the milliseconds until the next call:
 * 0 if more are left, otherwise PURGE_PAUSE_MS, also after an error (which it logs). Any worker, several at once too.
 */
int64_t purge_sessions(const struct chat_ports *ports);

#endif
