/* The answers being written now, as the use cases see them. Any thread may call. */
#ifndef USECASES_ANSWERS_H
#define USECASES_ANSWERS_H

#include "base/trace.h"
#include "usecases/admission.h"
#include "usecases/completion.h"
#include "usecases/listener.h"
#include "usecases/provider.h"
#include "usecases/shared_breaker.h"
#include "usecases/stepped.h"

/* All that the relay has to know of an answer. `start` copies it, except the bodies, which it takes. */
struct answer_spec {
    const struct message *answer; /* the streaming row */
    const struct session *session;
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    char supersedes_id[UUID_TEXT_SIZE]; /* "" or the earlier answer */
    char *body;                         /* request body for the provider, malloc'ed */
    size_t body_len;
    struct body_cut cut; /* of the body, should the provider find it too long */
    bool moves_start;    /* the session's row is to get the start of its context, which `session` has */
    struct title_body {
        char *text; /* request body for the session's title, malloc'ed; NULL: none is wanted */
        size_t len;
    } title, plain_title;   /* the second names no effort: for a model that refuses the first */
    const char *request_id; /* for the log */
    struct trace trace;     /* passed on to the provider */
    struct quota quota;     /* the user's standing after admission */
    bool is_admin;
};

/* An answer as its row is now, for attaching to it. Copied. */
struct answer_attach {
    const struct caller *caller;
    const struct message *answer;
    const struct session *session;
    const struct quota *quota;
    const char *request_id;
};

enum answer_stop_result { STOP_REQUESTED, STOP_NOT_HERE };

struct answers;
/* Implemented by lib/relay; callers use the functions below. */
struct answers_ops {
    enum chat_error (*reserve)(struct answers *self);
    void (*unreserve)(struct answers *self);
    enum chat_error (*reserve_reader)(struct answers *self, const char *user_id);
    void (*unreserve_reader)(struct answers *self, const char *user_id);
    enum chat_error (*reserve_long)(struct answers *self, const char *user_id);
    void (*unreserve_long)(struct answers *self, const char *user_id);
    void (*start)(struct answers *self, const struct answer_spec *spec, struct answer_listener *listener);
    void (*attach)(struct answers *self, const struct answer_attach *attach, struct answer_listener *listener);
    void (*step)(struct answers *self, const char *user_id, struct stepped *reply, int64_t wait_ms);
    void (*complete)(struct answers *self, const struct completion_spec *spec, struct completion_client *client);
    enum answer_stop_result (*stop)(struct answers *self, const char *answer_id);
};
struct answers {
    const struct answers_ops *ops;
};

/* Takes a place for one more stream, before anything is counted or taken over. Errors: CHAT_ERR_OVERLOADED,
 * CHAT_ERR_SHUTTING_DOWN. */
static inline enum chat_error answers_reserve(struct answers *self)
{
    return self->ops->reserve(self);
}

/* Gives the place back. */
static inline void answers_unreserve(struct answers *self)
{
    self->ops->unreserve(self);
}

/* Takes a reader's place, before the connection is taken. A reader reads what is there already. These places are
 * separate from those above, so that no question is ever refused for a reader. Errors: CHAT_ERR_TOO_MANY_STREAMS (this
 * user has as many as a user may), CHAT_ERR_OVERLOADED, CHAT_ERR_SHUTTING_DOWN. */
static inline enum chat_error answers_reserve_reader(struct answers *self, const char *user_id)
{
    return self->ops->reserve_reader(self, user_id);
}

/* Gives a reader's place back. */
static inline void answers_unreserve_reader(struct answers *self, const char *user_id)
{
    self->ops->unreserve_reader(self, user_id);
}

/* As reserve_reader, for a reply of any length; a user has one of these at a time in a process. */
static inline enum chat_error answers_reserve_long(struct answers *self, const char *user_id)
{
    return self->ops->reserve_long(self, user_id);
}

/* Gives the place of a long reply back. */
static inline void answers_unreserve_long(struct answers *self, const char *user_id)
{
    self->ops->unreserve_long(self, user_id);
}

/* Takes the listener, and uses the reserved place. Cannot fail. */
static inline void answers_start(struct answers *self, const struct answer_spec *spec, struct answer_listener *listener)
{
    self->ops->start(self, spec, listener);
}

/* Takes the listener, and uses the caller's reserved reader's place. Cannot fail. The relay shows an answer that is
 * over from attach->answer. If this process writes the answer, the listener is attached to it. If another does, the
 * listener is attached to a follower, which follows the log and the row until the answer is over. */
static inline void answers_attach(struct answers *self, const struct answer_attach *attach,
                                  struct answer_listener *listener)
{
    self->ops->attach(self, attach, listener);
}

/* Takes the reply, and uses the caller's reserved reader's place. Its first step runs after wait_ms. Cannot fail. */
static inline void answers_step(struct answers *self, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    self->ops->step(self, user_id, reply, wait_ms);
}

/* Takes the client and the spec's body, and uses the reserved place. Cannot fail. */
static inline void answers_complete(struct answers *self, const struct completion_spec *spec,
                                    struct completion_client *client)
{
    self->ops->complete(self, spec, client);
}

/* Asks for a stop; the row shows when it is settled. Waits for a turn of the loop at most. */
static inline enum answer_stop_result answers_stop(struct answers *self, const char *answer_id)
{
    return self->ops->stop(self, answer_id);
}

#endif
