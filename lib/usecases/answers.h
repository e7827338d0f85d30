/* The answers being written now, as the use cases see them. Implemented by the relay; any thread may call. */
#ifndef USECASES_ANSWERS_H
#define USECASES_ANSWERS_H

#include "base/trace.h"
#include "usecases/admission.h"
#include "usecases/completion.h"
#include "usecases/listener.h"
#include "usecases/provider.h"
#include "usecases/shared_breaker.h"
#include "usecases/stepped.h"

/* All that the relay has to know of an answer. Copied by start, except the bodies, which it takes. */
struct answer_spec {
    const struct message *answer; /* the streaming row */
    const struct session *session;
    struct admission_ticket ticket;
    struct breaker_ticket breaker;
    char supersedes_id[UUID_TEXT_SIZE]; /* "" or the earlier answer */
    char *body;                         /* request body for the provider, malloc'ed */
    size_t body_len;
    struct body_cut cut; /* of the body, should the provider find it too long */
    bool moves_start;    /* the session's row is to be told where its context starts: as in `session` */
    struct title_body {
        char *text; /* request body for the session's title, malloc'ed; NULL: none is wanted */
        size_t len;
    } title, plain_title;   /* the second says nothing of effort: for who refuses the first */
    const char *request_id; /* for the log */
    struct trace trace;     /* passed on to the provider */
    struct quota quota;     /* where the user stood after admission */
    bool is_admin;
};

/* An answer as its row stands, for attaching to it. Copied. */
struct answer_attach {
    const struct caller *caller;
    const struct message *answer;
    const struct session *session;
    const struct quota *quota;
    const char *request_id;
};

enum answer_stop_result { STOP_REQUESTED, STOP_NOT_HERE };

struct answers;
struct answers_ops {
    /* Takes a place for one more stream, before anything is counted or taken over. CHAT_ERR_OVERLOADED,
     * CHAT_ERR_SHUTTING_DOWN. */
    enum chat_error (*reserve)(struct answers *self);
    void (*unreserve)(struct answers *self);
    /* Takes a place for who reads what is there already, before the connection is. These are apart from the places
     * above, so that no question is ever refused for them. CHAT_ERR_TOO_MANY_STREAMS: this user has as many as one may;
     * CHAT_ERR_OVERLOADED, CHAT_ERR_SHUTTING_DOWN. */
    enum chat_error (*reserve_reader)(struct answers *self, const char *user_id);
    void (*unreserve_reader)(struct answers *self, const char *user_id);
    /* The same for a reply of any length, of which a user has one at a time in a process. */
    enum chat_error (*reserve_long)(struct answers *self, const char *user_id);
    void (*unreserve_long)(struct answers *self, const char *user_id);
    /* Uses the reserved place; cannot fail. Takes the listener. */
    void (*start)(struct answers *self, const struct answer_spec *spec, struct answer_listener *listener);
    /* Uses the caller's reserved reader's place; cannot fail. Takes the listener: an answer that is over is shown from
     * attach->answer. Of one that is being written it is attached to the answer itself where this process writes it,
     * else to a follower of the log and the row until the answer is over. */
    void (*attach)(struct answers *self, const struct answer_attach *attach, struct answer_listener *listener);
    /* Uses the caller's reserved reader's place; cannot fail. Takes the reply; its first step comes after wait_ms. */
    void (*step)(struct answers *self, const char *user_id, struct stepped *reply, int64_t wait_ms);
    /* Uses the reserved place; cannot fail. Takes the client and the spec's body. */
    void (*complete)(struct answers *self, const struct completion_spec *spec, struct completion_client *client);
    /* Asks for a stop; that it is settled is seen in its row. Waits for a turn of the loop at most. */
    enum answer_stop_result (*stop)(struct answers *self, const char *answer_id);
};
struct answers {
    const struct answers_ops *ops;
};

#endif
