/* One request to the provider: a try of a question, or the list of models (warm.c). The loop's thread, where nothing
 * else is said. */
#ifndef UPSTREAM_TRANSFER_H
#define UPSTREAM_TRANSFER_H

#include "base/trace.h"
#include "upstream/pools.h"

/* Embedded in its owner. All zero is one that is closed. */
struct transfer {
    struct pooled pooled;
    const char *id_name, *id;
    char traceparent[16 + TRACEPARENT_SIZE];
    struct curl_slist headers; /* one line of its own, then those of all */
    struct decoder *decoder;   /* of a stream; owned */
    struct buf refusal;        /* first bytes of a body that is no answer: an error's JSON, a page */
    char retry_after[64];
    bool encoded;   /* by a Content-Encoding, which was not asked for */
    bool is_answer; /* a 200, of a type that was asked for */
    bool checked;   /* status and type have been looked at */
};

/* Borrowed until the transfer is closed. */
struct transfer_spec {
    const char *body; /* NULL: there is nothing to send */
    size_t body_len;
    const struct trace *trace;
    const char *id_name, *id; /* what the log calls it */
    void *owner;
    size_t (*on_body)(char *bytes, size_t size, size_t count, void *owner); /* as CURLOPT_WRITEFUNCTION */
    void (*on_over)(void *owner);                                           /* as of struct pooled */
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

/* Sets the options that every request has; headers and callbacks are the caller's. The body is borrowed. false: out of
 * memory. Any thread. */
bool transfer_set_options(const struct upstream *upstream, CURL *easy, const char *body, size_t body_len);
/* Starts the request. false: out of resources. */
bool transfer_ask(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec);
/* GET …/models, with the options of any request; nothing of it is logged. false: out of resources. */
bool transfer_get_models(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec,
                         int timeout_ms);
/* Called at the first byte of the body. Sets is_answer: whether it is what was asked for. Makes a stream's decoder. */
void transfer_check(struct upstream *upstream, struct transfer *transfer, bool streamed);
/* Keeps the first bytes of a body that is no answer. Returns what on_body is to return. */
size_t transfer_keep_refusal(struct transfer *transfer, const char *bytes, size_t len);
/* Called when the list of models is over: notes what its status says of our account. Returns whether that is refused.
 */
bool transfer_looked_at(const struct upstream *upstream, const struct transfer *transfer);
/* Takes a transfer that is over without an answer. Returns what that means; logs and counts it. */
struct failure transfer_failure(struct upstream *upstream, const struct transfer *transfer);
/* Frees what the transfer holds; if it isn't over, its connection is closed. One that is closed is fine. Not within a
 * callback of libcurl. */
void transfer_close(struct upstream *upstream, struct transfer *transfer);

#endif
