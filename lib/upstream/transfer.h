/* One request to the provider over a connection: a try of a question, or the list of models (warm.c). The loop's
 * thread, where nothing else is said. */
#ifndef UPSTREAM_TRANSFER_H
#define UPSTREAM_TRANSFER_H

#include "base/trace.h"
#include "upstream/connections.h"
#include "upstream/pace.h"
#include "upstream/response.h"

/* What to do with the rest of the body. */
enum piece {
    PIECE_TAKEN,
    PIECE_ENOUGH, /* the connection is closed, and the transfer is over with CURLE_WRITE_ERROR */
};

enum transfer_phase {
    TRANSFER_CLOSED,
    TRANSFER_OPENING, /* a connection is waited for */
    TRANSFER_ASKING,  /* the request goes out; a provider may answer before it has read all */
    TRANSFER_OVER,    /* result is set */
};

/* Borrowed until the transfer is closed. */
struct transfer_spec {
    const char *method; /* "POST", "GET" */
    const char *target; /* upstream->completions_target or models_target */
    const char *body;   /* NULL: there is none */
    size_t body_len;
    const struct trace *trace;
    const char *id_name, *id; /* what the log calls it */
    void *owner;
    /* Whether there is room for what one reading brings; asked before each. Where not, nothing is read until
     * transfer_resume. NULL: there always is. */
    bool (*room)(void *owner);
    /* A piece of the body. */
    enum piece (*on_body)(void *owner, const char *bytes, size_t len);
    /* All that one reading brought has been handed on. NULL: not wanted. */
    void (*read_done)(void *owner);
    /* It is over; result is set. Never called within the other callbacks, nor before transfer_ask has returned. */
    void (*on_over)(void *owner);
};

/* Embedded in its owner. All zero is one that is closed. */
struct transfer {
    struct connection_user user;
    struct paced paced; /* how its connection is read (pace.h) */
    struct upstream *upstream;
    struct transfer_spec spec;
    enum transfer_phase phase;
    bool reading;          /* a callback of ours is running: it isn't to be closed now */
    bool held;             /* there was no room */
    bool began;            /* bytes of a response have come */
    bool fresh;            /* a new connection has been opened for it, so no other try is free */
    CURLcode result;       /* once it is over: CURLE_OK, the response is whole */
    char *head;            /* of the request; NULL once it is sent */
    size_t head_len, sent; /* of head and body together */
    struct response response;
    struct turn_end ending;  /* it is over: on_over is called */
    struct decoder *decoder; /* of a stream; owned */
    struct buf refusal;      /* first bytes of a body that is no answer: an error's JSON, a page */
    bool is_answer;          /* a 200, of a type that was asked for */
    bool checked;            /* status and type have been looked at */
};

/* What it means that a transfer is over without an answer. */
struct failure {
    enum chat_error error;
    int status; /* 0: none came */
    enum breaker_outcome outcome;
    bool retryable;
    bool account;                         /* the provider takes nothing from this service: an operator must act */
    int64_t retry_after_s;                /* -1: none told */
    const struct provider_reason *reason; /* upstream->reason: until the next failure */
    const char *problem;                  /* static; NULL */
};

/* Starts the request. false: out of resources; on_over isn't called, and the transfer is closed. */
bool transfer_ask(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec) MUST_CHECK;
/* Whether the request is sent, and some of the response has come: the body isn't needed any more. */
bool transfer_is_sent(const struct transfer *transfer);
/* There is room again: reads on. What is there already may come before this returns. Not within on_body. */
void transfer_resume(struct transfer *transfer);
/* Called at the first byte of the body. Sets is_answer: whether it is what was asked for. Makes a stream's decoder. */
void transfer_check(struct transfer *transfer, bool streamed);
/* Keeps the first bytes of a body that is no answer. Returns what on_body is to return. */
enum piece transfer_keep_refusal(struct transfer *transfer, const char *bytes, size_t len);
/* Called when the list of models is over: notes what its status says of our account. Returns whether that is refused.
 */
bool transfer_looked_at(const struct transfer *transfer);
/* Takes a transfer that is over without an answer. Returns what that means; logs and counts it. */
struct failure transfer_failure(const struct transfer *transfer);
/* Frees what the transfer holds; if it isn't over, its connection is closed. One that is closed is fine. Not while it
 * is `reading`. */
void transfer_close(struct transfer *transfer);

#endif
