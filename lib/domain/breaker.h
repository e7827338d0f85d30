/*
 * The circuit breaker before one model of the provider. Five failures in a row open it for 30 seconds; then it lets one
 * request through as a trial (half-open). A model that answered 429 rests, which is no failure: nobody asks it until
 * its time is over. Pure; a plain value that its owner keeps, here and in Redis. A report counts only if nothing has
 * changed since its request was let through. So a long answer that began before the trouble decides nothing about later
 * requests.
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

/* What a request has shown of the model. Nothing that a caller can cause is a failure. */
enum breaker_outcome {
    BREAKER_SUCCESS, /* it answers */
    BREAKER_FAILURE, /* it doesn't: connection, timeout, 5xx, 408, a stream that was cut */
    BREAKER_NEITHER, /* shows nothing: a mistake of the client, a refusal of ours; frees the trial */
    BREAKER_BUSY,    /* 429: the model is to rest; frees the trial */
};

struct breaker {
    enum breaker_state state;
    int failures;          /* in a row, while closed */
    int64_t until_ms;      /* open: until then; half-open: until then others wait for the trial */
    int64_t generation;    /* of the last change of state; 0 = never changed */
    int64_t rest_until_ms; /* 0: it doesn't rest */
};

enum breaker_verdict { BREAKER_ALLOWS, BREAKER_IS_OPEN, BREAKER_RESTS };

/* Decides whether a request may go on at now_ms (any clock that the callers share). ALLOWS: *generation is for its
 * report. Otherwise *retry_after_s is set (1 or more). Changes *self if an open one lets its trial through, or a rest
 * is over. */
enum breaker_verdict breaker_allow(struct breaker *self, int64_t now_ms, int64_t *generation, int64_t *retry_after_s);
/* Reports on a request. rest_s: of BUSY, how long the provider wants to be left alone; clamped to 1 to 60. */
void breaker_report(struct breaker *self, int64_t now_ms, int64_t generation, enum breaker_outcome outcome,
                    int64_t rest_s);
/* Returns for how many seconds a model rests, if the provider asked for told_s (below 1: it didn't ask). */
int64_t breaker_rest_s(int64_t told_s);
bool breaker_rests(const struct breaker *self, int64_t now_ms);
/* Returns the state that a request finds now: a breaker that was open for its time is half-open, as it lets a trial
 * through. */
enum breaker_state breaker_state_at(const struct breaker *self, int64_t now_ms);
/* Returns whether there is nothing to remember: closed, never changed, no counted failure, no rest under way. */
bool breaker_at_rest(const struct breaker *self, int64_t now_ms);
/* "closed", "open", "half_open". Static. */
const char *breaker_state_name(enum breaker_state state);

/* Convert it to text, for keeping it elsewhere, and back. A text that breaker_write didn't write is read as a closed
 * one.
 */
void breaker_write(const struct breaker *self, char out[BREAKER_TEXT_SIZE]);
struct breaker breaker_read(const char *text, size_t len);

#endif
