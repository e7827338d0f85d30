/*
 * All listeners (usecases/listener.h) of one answer in this process. An audience gives each of them the text, a title,
 * pings while nothing else comes, and the closing event. A listener that is behind gets nothing until its client has
 * taken something, and is let go when the client takes nothing for too long (patience.h). To let go means: the listener
 * is closed, and its reader's place is given back. An audience doesn't know where the text comes from: a written answer
 * and a follower each embed one. The loop's thread.
 */
#ifndef RELAY_AUDIENCE_H
#define RELAY_AUDIENCE_H

#include "relay/ground.h"
#include "usecases/listener.h"

struct attached;

/* Embedded in the answer or the follower that the listeners are attached to, which sets the first five members. */
struct audience {
    struct ground *ground;
    void (*left)(struct audience *self);   /* called each time the last listener is gone; others may come later */
    const char *user_id;                   /* whose readers' places are given back */
    const struct buf *reasoning, *content; /* the whole text so far; the owner's */

    const char *title;                /* NULL: none has come */
    const struct answer_final *final; /* NULL: it isn't over, or not to be told yet */
    struct attached *first;           /* the listeners, the newest first; NULL: nobody is attached */
    struct turn_end showing;
    struct timer timer; /* for the next ping, or the next look at one that is behind */
    int64_t shown_ms;   /* when they last got bytes */
};

/* Takes an audience whose first five members are set and whose others are zero. */
void audience_init(struct audience *audience);
/* Once the last listener has been let go. */
void audience_fini(struct audience *audience);
/* Takes the listener, opens it, and gives it the text so far; if the answer is over, the closing event too. reader: it
 * holds a reader's place, which is given back when it goes. May call `left`: a client that is gone is let go at once.
 */
void audience_attach(struct audience *audience, struct answer_listener *listener, bool reader);
/* There is more text: all listeners get it at this turn's end (LOOP_SHOW). */
void audience_show(struct audience *audience);
/* Gives a title to all who haven't got the closing event: at once, or once they are no longer behind. title: borrowed
 * as long as the audience. */
void audience_title(struct audience *audience, const char *title);
/* The answer is over: all get the text that they lack, and then the closing event. Who has taken it all is let go, so
 * `left` may be called. final: borrowed as long as the audience. */
void audience_tell(struct audience *audience, const struct answer_final *final);
/* Closes all listeners, without a closing event. */
void audience_let_all_go(struct audience *audience);

#endif
