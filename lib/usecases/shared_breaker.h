/*
 * The one circuit breaker (domain/breaker.h) that all workers share. Where the store is away each process goes on by
 * its own. An instance belongs to one thread; a call decides within 50 ms and never fails.
 */
#ifndef USECASES_SHARED_BREAKER_H
#define USECASES_SHARED_BREAKER_H

#include "base/error.h"
#include "domain/breaker.h"

/* What a report needs of the request it is about. Plain value; {0} for a request that never asked. */
struct breaker_ticket {
    bool asked;
    bool trial;         /* the one request that a half-open breaker let through */
    bool shared;        /* decided with the store: generation is valid */
    int64_t generation; /* of the shared one */
    int64_t local_generation;
};

struct shared_breaker;
struct shared_breaker_ops {
    /* CHAT_OK: ask the provider, and report with this ticket once. CHAT_ERR_API_UNAVAILABLE: *retry_after_s is set. */
    enum chat_error (*allow)(struct shared_breaker *self, struct breaker_ticket *ticket, int64_t *retry_after_s);
    void (*report)(struct shared_breaker *self, const struct breaker_ticket *ticket, enum breaker_outcome outcome);
    enum breaker_state (*state)(struct shared_breaker *self);
};
struct shared_breaker {
    const struct shared_breaker_ops *ops;
};

#endif
