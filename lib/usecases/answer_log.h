/*
 * The log holds what other processes need of an answer: its text so far, who writes it, and whether somebody watches it
 * from elsewhere. One exchange carries all that a process has to write and wants to know, however many answers it has.
 * After a failed exchange the next one writes whole texts, so no text is doubled or missing. An instance belongs to one
 * thread. Every call is bounded in time. CHAT_ERR_REDIS_UNAVAILABLE: the log is away.
 */
#ifndef USECASES_ANSWER_LOG_H
#define USECASES_ANSWER_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "domain/answer.h"
#include "domain/message.h"

/* How an answer ended whose row can't be written now. With the text, it is all that the row will need. */
struct log_end {
    enum answer_event event;
    const char *model, *finish_reason; /* the second NULL: none */
    const char *supersedes_id;         /* NULL: none */
    struct token_usage usage;
    bool tokens_estimated;
};

/* To write, of an answer of ours. */
struct log_write {
    char answer_id[UUID_TEXT_SIZE];
    size_t reasoning_at, content_at; /* where the pieces begin; 0 with `whole` */
    const char *reasoning, *content; /* new text; borrowed for the call */
    size_t reasoning_len, content_len;
    bool whole;                /* the whole text so far: first write, or after something was lost */
    bool lost;                 /* out: the log lacks a part before this; write the whole next time */
    const struct log_end *end; /* NULL: it goes on, or its row is written; borrowed for the call */
    bool ended;                /* its row is written: the log may go soon */
};

/* To read, of an answer that another process writes. */
struct log_read {
    char answer_id[UUID_TEXT_SIZE];
    size_t reasoning_at, content_at; /* in: what is here already */
    char *reasoning, *content;       /* out: text from there on, in the arena */
    size_t reasoning_len, content_len;
    char writer[UUID_TEXT_SIZE]; /* out: the process that writes it, "" = none; in: the one to tell */
    bool tell_watched;           /* in: tell the writer that somebody is attached here */
};

/* A note of another process about an answer of ours. */
struct log_note {
    enum { NOTE_STOP, NOTE_WATCHED } kind;
    char answer_id[UUID_TEXT_SIZE];
};

enum { LOG_NOTES_MAX = 64 };
struct log_exchange {
    const char *process_id; /* ours */
    struct log_write *writes;
    size_t write_count;
    struct log_read *reads;
    size_t read_count;
    struct log_note notes[LOG_NOTES_MAX]; /* out; also if the exchange failed later: the log has them no more */
    size_t note_count;
    bool forgotten; /* out: as say_alive's (processes.h); set only if something was written whole */
};

/* Whether the process that writes an answer lives, as far as the log knows. */
enum writer_state { WRITER_UNKNOWN, WRITER_ALIVE, WRITER_DEAD };
struct writer_look {
    char answer_id[UUID_TEXT_SIZE];
    enum writer_state state; /* out */
};

struct answer_log;
/* Implemented by lib/redis; callers use the functions below. */
struct answer_log_ops {
    enum chat_error (*exchange)(struct answer_log *self, struct log_exchange *exchange, struct arena *arena);
    enum chat_error (*read)(struct answer_log *self, struct log_read *read, struct arena *arena);
    enum chat_error (*read_end)(struct answer_log *self, const char *answer_id, struct arena *arena, bool *known,
                                struct log_end *out);
    enum chat_error (*writer_states)(struct answer_log *self, struct writer_look *looks, size_t count);
    enum chat_error (*ask_stop)(struct answer_log *self, const char *answer_id, bool *asked);
};
struct answer_log {
    const struct answer_log_ops *ops;
};

/* Writes and reads all that the exchange names. Texts that are read are in the arena. */
static inline enum chat_error answer_log_exchange(struct answer_log *self, struct log_exchange *exchange,
                                                  struct arena *arena)
{
    return self->ops->exchange(self, exchange, arena);
}

/* Reads what the log has of one answer, for ending one whose process died. */
static inline enum chat_error answer_log_read(struct answer_log *self, struct log_read *read, struct arena *arena)
{
    return self->ops->read(self, read, arena);
}

/* Reads how it ended, with strings in the arena. *known = false: it hasn't ended, or its row is written. */
static inline enum chat_error answer_log_read_end(struct answer_log *self, const char *answer_id, struct arena *arena,
                                                  bool *known, struct log_end *out)
{
    return self->ops->read_end(self, answer_id, arena, known, out);
}

/* Fills the state of each writer, for many answers in few round trips. */
static inline enum chat_error answer_log_writer_states(struct answer_log *self, struct writer_look *looks, size_t count)
{
    return self->ops->writer_states(self, looks, count);
}

/* Asks the process that writes the answer to stop it. *asked = false: nobody is known to write it. */
static inline enum chat_error answer_log_ask_stop(struct answer_log *self, const char *answer_id, bool *asked)
{
    return self->ops->ask_stop(self, answer_id, asked);
}

#endif
