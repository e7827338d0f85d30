/*
 * A completion passes the provider's bytes through to the one client that asked; nothing is stored. It ends as soon as
 * the client closes its connection. The relay calls the client from its loop thread, never after close.
 */
#ifndef USECASES_COMPLETION_H
#define USECASES_COMPLETION_H

#include <stdbool.h>

#include "base/trace.h"
#include "domain/problem.h"
#include "usecases/admission.h"
#include "usecases/listener.h"
#include "usecases/shared_breaker.h"

struct completion_client;
/* Implemented by lib/http. Callers use the functions below. */
struct completion_client_ops {
    int (*fd)(const struct completion_client *self);
    enum listener_state (*frames)(struct completion_client *self, const char *bytes, size_t len);
    void (*cork)(struct completion_client *self);
    enum listener_state (*comment)(struct completion_client *self);
    enum listener_state (*whole)(struct completion_client *self, const char *json, size_t len);
    enum listener_state (*end)(struct completion_client *self, const struct problem *problem, const struct quota *quota,
                               struct buf *scratch);
    enum listener_state (*writable)(struct completion_client *self);
    size_t (*pending)(const struct completion_client *self);
    bool (*took)(struct completion_client *self);
    void (*let_go)(struct completion_client *self, struct buf *scratch);
    void (*close)(struct completion_client *self);
};
struct completion_client {
    const struct completion_client_ops *ops;
};

/* Returns the descriptor that is watched for a peer that left, and for room while BLOCKED. */
static inline int completion_client_fd(const struct completion_client *self)
{
    return self->ops->fd(self);
}

/* Takes frames of the stream; the first call opens the response. */
static inline enum listener_state completion_client_frames(struct completion_client *self, const char *bytes,
                                                           size_t len)
{
    return self->ops->frames(self, bytes, len);
}

/* The next frames are the last: they go out together with the end. */
static inline void completion_client_cork(struct completion_client *self)
{
    self->ops->cork(self);
}

/* Sends a comment, to bridge silence. Only after the first frames. */
static inline enum listener_state completion_client_comment(struct completion_client *self)
{
    return self->ops->comment(self);
}

/* Takes the whole answer of a completion that is not streamed; completion_client_end follows. */
static inline enum listener_state completion_client_whole(struct completion_client *self, const char *json, size_t len)
{
    return self->ops->whole(self, json, len);
}

/* Called once, last. If nothing was sent yet, an error (the problem's; CHAT_OK: none) becomes a status; otherwise a
 * frame. quota: the user's standing now; NULL: not known, so as at the beginning. */
static inline enum listener_state completion_client_end(struct completion_client *self, const struct problem *problem,
                                                        const struct quota *quota, struct buf *scratch)
{
    return self->ops->end(self, problem, quota, scratch);
}

/* Sends what waits, when there is room. */
static inline enum listener_state completion_client_writable(struct completion_client *self)
{
    return self->ops->writable(self);
}

/* Returns the bytes that wait for room. */
static inline size_t completion_client_pending(const struct completion_client *self)
{
    return self->ops->pending(self);
}

/* Returns whether the client has taken any byte since the last call. */
static inline bool completion_client_took(struct completion_client *self)
{
    return self->ops->took(self);
}

/* Called before close, for a client that takes nothing: if it reads again after all, the answer must not look whole. */
static inline void completion_client_let_go(struct completion_client *self, struct buf *scratch)
{
    self->ops->let_go(self, scratch);
}

/* Frees the client. */
static inline void completion_client_close(struct completion_client *self)
{
    self->ops->close(self);
}

/* All that the relay has to know of a completion. `complete` copies it, except the body, which it takes. */
struct completion_spec {
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    const char *model;
    char *body; /* for the provider, malloc'ed */
    size_t body_len;
    bool stream;
    bool usage; /* of a stream: the client wants the usage, with the last chunk */
    const char *request_id;
    struct trace trace;
};

#endif
