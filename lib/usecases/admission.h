/*
 * Decides who may start an answer now. One atomic step checks and counts the limits: a minute, a day, and at once.
 * Every call decides within 50 ms while Redis is away, and within half a second while it is late. While Redis is away,
 * this process counts the minute's limit at its share; the day's limit refuses with CHAT_ERR_QUOTA_UNAVAILABLE unless
 * the policy fails open. An instance belongs to one thread.
 */
#ifndef USECASES_ADMISSION_H
#define USECASES_ADMISSION_H

#include "base/error.h"
#include "base/uuid.h"
#include "domain/caller.h"
#include "domain/policy.h"
#include "domain/quota.h"

/* A receipt of what was taken, for giving it back to the day it came from. Plain value. */
struct admission_ticket {
    char user_id[USER_ID_SIZE];
    char answer_id[UUID_TEXT_SIZE]; /* names the lease */
    char day[QUOTA_DAY_SIZE];
    int units;          /* counted of the minute and of the day, one for each answer; 0 means 1 */
    bool daily_counted; /* false: admin, or decided without Redis */
    bool leased;
    bool is_admin;
};

/* The user's standing right after a lease ended, so that nobody needs to ask for it. Plain value. */
struct settled {
    bool known; /* false: there was nothing to settle, and nothing was asked */
    struct quota quota;
    bool breaker_at_rest; /* of all models, as in admit_at_rest: a success needs no report then */
};

struct admission;
/* Implemented by lib/redis; callers use the functions below. */
struct admission_ops {
    enum chat_error (*admit)(struct admission *self, const struct caller *caller, int units, const char *answer_id,
                             struct admission_ticket *ticket, struct quota *quota, int64_t *retry_after_s);
    enum chat_error (*admit_at_rest)(struct admission *self, const char *model, const struct caller *caller, int units,
                                     const char *answer_id, struct admission_ticket *ticket, struct quota *quota,
                                     int64_t *retry_after_s);
    enum chat_error (*look)(struct admission *self, const struct caller *caller, struct quota *quota,
                            int64_t *retry_after_s);
    enum chat_error (*admit_making)(struct admission *self, const struct caller *caller, struct quota *quota,
                                    int64_t *retry_after_s);
    enum chat_error (*settle)(struct admission *self, const struct admission_ticket *ticket, bool refund,
                              struct settled *out);
    enum chat_error (*renew)(struct admission *self, const struct admission_ticket *const *tickets, size_t count);
    enum chat_error (*lease_age)(struct admission *self, const struct admission_ticket *ticket, int64_t *age_ms);
    enum chat_error (*peek)(struct admission *self, const struct caller *caller, struct quota *quota);
    enum chat_error (*ping)(struct admission *self);
};
struct admission {
    const struct admission_ops *ops;
};

/* Takes `units` of the minute and of the day, all or none, and one lease. Returns CHAT_OK if they are counted and
 * leased. With CHAT_ERR_RATE_LIMITED, _QUOTA_EXCEEDED or _TOO_MANY_STREAMS nothing was counted. With _QUOTA_UNAVAILABLE
 * neither, or it is taken back before the next admission.
 * Sets *quota to the user's standing after the step, except with QUOTA_UNAVAILABLE, and *retry_after_s with a refusal.
 */
static inline enum chat_error admission_admit(struct admission *self, const struct caller *caller, int units,
                                              const char *answer_id, struct admission_ticket *ticket,
                                              struct quota *quota, int64_t *retry_after_s)
{
    return self->ops->admit(self, caller, units, answer_id, ticket, quota, retry_after_s);
}

/* The usual case in one step: as admit, if the model's shared breaker (shared_breaker.h) is at rest. It is at rest if
 * it is closed, without a counted failure, never changed, and its model doesn't rest. If `model` is NULL, the model
 * isn't known yet, and all models' breakers must be at rest. CHAT_ERR_UNDECIDED: nothing was decided or counted; ask
 * the breaker, and then admit. It is also returned while the store is away. */
static inline enum chat_error admission_admit_at_rest(struct admission *self, const char *model,
                                                      const struct caller *caller, int units, const char *answer_id,
                                                      struct admission_ticket *ticket, struct quota *quota,
                                                      int64_t *retry_after_s)
{
    return self->ops->admit_at_rest(self, model, caller, units, answer_id, ticket, quota, retry_after_s);
}

/* Returns what admit would return now, for its limits alone; counts and leases nothing. CHAT_OK while Redis is away,
 * too. */
static inline enum chat_error admission_look(struct admission *self, const struct caller *caller, struct quota *quota,
                                             int64_t *retry_after_s)
{
    return self->ops->look(self, caller, quota, retry_after_s);
}

/* Counts one thing that is made and is no answer, against a limit a minute of its own. Sets *quota to the user's
 * standing, with this limit in place of the minute's. CHAT_ERR_RATE_LIMITED: nothing was counted, and *retry_after_s is
 * set. While Redis is away, this process counts at its share. */
static inline enum chat_error admission_admit_making(struct admission *self, const struct caller *caller,
                                                     struct quota *quota, int64_t *retry_after_s)
{
    return self->ops->admit_making(self, caller, quota, retry_after_s);
}

/* Ends the lease; with `refund` it gives the day's units back too. It works once for each ticket, however often and
 * from wherever it is called. A call without `refund`, after one with it, takes the units again. Sets *out each time
 * (NULL: not wanted). CHAT_ERR_REDIS_UNAVAILABLE: Redis is away; call again later. */
static inline enum chat_error admission_settle(struct admission *self, const struct admission_ticket *ticket,
                                               bool refund, struct settled *out)
{
    return self->ops->settle(self, ticket, refund, out);
}

/* Keeps leases alive for LEASE_SECONDS from now. */
static inline enum chat_error admission_renew(struct admission *self, const struct admission_ticket *const *tickets,
                                              size_t count)
{
    return self->ops->renew(self, tickets, count);
}

/* Sets *age_ms to the time since the lease was taken or renewed, by the clocks of this process and that one. -1: there
 * is no lease. LEASE_GIVEN_BACK: it was settled. Errors: CHAT_ERR_REDIS_UNAVAILABLE. */
static inline enum chat_error admission_lease_age(struct admission *self, const struct admission_ticket *ticket,
                                                  int64_t *age_ms)
{
    return self->ops->lease_age(self, ticket, age_ms);
}

/* Sets *quota to the user's standing; counts nothing. Errors: CHAT_ERR_REDIS_UNAVAILABLE. */
static inline enum chat_error admission_peek(struct admission *self, const struct caller *caller, struct quota *quota)
{
    return self->ops->peek(self, caller, quota);
}

/* Returns CHAT_OK if the store answers now; for readiness. */
static inline enum chat_error admission_ping(struct admission *self)
{
    return self->ops->ping(self);
}

static inline int admission_units(const struct admission_ticket *ticket)
{
    return ticket->units > 0 ? ticket->units : 1;
}

enum { ADMISSION_LEASE_SECONDS = 15 };
#define LEASE_GIVEN_BACK INT64_MAX /* an age: older than any */

#endif
