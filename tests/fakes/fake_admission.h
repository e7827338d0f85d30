/* Admission in memory: counts by the policy and the clock as usecases/admission.h has it, or refuses on command, and
 * keeps book of what was taken and given back. Any thread. */
#ifndef FAKES_FAKE_ADMISSION_H
#define FAKES_FAKE_ADMISSION_H

#include "base/clock.h"
#include "tests/fakes/fake_breaker.h"
#include "tests/fakes/fake_wait.h"
#include "usecases/admission.h"

enum { FAKE_TAKINGS = 512 };

/* One admitted request. */
struct fake_taking {
    char user_id[USER_ID_SIZE], answer_id[UUID_TEXT_SIZE], day[QUOTA_DAY_SIZE];
    int64_t window, lease_end_ms;
    int units;
    bool leased, daily_counted, given_back;
};

struct fake_admission {
    struct admission admission; /* first: the port */
    struct fake_wait wait;
    const struct chat_policy *policy; /* borrowed, as the clock */
    const struct clock *clock;
    struct fake_taking takings[FAKE_TAKINGS];
    int taken;
    /* set by the test before the calls */
    const struct fake_breaker *breaker; /* borrowed; NULL: at rest */
    enum chat_error refuse;             /* what admit answers; CHAT_OK: as the limits have it */
    int64_t retry_after_s;              /* with a refusal */
    enum chat_error settle_error;
    int settle_error_times; /* < 0: until told otherwise */
    bool settle_held;       /* it doesn't answer */
    int64_t made, made_in;  /* so many in that minute, whoever made them */
    enum chat_error peek_error, ping_error, renew_error;
    struct quota quota; /* where the last user stands; admit and settle change it */
    /* what happened */
    int admitted, refused, looks;
    int settle_calls;
    int settled, refunded; /* leases ended; of them with the daily unit given back */
    int renewed;           /* tickets */
    char last_answer_id[UUID_TEXT_SIZE];
    char done[FAKE_TAKINGS][UUID_TEXT_SIZE]; /* tickets settled: the same one again changes nothing */
};

void fake_admission_init(struct fake_admission *self, const struct chat_policy *policy, const struct clock *clock);
void fake_admission_fini(struct fake_admission *self);
/* One of these tickets is this answer's. */
bool fake_admission_has_ticket(const struct admission_ticket *tickets, size_t count, const char *answer_id);
/* Until so many leases have ended. */
bool fake_admission_wait_settled(struct fake_admission *self, int count);
int fake_admission_settled(struct fake_admission *self);
int fake_admission_refunded(struct fake_admission *self);
void fake_admission_fail_settle(struct fake_admission *self, enum chat_error error, int times);
/* While held, settle waits: as with a store that doesn't answer. */
void fake_admission_hold_settle(struct fake_admission *self, bool held);
int fake_admission_settle_calls(struct fake_admission *self);
/* Until settle was called so often. */
bool fake_admission_wait_settle_calls(struct fake_admission *self, int count);

#endif
