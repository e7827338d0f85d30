/*
 * Somebody who is attached to an answer: an event stream, or one waiting for the whole of it as JSON.
 * The relay loop calls these, always from its own thread, never after close. A listener keeps its own place
 * in the text, so the relay hands it the whole text so far and the listener sends what it hasn't yet.
 */
#ifndef USECASES_LISTENER_H
#define USECASES_LISTENER_H

#include <stddef.h>

#include "base/buf.h"
#include "domain/message.h"
#include "domain/quota.h"
#include "domain/session.h"

struct answer_text {
    const char *reasoning;
    size_t reasoning_len;
    const char *content;
    size_t content_len;
};

/* How it ended. */
struct answer_final {
    enum chat_error error;         /* CHAT_OK: `done` (complete, stopped); else `error` with this code */
    int64_t retry_after_s;         /* 0: none */
    bool account_refused;          /* the provider takes our key no longer */
    bool tried_out;                /* our own tries at the provider are used up */
    const char *says;              /* in place of the code's own sentence; NULL */
    const struct message *message; /* the final row, text included */
    const struct session *session;
    const struct quota *quota; /* where the user stands now */
};

enum listener_state {
    LISTENER_READY,   /* all that was given is on its way */
    LISTENER_BLOCKED, /* the client has enough for now: call writable when the descriptor is, then text again */
    LISTENER_GONE,    /* the client left: close it */
};

struct answer_listener;
struct answer_listener_ops {
    int (*fd)(const struct answer_listener *self); /* watched for a peer that left, and for room while BLOCKED */
    /* Once, before anything else: what opens the stream. `scratch` is the loop's, for composing. */
    enum listener_state (*open)(struct answer_listener *self, struct buf *scratch);
    /* The client may be any distance behind: only so much is sent at a time, and BLOCKED is the state where more of
     * this text is to come. Not while BLOCKED, as title and ping. */
    enum listener_state (*text)(struct answer_listener *self, const struct answer_text *text, struct buf *scratch);
    enum listener_state (*title)(struct answer_listener *self, const char *title, struct buf *scratch);
    enum listener_state (*ping)(struct answer_listener *self, struct buf *scratch);
    /* Once, after all text, and never while BLOCKED. */
    enum listener_state (*end)(struct answer_listener *self, const struct answer_final *final, struct buf *scratch);
    enum listener_state (*writable)(struct answer_listener *self);
    /* Whether the client has taken any byte since this was asked last. */
    bool (*took)(struct answer_listener *self);
    void (*close)(struct answer_listener *self); /* frees it */
};
struct answer_listener {
    const struct answer_listener_ops *ops;
};

#endif
