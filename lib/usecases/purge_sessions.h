/* Deleted sessions go for good once nobody may want them back. */
#ifndef USECASES_PURGE_SESSIONS_H
#define USECASES_PURGE_SESSIONS_H

#include "usecases/ports.h"

enum { PURGE_BATCH = 50, PURGE_PAUSE_MS = 600000 };

/* One batch of those deleted longer ago than CHAT_RETENTION_DAYS. Gives the milliseconds until it should be called
 * again: 0 where more are left, else PURGE_PAUSE_MS, also after an error (it is logged). Any worker, also several at
 * once. */
int64_t purge_sessions(const struct chat_ports *ports);

#endif
