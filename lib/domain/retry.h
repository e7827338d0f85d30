/* Decides the next request to the provider, after one has failed and the client has been shown nothing. Pure. */
#ifndef DOMAIN_RETRY_H
#define DOMAIN_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_failure {
    bool retryable;        /* may pass: no connection, 429, 502, 503 */
    bool too_long;         /* the model can't take a prompt of this length */
    bool of_model;         /* the provider answered, and perhaps only this model is missing or busy */
    int64_t retry_after_s; /* as the provider asks; -1: it doesn't */
};

struct retry {
    enum { RETRY_NONE, RETRY_SAME, RETRY_FALLBACK, RETRY_SHORTER } what;
    int64_t wait_ms; /* before it */
};

/*
 * has_fallback: there is another model, not asked yet. has_shorter: there is a prompt with fewer turns. asked: requests
 * so far, at least 1; one answer gets three at most, whichever models they name. random: any number; it spreads the
 * wait over half of its length.
 *
 * If the wanted model is not there, the fallback model is asked at once. If it is busy, the fallback is asked by the
 * last retry, or as soon as the provider asks for a longer wait than is kept (5 s).
 */
struct retry retry_next(int asked, bool has_fallback, bool has_shorter, const struct retry_failure *failure,
                        uint32_t random);

#endif
