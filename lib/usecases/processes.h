/*
 * The registry of living processes. Each reports that it lives, and each can ask whether one has died, and whether the
 * registry may be believed. An instance belongs to one thread. Every call is bounded in time.
 * CHAT_ERR_REDIS_UNAVAILABLE: the registry is away.
 */
#ifndef USECASES_PROCESSES_H
#define USECASES_PROCESSES_H

#include <stdbool.h>

#include "base/error.h"

enum { PROCESS_ALIVE_SECONDS = 6, PROCESS_REMEMBERED_SECONDS = 60, LOG_BELIEVED_AFTER_SECONDS = 15 };

struct processes;
/* Implemented by lib/redis; callers use the functions below. */
struct processes_ops {
    enum chat_error (*say_alive)(struct processes *self, const char *process_id, bool *forgotten);
    enum chat_error (*may_judge)(struct processes *self, const char *process_id, bool *may);
    enum chat_error (*died)(struct processes *self, bool *died);
};
struct processes {
    const struct processes_ops *ops;
};

/* Reports to others that this process lives, for PROCESS_ALIVE_SECONDS. *forgotten: the registry didn't know that, so
 * the answer log beside it may have lost everything. Then write all running answers again, silent ones too. */
static inline enum chat_error processes_say_alive(struct processes *self, const char *process_id, bool *forgotten)
{
    return self->ops->say_alive(self, process_id, forgotten);
}

/* Sets *may to whether the registry, and the answer log beside it, may be believed about others. They may if they take
 * writes, and have neither stopped nor begun again (emptied, or replaced by another) for the last
 * LOG_BELIEVED_AFTER_SECONDS: then all living processes have had time to report. Never before this process has reported
 * that it lives. */
static inline enum chat_error processes_may_judge(struct processes *self, const char *process_id, bool *may)
{
    return self->ops->may_judge(self, process_id, may);
}

/* Sets *died to whether a process that reported that it lives has died. The registry knows that of each process until
 * PROCESS_REMEMBERED_SECONDS after its last report, and of none from before it was emptied. */
static inline enum chat_error processes_died(struct processes *self, bool *died)
{
    return self->ops->died(self, died);
}

#endif
