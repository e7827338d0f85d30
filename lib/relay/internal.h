/* Inside the relay: what its files share. Nothing here is for other folders. The loop's thread alone, where nothing
 * else is said. */
#ifndef RELAY_INTERNAL_H
#define RELAY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "domain/answer.h"
#include "loop/jobs.h"
#include "loop/loop.h"
#include "relay/completion.h"
#include "relay/ground.h"
#include "relay/patience.h"
#include "relay/relay.h"
#include "relay/steps.h"
#include "upstream/question.h"
#include "upstream/upstream.h"
#include "usecases/finish_answer.h"

enum { LIVE_BUCKETS = 4096, ANSWER_MAX_BYTES = 2 << 20 };

struct live;

struct attached {
    struct watch watch; /* first: a dead attached is freed as its watch */
    struct live *live;
    struct answer_listener *listener;
    struct attached *next;
    bool reader; /* has a reader's place */
    bool blocked;
    bool ended;               /* has got its closing event */
    bool title_due;           /* the title came while it was blocked */
    struct patience patience; /* while blocked */
};

enum live_phase {
    LIVE_WRITTEN, /* it is being written */
    LIVE_SAVING,  /* ended: a job writes the row; listeners wait for it */
    LIVE_TOLD,    /* listeners have their closing event (they may still be reading it) */
};

struct live {
    struct job job; /* first: the finish job; a mirror's looks at the row */
    struct post post;
    struct answer_listener *came; /* with the post, until it is attached */
    struct relay *relay;
    struct live *hash_next, *previous, *next;
    struct turn_end showing, burial;
    bool gone;
    bool job_running, saved; /* the loop's, apart from what a job writes meanwhile */
    bool mirror;             /* another process writes it; the text comes from the log, the end from the row */
    bool replay;             /* a mirror of what was over when its reader came: told from the first */
    enum live_phase phase;

    struct message message;
    struct session session;
    struct arena strings; /* what message, session and the ids below point to */
    const char *request_id;
    struct trace trace;
    struct admission_ticket ticket;
    struct question *question; /* NULL: a mirror's */
    struct caller caller;
    struct quota quota, saved_quota; /* the second as the job found it */
    bool has_saved_quota;
    const char *supersedes_id; /* NULL: none */
    bool moves_start;          /* as in struct answer_spec */
    bool counted_detached;     /* in the metrics */

    struct buf content, reasoning;
    int64_t started_ms, first_text_ms;

    enum chat_error error; /* why it failed */
    int64_t retry_after_s;
    bool account_refused;
    bool tried_out;   /* we have asked more than once ourselves */
    const char *says; /* in place of the code's own sentence; NULL. Static */
    struct finish_answer finish;
    enum chat_error finish_error; /* of the last try of the job */
    struct message loaded;        /* mirror: the row as the job found it; strings in saved_strings */
    bool has_loaded;
    size_t logged_reasoning, logged_content; /* how much of the text the log has */
    bool logged;                             /* the log knows this answer */
    int64_t logged_ms;                       /* since when it knows that much */
    bool log_lost;                           /* write all of it again */
    struct timer log_timer;                  /* when it is due for the log again */
    struct live *log_next;                   /* among those that are due */
    bool log_due;
    bool end_logged;              /* the log knows how it ended, until the row is written */
    enum answer_event event;      /* how it ended, from LIVE_SAVING on */
    char writer[UUID_TEXT_SIZE];  /* mirror: process that writes it */
    int64_t told_watched_ms;      /* mirror: when that one was told */
    int64_t watched_until_ms;     /* somebody is attached in another process */
    struct session saved_session; /* as the job found it; strings in saved_strings */
    struct arena saved_strings;
    bool has_saved_session;
    int64_t ended_ms, finish_retry_ms;
    int finish_tries;

    struct attached *listeners;
    int64_t detach_at_ms; /* 0: somebody is attached */
    int64_t shown_ms;     /* when listeners last got bytes */
    const char *title;    /* written meanwhile; NULL: none */
    struct timer timer;
};

struct relay {
    struct answers answers; /* first: the port */
    struct relay_settings settings;
    struct ground ground;
    struct completions completions;
    struct steps steps;
    bool shut; /* readers who come now are let go at once */

    struct live *lives;
    struct live *replays; /* apart from those that are found by their id, or have to do with the log */
    struct live *buckets[LIVE_BUCKETS];

    char process_id[UUID_TEXT_SIZE]; /* names this process to others */
    struct beat *beat;               /* the one exchange with the log that may be under way */
    struct timer beat_timer;         /* until the next; neither it nor beat_due nor beat: nothing lives */
    bool beat_due;                   /* the next is due at this turn's end */
    struct turn_end beat_look;
    struct live *log_first, *log_last; /* answers of ours that are due for the log, oldest first */
    size_t log_count;
    bool log_away;              /* the last exchange failed */
    int mirrors;                /* among lives */
    int64_t watched_until_ms;   /* an answer of ours is followed elsewhere */
    struct ended_id *ended_ids; /* for the next exchange */
};

/* An answer of ours whose row is written: its log may go. */
struct ended_id {
    struct ended_id *next;
    char answer_id[UUID_TEXT_SIZE];
};

/* live.c */
/* Takes an answer that is all zero, and what its job does. */
void live_init(struct live *live, struct relay *relay, void (*run)(struct job *, const void *),
               void (*done)(struct job *));
struct live *live_new(struct relay *relay, const struct answer_spec *spec); /* any thread */
void live_start(struct live *live);
void live_attach(struct live *live, struct answer_listener *listener, bool reader);
void live_end(struct live *live, enum answer_event event, enum chat_error error);
void live_arm(struct live *live);
void live_mark_dirty(struct live *live); /* its listeners get what is new at this turn's end */
void live_free(struct live *live);
void live_link(struct live *live);
void live_tell(struct live *live); /* the closing event to all; then it goes when they have it */
void live_watched(struct live *live);
void live_title(struct live *live, const char *title);
struct session live_copy_session(const struct session *session, struct arena *strings);
void live_let_all_go(struct live *live);
void live_bury_if_over(struct live *live);
struct live *live_find(struct relay *relay, const char *answer_id);

/* mirror.c: answers that another process writes, or that are over */
struct live *mirror_new(struct relay *relay, const struct answer_attach *attach);
void mirror_text(struct live *live, const char *reasoning, size_t reasoning_len, const char *content,
                 size_t content_len);
/* Looks at the row, by a job. */
void mirror_load(struct live *live);

/* beat.c: the exchange with the log */
void beat_init(struct relay *relay);
void beat_look(struct relay *relay);   /* something lives, or has ended: there is an exchange to come */
void beat_free(struct beat *beat);     /* NULL is fine */
void beat_news(struct live *live);     /* it has begun, or has more text */
void beat_followed(struct live *live); /* from now on its text is awaited elsewhere */
void beat_ended(struct live *live);    /* it is over, but its row isn't written */
void beat_forget(struct live *live);   /* before it goes */
void beat_note_ended(struct live *live);
void beat_write_all_anew(struct relay *relay);

/* title.c */
void title_start(struct relay *relay, const struct answer_spec *spec); /* takes the spec's titles; any thread */

#endif
