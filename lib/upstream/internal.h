/* Inside lib/upstream: what its files share. The loop's thread alone, where nothing else is said. */
#ifndef UPSTREAM_INTERNAL_H
#define UPSTREAM_INTERNAL_H

#include <curl/curl.h>

#include "metrics/metrics.h"
#include "upstream/question.h"
#include "upstream/upstream.h"

struct pool;
struct pools;
struct change_job;

struct upstream {
    struct upstream_settings settings;
    struct pools *pools;
    struct warm *warm; /* NULL: none is kept */
    struct curl_slist *headers;
    struct provider_reason reason; /* of the newest refusal */
    struct question *reading;      /* it was handed pieces and not told yet that the reading is over; NULL */
    bool calling;                  /* libcurl is, so nothing may be removed from it */
};

/* ---- transfer.c: one request ---- */

struct transfer {
    CURL *easy; /* NULL: none under way */
    struct pool *pool;
    int openings; /* sockets of its own that aren't connected yet */
    void *owner;
    void (*on_over)(void *owner);
    const char *id_name, *id;
    char traceparent[16 + TRACEPARENT_SIZE];
    struct curl_slist headers; /* one line of its own, then those of all */
    struct decoder *decoder;
    struct buf refusal; /* first bytes of an answer that is none */
    char retry_after[64];
    bool encoded;   /* by a Content-Encoding, which was not asked for */
    bool is_answer; /* a 200, of a type that was asked for */
    bool checked;   /* status and type have been looked at */
    bool over;      /* libcurl is done with it: result is set */
    CURLcode result;
};

/* Borrowed until the transfer is closed. */
struct transfer_spec {
    const char *body; /* NULL: there is nothing to send */
    size_t body_len;
    const struct trace *trace;
    const char *id_name, *id; /* what the log calls it */
    void *owner;
    size_t (*on_body)(char *bytes, size_t size, size_t count, void *owner); /* as CURLOPT_WRITEFUNCTION */
    void (*on_over)(void *owner); /* libcurl is done with it; not within a callback of libcurl */
};

/* What a transfer that is over without an answer means. */
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

/* What every request has in common; headers and callbacks are the caller's. The body is borrowed. Any thread. */
bool transfer_set_options(const struct upstream *upstream, CURL *easy, const char *body, size_t body_len);
/* Starts the request. false: out of resources. */
bool transfer_ask(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec);
/* GET …/models, with the options of any request; nothing of it is logged. false: out of resources. */
bool transfer_get_models(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec,
                         int timeout_ms);
/* At the first byte of the body: whether it is what was asked for; a stream gets its decoder. */
void transfer_check(struct upstream *upstream, struct transfer *transfer, bool streamed);
/* Body of what is no answer; returns what on_body is to return. */
size_t transfer_keep_refusal(struct transfer *transfer, const char *bytes, size_t len);
/* Of the list of models: takes what its status says of our account. Gives whether that is refused. */
bool transfer_looked_at(const struct upstream *upstream, const struct transfer *transfer);
/* Of one that is over without an answer. Logs it, and counts it. */
struct failure transfer_failure(struct upstream *upstream, const struct transfer *transfer);
/* Closes the connection where the answer isn't over; fine where there is none. Not while libcurl calls. */
void transfer_close(struct upstream *upstream, struct transfer *transfer);

/* ---- question.c and retry.c ---- */

enum question_phase {
    QUESTION_PAUSING,   /* before a try: until resume_at_ms */
    QUESTION_ASKING,    /* request sent, nothing of the body yet */
    QUESTION_RECEIVING, /* body bytes have come */
    QUESTION_OVER,
};

struct question {
    struct upstream *upstream;
    const struct question_ops *ops;
    void *owner;
    struct delta_sink sink;
    struct question_facts facts;
    struct transfer transfer;
    struct timer timer;
    struct turn_end settling; /* what had to wait for libcurl's callback to end */
    enum question_phase phase;
    bool streamed;
    bool shown;  /* question_fine was called in this try */
    bool paused; /* libcurl keeps a piece until question_resume */
    bool done;   /* the end marker has come: what follows is dropped, so that the connection can be used again */
    enum chat_error error; /* once facts.ending */
    const char *problem;   /* of it */
    const char *broken;    /* by the owner; NULL */
    char *body;            /* NULL: the transfer that sent it is closed, and no other follows */
    struct body_cut cut;
    struct buf whole; /* not streamed: the answer's body */
    const struct trace *trace;
    const char *id_name, *id;
    int64_t started_ms, asked_ms, resume_at_ms, last_data_ms, paused_ms;
    struct change_job *change; /* on the way to the fallback; NULL */
};

/* Ends it, and says so. */
void question_end(struct question *question, const struct question_end *end);
/* Asks once more after wait_ms; -1: when it is told to pause anew. */
void question_pause(struct question *question, int64_t wait_ms);
/* Its reading is over: whoever got pieces is told. */
void question_read_done(struct upstream *upstream);

/* retry.c */
/* A try has failed and nothing was shown: asks again where that makes sense, else it ends. */
void question_failed(struct question *question, const struct failure *failure);
/* A trial that brings text has shown enough: others need not wait for its end. Reports by a job, once. */
void retry_trial_passed(struct question *question);
/* It ends on the way to the fallback: nobody waits for that. */
void retry_forget(struct question *question);
/* The same request to another model. false: it can't be made. Any thread, before the request is asked. */
bool retry_change_model(struct question *question, const char *model) MUST_CHECK;

/* ---- upstream.c ---- */

/* A request that failed, for the metrics; CHAT_OK counts nowhere. */
void upstream_count(enum chat_error error, bool account_refused);
/* How the account stands. The first that hears of it says so, of all processes; who is served again says that. */
void upstream_tell_account(enum metrics_account stands);
/* What a client is told of the wait; 0: nothing. A 429 always has one: as long as the model rests. */
int64_t upstream_retry_after_s(enum chat_error error, int64_t told_s);

/* ---- pools.c: libcurl, its sockets and timers, and the connections to the provider ---- */

/* NULL: out of resources. */
struct pools *pools_open(struct upstream *upstream, int max_transfers);
void pools_close(struct pools *pools);
/* Starts what is set up. What ends is handed to its on_over. false: out of resources. */
bool pools_add(struct pools *pools, struct transfer *transfer) MUST_CHECK;
void pools_remove(struct pools *pools, struct transfer *transfer); /* closes the connection where it isn't over */

/* ---- warm.c ---- */

void warm_asked(struct upstream *upstream); /* a user's question goes to the provider now */

#endif
