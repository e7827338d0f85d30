/* The answers port without a relay: keeps what it is given, and lets a test drive the listener by hand. */
#ifndef FAKES_FAKE_ANSWERS_H
#define FAKES_FAKE_ANSWERS_H

#include "usecases/answers.h"

struct fake_answers {
    struct answers answers; /* first: the port */
    /* set by the test */
    enum chat_error refuse; /* what reserve answers */
    enum answer_stop_result stop_result;
    void (*on_stop)(void *context); /* called within stop; NULL: nothing */
    void *context;
    /* what happened */
    int reserved; /* places taken now */
    int readers;  /* places of theirs */
    int longs;    /* of these, of long replies */
    int completed;
    int started, stopped, attached, replayed; /* the last: shown at once, and closed */
    char stopped_id[UUID_TEXT_SIZE];
    struct answer_listener *listener; /* of the last start or attach that took it; the test closes it */
    struct stepped *stepped;          /* waits for its next step, in step_in_ms */
    int64_t step_in_ms;
    struct message answer; /* of the last start or attach */
    char *body;            /* of the last start or completion; freed by fini and by the next */
    size_t body_len;
    struct buf scratch;
};

void fake_answers_init(struct fake_answers *self);
void fake_answers_fini(struct fake_answers *self);

/* Makes its next step, and closes it where that was the last. */
enum step_next fake_answers_step(struct fake_answers *self, const struct chat_ports *ports);

#endif
