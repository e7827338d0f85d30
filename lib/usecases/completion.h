/*
 * A completion that is passed through: the provider's bytes to the one client that asked, nothing stored. Closing the
 * client's connection ends it at once. The relay calls the client from its loop thread, never after close.
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
    /* Frames of the stream; the first call opens the response. */
    enum listener_state (*frames)(struct completion_client *self, const char *bytes, size_t len);
    /* The next frames are the last: they go out together with the end. */
    void (*cork)(struct completion_client *self);
    /* Silence: a comment. Only after the first frames. */
    enum listener_state (*comment)(struct completion_client *self);
    /* The whole answer of one that is not streamed; then end follows. */
    enum listener_state (*whole)(struct completion_client *self, const char *json, size_t len);
    /* Once, last. An error (the problem's, CHAT_OK: none) is a status as long as nothing was sent, a frame afterwards.
     * quota: where the user stands now; NULL: not known, so as when it began. */
    enum listener_state (*end)(struct completion_client *self, const struct problem *problem, const struct quota *quota,
                               struct buf *scratch);
    enum listener_state (*writable)(struct completion_client *self);
    size_t (*pending)(const struct completion_client *self); /* bytes that wait for room */
    /* Whether the client has taken any byte since this was asked last. */
    bool (*took)(struct completion_client *self);
    /* Before close, of a client that takes nothing: where it reads again after all, what it got must not look whole. */
    void (*let_go)(struct completion_client *self, struct buf *scratch);
    void (*close)(struct completion_client *self); /* frees it */
};
struct completion_client {
    const struct completion_client_ops *ops;
};

/* What the relay has to know. Copied, except the body, which it takes. */
struct completion_spec {
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    const char *model;
    char *body; /* for the provider, malloc'ed */
    size_t body_len;
    bool stream;
    bool usage; /* of a stream: the client wants to be told, with the last chunk */
    const char *request_id;
    struct trace trace;
};

#endif
