/*
 * What of an answer is known outside the process that writes it: its text so far, who writes it, and whether somebody
 * watches it from elsewhere. One exchange a beat carries all that a process has to write and wants to know, however many
 * answers it has; a lost exchange is simply made again (text is written by offset, so nothing doubles).
 * An instance belongs to one thread; every call is bounded in time. CHAT_ERR_QUOTA_UNAVAILABLE: the log is away.
 */
#ifndef USECASES_ANSWER_LOG_H
#define USECASES_ANSWER_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"

/* Of an answer of ours. */
struct log_write {
    char answer_id[UUID_TEXT_SIZE];
    size_t reasoning_at, content_at;   /* where the pieces belong */
    const char *reasoning, *content;   /* new text; borrowed for the call */
    size_t reasoning_len, content_len;
    bool ended;                        /* its row is written: the log may go soon */
    bool ask_watched;                  /* in: nobody is attached here; */
    bool watched;                      /* out: but somebody is elsewhere */
};

/* Of an answer that another process writes. */
struct log_read {
    char answer_id[UUID_TEXT_SIZE];
    size_t reasoning_at, content_at;   /* in: what is here already */
    char *reasoning, *content;         /* out: text from there on, in the arena */
    size_t reasoning_len, content_len;
    bool writing;                      /* out: somebody says that it is being written */
};

enum { LOG_STOPS_MAX = 64 };
struct log_exchange {
    const char *process_id;            /* ours */
    struct log_write *writes;
    size_t write_count;
    struct log_read *reads;
    size_t read_count;
    char stops[LOG_STOPS_MAX][UUID_TEXT_SIZE]; /* out: answers of ours that others want stopped */
    size_t stop_count;
};

struct answer_log;
struct answer_log_ops {
    enum chat_error (*exchange)(struct answer_log *self, struct log_exchange *exchange, struct arena *arena);
    /* Asks the process that writes the answer to stop it. *asked = false: nobody is known to write it. */
    enum chat_error (*ask_stop)(struct answer_log *self, const char *answer_id, bool *asked);
};
struct answer_log {
    const struct answer_log_ops *ops;
};

#endif
