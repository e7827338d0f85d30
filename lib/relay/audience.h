/*
 * Who is attached to an answer: each listener is given the text, a title, pings while nothing else comes, and the
 * closing event. One that is behind gets nothing until it has taken something, and is let go when it takes nothing for
 * too long. It knows nothing of where the text comes from. Loop thread.
 */
#ifndef RELAY_AUDIENCE_H
#define RELAY_AUDIENCE_H

#include "relay/ground.h"
#include "usecases/listener.h"

struct attached;

/* Embedded in what they are attached to. */
struct audience {
    struct ground *ground;
    void (*left)(struct audience *self); /* the last one is gone */
    const char *user_id;                 /* whose readers' places are given back */
    const struct buf *reasoning, *content;
    const char *title;                /* NULL: none has come */
    const struct answer_final *final; /* NULL: it isn't over, or not to be told yet */
    struct attached *first;
    struct turn_end showing;
    struct timer timer; /* for the next ping, or the next look at one that is behind */
    int64_t shown_ms;   /* when they last got bytes */
};

/* Sets what is not set by the caller: that is the first five members, but for the title. */
void audience_init(struct audience *audience);
/* After the last has been let go. */
void audience_fini(struct audience *audience);
/* Takes the listener; reader: it has a reader's place. It is shown what there is. */
void audience_attach(struct audience *audience, struct answer_listener *listener, bool reader);
/* There is more text: it is shown at this turn's end. */
void audience_show(struct audience *audience);
/* title: borrowed as long as the audience. */
void audience_title(struct audience *audience, const char *title);
/* final: borrowed as long as the audience. All are given what they lack, and it; who has all of it is let go. */
void audience_tell(struct audience *audience, const struct answer_final *final);
void audience_let_all_go(struct audience *audience);

#endif
