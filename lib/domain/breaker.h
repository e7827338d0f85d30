/*
 * The circuit breaker before the provider: five failures in a row open it for 30 seconds, then one request is let
 * through to see (half-open). Pure; a plain value that its owner keeps, here and in Redis.
 * A report counts only where nothing has changed since its request was let through, so that a long answer begun before
 * the trouble can't decide about what came later.
 */
#ifndef DOMAIN_BREAKER_H
#define DOMAIN_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BREAKER_FAILURES = 5, BREAKER_OPEN_MS = 30000, BREAKER_TRIAL_MS = 60000, BREAKER_TEXT_SIZE = 96 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

enum breaker_outcome {
    BREAKER_SUCCESS, /* the provider answers */
    BREAKER_FAILURE, /* it doesn't: connection, timeout, 5xx, 408, 429, a broken stream */
    BREAKER_NEITHER, /* says nothing about it: a mistake of the client, a refusal of ours; frees the trial */
};

struct breaker {
    enum breaker_state state;
    int failures;       /* in a row, while closed */
    int64_t until_ms;   /* open: until then; half-open: how long the trial is waited for */
    int64_t generation; /* of the last change of state; 0 = never changed */
};

/* Whether a request may go on at now_ms (any clock that the callers share). true: *generation is for its report. false:
 * *retry_after_s (1 or more). Changes *self where an open one lets its trial through. */
bool breaker_allow(struct breaker *self, int64_t now_ms, int64_t *generation, int64_t *retry_after_s);
void breaker_report(struct breaker *self, int64_t now_ms, int64_t generation, enum breaker_outcome outcome);
/* "closed", "open", "half_open". Static. */
const char *breaker_state_name(enum breaker_state state);

/* As text, for keeping it elsewhere; anything else but what breaker_write wrote is read as a closed one. */
void breaker_write(const struct breaker *self, char out[BREAKER_TEXT_SIZE]);
struct breaker breaker_read(const char *text, size_t len);

#endif
