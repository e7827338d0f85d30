/*
 * The circuit breakers (domain/breaker.h) that all workers share, one for each model. While the store is away, each
 * process uses its own. A call decides within 50 ms (half a second where Redis is late) and never fails. Models are
 * those that policy_asked names; a name given here is the policy's own, and lives as long. An instance belongs to one
 * thread.
 */
#ifndef USECASES_SHARED_BREAKER_H
#define USECASES_SHARED_BREAKER_H

#include "base/error.h"
#include "domain/breaker.h"

/* A receipt for the report on a request. Plain value; {0} for a request that never asked. */
struct breaker_ticket {
    const char *model; /* NULL: never found out, and so nothing was asked of any */
    bool asked;
    bool trial;         /* the one request that a half-open breaker let through */
    bool shared;        /* decided with the store: generation is valid */
    int64_t generation; /* of the shared one */
    int64_t local_generation;
};

struct shared_breaker;
/* Implemented by lib/redis; callers use the functions below. */
struct shared_breaker_ops {
    enum chat_error (*allow)(struct shared_breaker *self, const char *model, struct breaker_ticket *ticket,
                             int64_t *retry_after_s);
    void (*report)(struct shared_breaker *self, const struct breaker_ticket *ticket, enum breaker_outcome outcome,
                   int64_t rest_s);
    void (*look)(struct shared_breaker *self, const char *const *models, size_t count, struct breaker *out);
};
struct shared_breaker {
    const struct shared_breaker_ops *ops;
};

/* Decides whether the model may be asked. CHAT_OK: ask the provider, and report once with this ticket.
 * CHAT_ERR_API_UNAVAILABLE (open) or _UPSTREAM_RATE_LIMITED (the model rests): *retry_after_s is set. */
static inline enum chat_error shared_breaker_allow(struct shared_breaker *self, const char *model,
                                                   struct breaker_ticket *ticket, int64_t *retry_after_s)
{
    return self->ops->allow(self, model, ticket, retry_after_s);
}

/* Reports how the request of this ticket went. rest_s: of BREAKER_BUSY, as in breaker_report. */
static inline void shared_breaker_report(struct shared_breaker *self, const struct breaker_ticket *ticket,
                                         enum breaker_outcome outcome, int64_t rest_s)
{
    self->ops->report(self, ticket, outcome, rest_s);
}

/* Copies the breakers of these models, POLICY_MAX_ASKED at most, in their order. */
static inline void shared_breaker_look(struct shared_breaker *self, const char *const *models, size_t count,
                                       struct breaker *out)
{
    self->ops->look(self, models, count, out);
}

static inline enum chat_error shared_breaker_error(enum breaker_verdict verdict)
{
    switch (verdict) {
    case BREAKER_IS_OPEN: return CHAT_ERR_API_UNAVAILABLE;
    case BREAKER_RESTS: return CHAT_ERR_UPSTREAM_RATE_LIMITED;
    case BREAKER_ALLOWS: break;
    }
    return CHAT_OK;
}

#endif
