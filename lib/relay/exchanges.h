/*
 * The exchanges with the log of running answers in Redis (usecases/answer_log.h). One exchange carries what this
 * process wrote since the last one, asks for the text of answers that others write, and brings notes of others: stop
 * this answer, somebody watches that one. A job makes it (`jobs`), one at a time, every 20 to 50 ms while anything
 * lives. So at most one is under way, however many answers there are, and a client's bytes never wait for it. One
 * carries at most 64 texts, 64 ended answers and 64 reads; if there is more, the next follows at once.
 *
 * Everything here is for the loop's thread, and so are the callbacks. The structs are embedded in answers and
 * followers, which own them.
 */
#ifndef RELAY_EXCHANGES_H
#define RELAY_EXCHANGES_H

#include "relay/ground.h"
#include "relay/registry.h"
#include "usecases/answer_log.h"

/* Embedded in an answer that is written here: what the log has of it. The caller sets the first members, up to
 * `content`; the rest is exchanges.c's, but for `end` (see exchanges_ended). */
struct logged {
    struct registered registered;
    void (*stopped)(struct logged *self);  /* another process asks to stop it; called at any time while registered */
    void (*watched)(struct logged *self);  /* somebody is attached in another process; watched_until_ms was moved */
    const struct buf *reasoning, *content; /* the whole text so far; the answer's */

    struct exchanges *all;
    bool over;                 /* it has ended, at ended_ms */
    const struct log_end *end; /* how it ended; NULL: it goes on, or its row is written */
    int64_t ended_ms;
    bool end_known;                        /* the log knows how it ended */
    bool known;                            /* the log knows this answer */
    bool lost;                             /* the log lacks some of it: all is to be written again */
    bool due;                              /* in line for the next exchange */
    size_t reasoning_known, content_known; /* bytes of the text that the log has */
    int64_t known_ms;                      /* when they were last written */
    int64_t watched_until_ms;              /* somebody elsewhere is attached until then; 0: nobody was */
    struct logged *next_due, *previous_due;
    struct timer timer; /* when it is due again */
};

/* Embedded in an answer that is followed from here. The caller sets the first members, up to `content`. */
struct followed {
    struct registered registered;
    /* Called after each exchange that asked for it, with the text from where reasoning and content end; maybe none. */
    void (*text)(struct followed *self, const struct log_read *read);
    void (*unwritten)(struct followed *self); /* no process is known to write it: its row is to be looked at */
    const struct buf *reasoning, *content;    /* the text so far; the follower's */

    bool over;                   /* set by the follower: nothing is to be asked any more */
    char writer[UUID_TEXT_SIZE]; /* process that writes it; "": not known */
    int64_t told_ms;             /* when that one was told that somebody is attached */
    struct followed *next, *previous;
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
    bool away;                                       /* the last exchange failed */
    bool more_notes;                                 /* the last exchange brought as many as one may */
    struct followed *first_followed, *last_followed; /* whoever was asked for longest ago first */
    int followers;                                   /* how many they are */
    int unasked;                                   /* of them, those that this round of exchanges is still to ask for */
    int64_t watched_until_ms;                      /* some answer of ours is followed elsewhere until then */
    struct ended_answer *first_ended, *last_ended; /* answers of ours that went: their log may go; oldest first */
    size_t ended_count;
};

/* Takes exchanges that are all zero, and the pool of threads that make them; both pointers are borrowed. */
void exchanges_open(struct exchanges *exchanges, struct ground *ground, struct job_pool *jobs);
/* After the loop and the jobs have ended. */
void exchanges_close(struct exchanges *exchanges);

/* An answer has begun: it is registered, and the log will hear of it. Borrowed until exchanges_remove. */
void exchanges_add(struct exchanges *exchanges, struct logged *logged);
/* An answer has more text, which is due for the log: at once if it is followed elsewhere, else in half a second. */
void exchanges_news(struct exchanges *exchanges, struct logged *logged);
/* An answer has ended, but its row isn't written. If that takes longer than 200 ms, the log is told how it ended. end:
 * borrowed until its row is written; then the caller sets logged->end to NULL. */
void exchanges_ended(struct exchanges *exchanges, struct logged *logged, const struct log_end *end, int64_t ended_ms);
/* An answer goes: it is registered no more, and its log may go too. */
void exchanges_remove(struct exchanges *exchanges, struct logged *logged);
/* The log may have lost everything: all answers that it knew are written to it again, whole. */
void exchanges_write_all_anew(struct exchanges *exchanges);

/* A follower begins: it is registered, and each exchange asks for its text. Borrowed until exchanges_unfollow. */
void exchanges_follow(struct exchanges *exchanges, struct followed *followed);
/* A follower goes: it is registered no more. */
void exchanges_unfollow(struct exchanges *exchanges, struct followed *followed);

#endif
