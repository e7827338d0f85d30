/*
 * Who may start an answer now: per minute, per day and at once, decided and counted in one atomic step.
 * Bounded: every call decides within 50 ms, also when Redis is away (then: the minute's limit goes on in this
 * process at its share, the day's refuses with CHAT_ERR_QUOTA_UNAVAILABLE unless the policy fails open).
 * An instance belongs to one thread.
 */
#ifndef USECASES_ADMISSION_H
#define USECASES_ADMISSION_H

#include "base/error.h"
#include "base/uuid.h"
#include "domain/caller.h"
#include "domain/policy.h"
#include "domain/quota.h"

/* What was taken, so that it can be given back: to the day it came from. Plain value. */
struct admission_ticket {
    char user_id[USER_ID_SIZE];
    char answer_id[UUID_TEXT_SIZE]; /* names the lease */
    char day[QUOTA_DAY_SIZE];
    int units;          /* of the minute and of the day: one an answer; 0 is 1 */
    bool daily_counted; /* false: admin, or decided without Redis */
    bool leased;
    bool is_admin;
};

/* Where things stand right after a lease ended, so that nobody need ask for it. Plain value. */
struct settled {
    bool known; /* false: there was nothing to settle, and nothing was asked */
    struct quota quota;
    bool breaker_at_rest; /* of all models, as in admit_at_rest: that a request went well is no news */
};

struct admission;
struct admission_ops {
    /* Takes `units` of the minute and of the day, all or none, and one lease. CHAT_OK: counted, leased.
     * CHAT_ERR_RATE_LIMITED, _QUOTA_EXCEEDED, _TOO_MANY_STREAMS, _QUOTA_UNAVAILABLE: nothing was counted. *quota is
     * where the user stands after the step in every case but QUOTA_UNAVAILABLE; *retry_after_s is set with a refusal.
     */
    enum chat_error (*admit)(struct admission *self, const struct caller *caller, int units, const char *answer_id,
                             struct admission_ticket *ticket, struct quota *quota, int64_t *retry_after_s);
    /* The usual case in one step: as admit, where the model's shared breaker (shared_breaker.h) has nothing against
     * it, being closed without a failure on its books, never changed, and no rest under way. model NULL: not known yet,
     * so all models' must be. CHAT_ERR_UNDECIDED: nothing was counted, ask the breaker and then admit;
     * also where the store is away. */
    enum chat_error (*admit_at_rest)(struct admission *self, const char *model, const struct caller *caller, int units,
                                     const char *answer_id, struct admission_ticket *ticket, struct quota *quota,
                                     int64_t *retry_after_s);
    /* What admit would say now, of its limits alone: counts and leases nothing. CHAT_OK where Redis is away too. */
    enum chat_error (*look)(struct admission *self, const struct caller *caller, struct quota *quota,
                            int64_t *retry_after_s);
    /* For what is made and is no answer, which has a limit of its own a minute: counts one. CHAT_ERR_RATE_LIMITED:
     * nothing was counted, and *retry_after_s is set. *quota is where the user stands, with this limit in place of the
     * minute's. Where Redis is away it goes on in this process at its share. */
    enum chat_error (*admit_making)(struct admission *self, const struct caller *caller, struct quota *quota,
                                    int64_t *retry_after_s);
    /* Ends the lease; `refund` gives the day's units back too. Does its work once for a ticket however often and
     * from wherever it is called; without `refund`, after one with it, they are taken again. *out (NULL: nobody
     * wants to know) is set each time. CHAT_ERR_QUOTA_UNAVAILABLE: Redis is away, call again later. */
    enum chat_error (*settle)(struct admission *self, const struct admission_ticket *ticket, bool refund,
                              struct settled *out);
    /* Keeps leases alive for LEASE_SECONDS from now. */
    enum chat_error (*renew)(struct admission *self, const struct admission_ticket *const *tickets, size_t count);
    /* How long ago the lease was taken or renewed, by the clocks of this process and that one; -1: there is none;
     * LEASE_GIVEN_BACK: it was settled. CHAT_ERR_QUOTA_UNAVAILABLE. */
    enum chat_error (*lease_age)(struct admission *self, const struct admission_ticket *ticket, int64_t *age_ms);
    /* Where the user stands; counts nothing. CHAT_ERR_QUOTA_UNAVAILABLE. */
    enum chat_error (*peek)(struct admission *self, const struct caller *caller, struct quota *quota);
    /* CHAT_OK where the store answers now: for readiness. */
    enum chat_error (*ping)(struct admission *self);
};
struct admission {
    const struct admission_ops *ops;
};

static inline int admission_units(const struct admission_ticket *ticket)
{
    return ticket->units > 0 ? ticket->units : 1;
}

enum { ADMISSION_LEASE_SECONDS = 15 };
#define LEASE_GIVEN_BACK INT64_MAX /* an age: older than any */

#endif
