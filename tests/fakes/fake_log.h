/* The log of answers in memory, shared by as many relays as a test has. Any thread. */
#ifndef FAKES_FAKE_LOG_H
#define FAKES_FAKE_LOG_H

#include "tests/fakes/fake_wait.h"
#include "usecases/answer_log.h"
#include "usecases/processes.h"

enum { FAKE_LOG_ANSWERS = 96, FAKE_LOG_TEXT = 8192 };

struct fake_log_answer {
    char answer_id[UUID_TEXT_SIZE];
    char writer[UUID_TEXT_SIZE];
    char content[FAKE_LOG_TEXT], reasoning[FAKE_LOG_TEXT];
    size_t content_len, reasoning_len;
    bool ended;
    bool has_end;
    struct log_end end;
    char model[64], finish_reason[32], supersedes_id[UUID_TEXT_SIZE]; /* what end points to */
    bool stop_asked, watched_told;                                    /* notes that wait for the writer */
};

struct fake_log {
    struct answer_log log;      /* first: the port */
    struct processes processes; /* and the registry beside it */
    struct fake_wait wait;
    enum chat_error error;      /* what every call answers; set by fake_log_fail */
    enum writer_state writers;  /* what writer_states says of every answer … */
    enum chat_error look_error; /* what writer_states answers; CHAT_OK: as `error` */
    bool died;                  /* what `died` says */
    enum chat_error died_error; /* what `died` answers; CHAT_OK: as `error` */
    int believed;               /* how often may_judge still says yes; below 0: always */
    bool revived_after_look;    /* only the first time; from then on it lives */
    const char *only;           /* … or of this one, the others' being alive; NULL: every */
    enum chat_error read_error; /* what reading one answer's text says; CHAT_OK: as `error` */
    bool knows_writer;          /* what ask_stop says */
    struct fake_log_answer answers[FAKE_LOG_ANSWERS];
    int count;
    bool emptied; /* by fake_log_forget, and nobody was told so far */
    int exchanges, whole_writes, stops_asked, alive_said, watched_given;
    size_t most_writes, most_reads, most_notes; /* of one exchange */
};

void fake_log_init(struct fake_log *self);
void fake_log_fini(struct fake_log *self);
void fake_log_fail(struct fake_log *self, enum chat_error error);
/* Everything in it is lost. */
void fake_log_forget(struct fake_log *self);
/* Puts an answer's text in, as a process that died would have left it. */
void fake_log_put(struct fake_log *self, const char *answer_id, const char *content, const char *reasoning);
/* Asks to stop all of these at once: the next exchange meets them all. Returns how many exchanges there were before. */
int fake_log_ask_stops(struct fake_log *self, const char (*answer_ids)[UUID_TEXT_SIZE], int count);
bool fake_log_has_content(struct fake_log *self, const char *answer_id, const char *content); /* now */
bool fake_log_wait_content(struct fake_log *self, const char *answer_id, const char *content);
/* How it ended is written, its row isn't. */
bool fake_log_wait_end(struct fake_log *self, const char *answer_id);
bool fake_log_wait_ended(struct fake_log *self, const char *answer_id);
bool fake_log_wait_exchanges(struct fake_log *self, int count);
/* Writers have been told so often that somebody is attached elsewhere. */
bool fake_log_wait_watched(struct fake_log *self, int count);
int fake_log_exchanges(struct fake_log *self);

#endif
