/*
 * The way to the model provider, over libcurl, which no other folder knows: connections that are kept and shared, one
 * that stands before anybody asks, and what the provider says of this service's account.
 *
 *   for others   upstream.h (its life; warm.c, blocking.c), question.h (one question over all its tries),
 *                facts.h (what is known of a question), settings.h
 *
 *   for itself   retry (which try follows), transfer (one request), response (HTTP/1.1's framing),
 *                pace (when a stream is read), connections, options (how they are opened), warm, tally,
 *                internal.h (struct upstream)
 *
 * The loop's thread, where nothing else is said.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "upstream/settings.h"

struct upstream;
/* Takes settings, which are copied. The loop need not run yet. Returns what upstream_close frees; NULL: out of
 * resources. The thread that starts the loop. */
struct upstream *upstream_open(const struct upstream_settings *settings);
/* After the loop and the jobs have ended, and all questions are freed. Closes all connections. NULL is fine. Any
 * thread.
 */
void upstream_close(struct upstream *upstream);

/* From now on one connection to the provider stands before anybody asks (warm.c). It is opened again in quiet times,
 * until a quarter of an hour has passed without a question. Without memory nothing happens. */
void upstream_warm_start(struct upstream *upstream);
/* The connection is opened no more; a try that is under way is broken off. Fine where none was started. */
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

/* Asks, and returns once it is over or the time is up (blocking.c). For a thread that may block, so never the loop's.
 * It takes no connection of those above, and counts for no metric. */
void upstream_ask_blocking(const struct upstream *upstream, const struct blocking_question *question,
                           struct blocking_end *out);

#endif
