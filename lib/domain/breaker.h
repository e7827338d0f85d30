/*
 * The circuit breaker before one model of the provider: five failures in a row open it for 30 seconds, then one request
 * is let through to see (half-open). A model that said 429 rests, which is no failure: nobody asks it until its time is
 * over. Pure; a plain value that its owner keeps, here and in Redis.
 * A report counts only where nothing has changed since its request was let through, so that a long answer begun before
 * the trouble can't decide about what came later.
 */
#ifndef DOMAIN_BREAKER_H
#define DOMAIN_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BREAKER_FAILURES = 5,
    BREAKER_OPEN_MS = 30000,
    BREAKER_TRIAL_MS = 60000,
    BREAKER_REST_MAX_S = 60,
    BREAKER_TEXT_SIZE = 120,
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* What a request has shown of the model. Nothing that a caller can bring about is a failure. */
enum breaker_outcome {
    BREAKER_SUCCESS, /* it answers */
    BREAKER_FAILURE, /* it doesn't: connection, timeout, 5xx, 408, a stream that was cut */
    BREAKER_NEITHER, /* says nothing about it: a mistake of the client, a refusal of ours; frees the trial */
    BREAKER_BUSY,    /* 429: it is to rest; frees the trial */
};

struct breaker {
    enum breaker_state state;
    int failures;          /* in a row, while closed */
    int64_t until_ms;      /* open: until then; half-open: how long the trial is waited for */
    int64_t generation;    /* of the last change of state; 0 = never changed */
    int64_t rest_until_ms; /* 0: it doesn't rest */
};

enum breaker_verdict { BREAKER_ALLOWS, BREAKER_IS_OPEN, BREAKER_RESTS };

/* Whether a request may go on at now_ms (any clock that the callers share). ALLOWS: *generation is for its report.
 * Else *retry_after_s (1 or more). Changes *self where an open one lets its trial through, or a rest is over. */
enum breaker_verdict breaker_allow(struct breaker *self, int64_t now_ms, int64_t *generation, int64_t *retry_after_s);
/* rest_s: of BUSY, how long the provider wants to be left alone; it is taken for 1 to 60. */
void breaker_report(struct breaker *self, int64_t now_ms, int64_t generation, enum breaker_outcome outcome,
                    int64_t rest_s);
/* How long a model rests that was told to for so long (below 1: it wasn't told), in seconds. */
int64_t breaker_rest_s(int64_t told_s);
bool breaker_rests(const struct breaker *self, int64_t now_ms);
/* As who asks now finds it: one that was open for its time is half-open, as it lets a trial through. */
enum breaker_state breaker_state_at(const struct breaker *self, int64_t now_ms);
/* Nothing to remember: closed, never changed, no failure on its books, no rest under way. */
bool breaker_at_rest(const struct breaker *self, int64_t now_ms);
/* "closed", "open", "half_open". Static. */
const char *breaker_state_name(enum breaker_state state);

/* As text, for keeping it elsewhere; anything else but what breaker_write wrote is read as a closed one. */
void breaker_write(const struct breaker *self, char out[BREAKER_TEXT_SIZE]);
struct breaker breaker_read(const char *text, size_t len);

#endif
