/*
 * The registry of living processes: each says that it lives, and each can ask whether one died, and whether what the
 * registry says may be believed. Implemented by lib/redis. An instance belongs to one thread; every call is bounded in
 * time. CHAT_ERR_REDIS_UNAVAILABLE: the registry is away.
 */
#ifndef USECASES_PROCESSES_H
#define USECASES_PROCESSES_H

#include <stdbool.h>

#include "base/error.h"

enum { PROCESS_ALIVE_SECONDS = 6, PROCESS_REMEMBERED_SECONDS = 60, LOG_BELIEVED_AFTER_SECONDS = 15 };

struct processes;
struct processes_ops {
    /* Tells others that this process lives: for PROCESS_ALIVE_SECONDS. *forgotten: the registry didn't know that it
     * does, so the answer log, which stands beside it, may have lost all else: what lives is to be written anew, also
     * what is silent. */
    enum chat_error (*say_alive)(struct processes *self, const char *process_id, bool *forgotten);
    /* Whether what is said of others, here and in the answer log, may be believed: it takes what is written, and for
     * the last LOG_BELIEVED_AFTER_SECONDS it neither stood still nor began anew (emptied, or another took its place),
     * so that all who live have had time to say so. Never before this process has said that it lives. */
    enum chat_error (*may_judge)(struct processes *self, const char *process_id, bool *may);
    /* Whether a process that said that it lives doesn't any more; of each this is known until
     * PROCESS_REMEMBERED_SECONDS after its last word, and of none before the registry was emptied. */
    enum chat_error (*died)(struct processes *self, bool *died);
};
struct processes {
    const struct processes_ops *ops;
};

#endif
