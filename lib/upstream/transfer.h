/* One request to the provider. Loop thread, where nothing else is said. */
#ifndef UPSTREAM_TRANSFER_H
#define UPSTREAM_TRANSFER_H

#include "base/trace.h"
#include "upstream/pools.h"

struct transfer {
    struct pooled pooled;
    const char *id_name, *id;
    char traceparent[16 + TRACEPARENT_SIZE];
    struct curl_slist headers; /* one line of its own, then those of all */
    struct decoder *decoder;
    struct buf refusal; /* first bytes of an answer that is none */
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

#endif
