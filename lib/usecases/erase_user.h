/*
 * Erases all that is stored of one user: sessions with their messages, days of use, keys in Redis. An answer that is
 * being written is stopped and ends properly; then its session is erased. It makes passes until one finds nothing, as
 * workers write within seconds what they still had in hand. It may be called again.
 */
#ifndef USECASES_ERASE_USER_H
#define USECASES_ERASE_USER_H

#include "domain/user_data.h"
#include "usecases/ports.h"
#include "usecases/user_keys.h"

enum { ERASE_PASSES = 10, ERASE_PAUSE_MS = 3000 };

/* Fills *gone with counts of what was erased, also before an error, and *left with what is there afterwards: all 0
 * unless the user was active meanwhile. Errors: those of the stores; *left is not known then. */
enum chat_error erase_user(const struct chat_ports *ports, struct user_data *data, struct user_keys *keys,
                           const char *user_id, struct user_data_counts *gone,
                           struct user_data_counts *left) MUST_CHECK;

#endif
