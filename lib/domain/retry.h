/* What is asked of the provider next, after a request has failed and the client has been shown nothing. Pure. */
#ifndef DOMAIN_RETRY_H
#define DOMAIN_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry_failure {
    bool retryable;        /* may pass: no connection, 429, 502, 503 */
    bool too_long;         /* the model can't take a prompt of this length */
    bool of_model;         /* the provider answered, and it may be this model alone that is missing or busy */
    int64_t retry_after_s; /* as the provider asks; -1: it doesn't */
};

struct retry {
    enum { RETRY_NONE, RETRY_SAME, RETRY_FALLBACK, RETRY_SHORTER } what;
    int64_t wait_ms; /* before it */
};

/*
 * What can be asked with: has_fallback, another model, not asked yet; has_shorter, a prompt with fewer turns.
 * asked: requests so far, at least 1; three is all that one answer gets, whichever models they name. The fallback
 * model is asked at once where the wanted one is not there, and where that is
 * busy, by the last retry, or in its place as soon as the provider asks for a longer wait than is kept (5 s).
 * random: any number; it spreads the wait over half of its length.
 */
struct retry retry_next(int asked, bool has_fallback, bool has_shorter, const struct retry_failure *failure,
                        uint32_t random);

#endif
