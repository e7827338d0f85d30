/*
 * The exchanges with the log (usecases/answer_log.h): what this process wrote since the last one, what it wants to know
 * of answers that others write, and what others tell it. One job at a time, so at most one round trip is under way
 * however many answers live; the client's own bytes never wait for it. Loop thread.
 */
#ifndef RELAY_EXCHANGES_H
#define RELAY_EXCHANGES_H

#include "relay/ground.h"
#include "relay/registry.h"
#include "usecases/answer_log.h"

/* Embedded in an answer that is written here. The caller sets the first members, up to `content`. */
struct logged {
    struct registered registered;
    void (*stopped)(struct logged *self); /* a stop was asked in another process */
    void (*watched)(struct logged *self); /* somebody is attached in another process, until watched_until_ms */
    const struct buf *reasoning, *content;

    struct exchanges *all;
    bool over;                 /* since ended_ms */
    const struct log_end *end; /* how it ended; NULL: it goes on, or its row is written */
    int64_t ended_ms;
    bool end_known;                        /* the log knows how it ended */
    bool known;                            /* the log knows this answer */
    bool lost;                             /* write all of it again */
    bool due;                              /* in line for the next exchange */
    size_t reasoning_known, content_known; /* how much of the text the log has */
    int64_t known_ms;                      /* since when it knows that much */
    int64_t watched_until_ms;
    struct logged *next_due;
    struct timer timer; /* when it is due again */
};

/* Embedded in an answer that is followed from here. The caller sets the first members, up to `content`. */
struct followed {
    struct registered registered;
    void (*text)(struct followed *self, const struct log_read *read); /* there may be more */
    void (*unwritten)(struct followed *self); /* no process is known to write it: its row is to be looked at */
    const struct buf *reasoning, *content;

    bool over;                   /* nothing is wanted to be known any more */
    char writer[UUID_TEXT_SIZE]; /* process that writes it; "": not known */
    int64_t told_ms;             /* when that one was told that somebody is attached */
};

struct exchanges {
    struct ground *ground;
    struct job_pool *jobs;
    struct registry registry;
    char process_id[UUID_TEXT_SIZE]; /* names this process to others */
    struct exchange *under_way;      /* NULL: none */
    struct timer timer;              /* until the next; neither it, nor due, nor under_way: nothing lives */
    bool due;                        /* the next is due at this turn's end */
    struct turn_end looking;
    struct logged *first_due, *last_due; /* oldest first */
    size_t due_count;
    bool away;                  /* the last exchange failed */
    int followers;              /* registered */
    int64_t watched_until_ms;   /* an answer of ours is followed elsewhere */
    struct ended_answer *ended; /* their rows are written, so their log may go: for the next exchange */
};

/* Takes exchanges that are all zero, and the pool of threads whose jobs they are. */
void exchanges_open(struct exchanges *exchanges, struct ground *ground, struct job_pool *jobs);
/* After the loop and the jobs have ended. */
void exchanges_close(struct exchanges *exchanges);

/* An answer has begun; it can be found by its id. */
void exchanges_add(struct exchanges *exchanges, struct logged *logged);
/* It has more text. */
void exchanges_news(struct exchanges *exchanges, struct logged *logged);
/* It is over, but its row isn't written: where that takes long, the log is told how it ended. end: borrowed until its
 * row is written; then the caller sets logged->end to NULL. */
void exchanges_ended(struct exchanges *exchanges, struct logged *logged, const struct log_end *end, int64_t ended_ms);
/* Before it goes. Its log may go too. */
void exchanges_remove(struct exchanges *exchanges, struct logged *logged);
/* The log may have lost everything. */
void exchanges_write_all_anew(struct exchanges *exchanges);

void exchanges_follow(struct exchanges *exchanges, struct followed *followed);
void exchanges_unfollow(struct exchanges *exchanges, struct followed *followed);

#endif
