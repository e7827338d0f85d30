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
struct completion_client_ops {
    int (*fd)(const struct completion_client *self); /* watched for a peer that left, and for room while BLOCKED */
    /* Takes frames of the stream; the first call opens the response. */
    enum listener_state (*frames)(struct completion_client *self, const char *bytes, size_t len);
    /* The next frames are the last: they go out together with the end. */
    void (*cork)(struct completion_client *self);
    /* Sends a comment, to bridge silence. Only after the first frames. */
    enum listener_state (*comment)(struct completion_client *self);
    /* Takes the whole answer of a completion that is not streamed; `end` follows. */
    enum listener_state (*whole)(struct completion_client *self, const char *json, size_t len);
    /* Called once, last. If nothing was sent yet, an error (the problem's; CHAT_OK: none) becomes a status; otherwise a
     * frame. quota: the user's standing now; NULL: not known, so as at the beginning. */
    enum listener_state (*end)(struct completion_client *self, const struct problem *problem, const struct quota *quota,
                               struct buf *scratch);
    enum listener_state (*writable)(struct completion_client *self);
    size_t (*pending)(const struct completion_client *self); /* bytes that wait for room */
    /* Returns whether the client has taken any byte since the last call. */
    bool (*took)(struct completion_client *self);
    /* Called before close, for a client that takes nothing: if it reads again after all, the answer must not look
     * whole. */
    void (*let_go)(struct completion_client *self, struct buf *scratch);
    void (*close)(struct completion_client *self); /* frees it */
};
struct completion_client {
    const struct completion_client_ops *ops;
};

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
