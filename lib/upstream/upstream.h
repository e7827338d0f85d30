/*
 * The way to the model provider, over libcurl, which no other folder knows: connections that are kept and shared, one
 * that stands before anybody asks, and what the provider says of this service's account. A question itself, over all
 * its tries, is upstream/question.h.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "upstream/settings.h"

struct upstream;
/* Takes settings, which are copied. The loop need not run yet. NULL: out of resources. */
struct upstream *upstream_open(const struct upstream_settings *settings);
/* After the loop and the jobs have ended, and all questions are freed. Closes all connections. NULL is fine. */
void upstream_close(struct upstream *upstream);

/* From now on one connection to the provider stands before anybody asks. It is opened again in quiet times, until a
 * quarter of an hour has passed without a question. Without memory there is none. */
void upstream_warm_start(struct upstream *upstream);
/* It is opened no more; a try that is under way is broken off. Fine where none was started. */
void upstream_warm_stop(struct upstream *upstream);

/* One streamed question, asked once, that its caller waits for. */
struct blocking_question {
    const char *body;
    size_t body_len;
    int timeout_ms;         /* of the whole */
    struct delta_sink sink; /* gets the text */
};

struct blocking_end {
    bool whole;                   /* an answer came, and ended as it should */
    int status;                   /* 0: none came */
    enum breaker_outcome outcome; /* NEITHER for who was only given too little time */
    int64_t rest_s;               /* of BREAKER_BUSY */
    struct token_usage usage;     /* -1: not told; all 0: nothing was used */
};

/* From a thread that may block, so never from the loop's. Takes no connection of those above, and counts for no metric.
 */
void upstream_ask_blocking(const struct upstream *upstream, const struct blocking_question *question,
                           struct blocking_end *out);

#endif
