/*
 * A listener is a client attached to an answer: an event stream, or a call that waits for the whole answer as JSON.
 * The relay loop calls it, always from its own thread, never after close. A listener keeps its own place in the text:
 * the relay hands it the whole text so far, and the listener sends what it hasn't yet sent.
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
    enum chat_error error;         /* CHAT_OK: `done` (complete, stopped); otherwise `error` with this code */
    int64_t retry_after_s;         /* 0: none */
    bool account_refused;          /* the provider no longer takes our key */
    bool tried_out;                /* our own tries at the provider are used up */
    const char *says;              /* in place of the code's own sentence; NULL */
    const struct message *message; /* the final row, text included */
    const struct session *session;
    const struct quota *quota; /* the user's standing now */
};

enum listener_state {
    LISTENER_READY,   /* all that was given is on its way */
    LISTENER_BLOCKED, /* the client has enough for now: once the descriptor is writable, call writable, then text */
    LISTENER_GONE,    /* the client left: close it */
};

struct answer_listener;
/* Implemented by lib/http; callers use the functions below. */
struct answer_listener_ops {
    int (*fd)(const struct answer_listener *self);
    enum listener_state (*open)(struct answer_listener *self, struct buf *scratch);
    enum listener_state (*text)(struct answer_listener *self, const struct answer_text *text, struct buf *scratch);
    enum listener_state (*title)(struct answer_listener *self, const char *title, struct buf *scratch);
    enum listener_state (*ping)(struct answer_listener *self, struct buf *scratch);
    enum listener_state (*end)(struct answer_listener *self, const struct answer_final *final, struct buf *scratch);
    enum listener_state (*writable)(struct answer_listener *self);
    bool (*took)(struct answer_listener *self);
    void (*close)(struct answer_listener *self);
};
struct answer_listener {
    const struct answer_listener_ops *ops;
};

/* Returns the descriptor. It is watched for a peer that left, and for room while BLOCKED. */
static inline int listener_fd(const struct answer_listener *self)
{
    return self->ops->fd(self);
}

/* Opens the stream; called once, before anything else. `scratch` is the loop's, for composing. */
static inline enum listener_state listener_open(struct answer_listener *self, struct buf *scratch)
{
    return self->ops->open(self, scratch);
}

/* Takes the whole text so far. A client may be any distance behind: only a part is sent at a time, and BLOCKED means
 * that more of this text is to come. Never called while BLOCKED; nor are title and ping. */
static inline enum listener_state listener_text(struct answer_listener *self, const struct answer_text *text,
                                                struct buf *scratch)
{
    return self->ops->text(self, text, scratch);
}

/* Takes the session's new title. */
static inline enum listener_state listener_title(struct answer_listener *self, const char *title, struct buf *scratch)
{
    return self->ops->title(self, title, scratch);
}

/* Bridges silence. */
static inline enum listener_state listener_ping(struct answer_listener *self, struct buf *scratch)
{
    return self->ops->ping(self, scratch);
}

/* Called once, after all text, and never while BLOCKED. */
static inline enum listener_state listener_end(struct answer_listener *self, const struct answer_final *final,
                                               struct buf *scratch)
{
    return self->ops->end(self, final, scratch);
}

/* Called once the descriptor is writable: sends what waits. */
static inline enum listener_state listener_writable(struct answer_listener *self)
{
    return self->ops->writable(self);
}

/* Returns whether the client has taken any byte since the last call. */
static inline bool listener_took(struct answer_listener *self)
{
    return self->ops->took(self);
}

/* Frees it. */
static inline void listener_close(struct answer_listener *self)
{
    self->ops->close(self);
}

#endif
