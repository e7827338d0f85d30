/*
 * Who was first with an Idempotency-Key. A key is taken in one atomic step, before anything is counted, with the id of
 * what the request is about to make; whoever comes second gets that id, and learns whether it is made by now. So one
 * whose first is gone is told from one whose first is on its way. Instance and errors as in admission.h.
 */
#ifndef USECASES_IDEMPOTENCY_H
#define USECASES_IDEMPOTENCY_H

#include "base/error.h"
#include "base/uuid.h"
#include "domain/idempotency.h"

enum key_state {
    KEY_TAKEN,   /* ours */
    KEY_PENDING, /* the same request was first, and isn't known to have stored anything so far */
    KEY_DONE,    /* the same request was first, and has stored what first_id names */
    KEY_OTHER,   /* used for another request */
    KEY_FREE,    /* nobody's (of look) */
};

/* A request with a key. Strings are borrowed. */
struct key_claim {
    const char *user_id, *key, *fingerprint;
    const char *our_id; /* of what it makes */
    bool brief;         /* kept for an hour instead of a day: it only makes a session */
};

struct idempotency;
struct idempotency_ops {
    /* Takes the key where it is free: TAKEN. Else says who has it. A user who has IDEMPOTENCY_KEYS_MAX loses the
     * oldest. CHAT_ERR_REDIS_UNAVAILABLE: can't be told now. */
    enum chat_error (*take)(struct idempotency *self, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE]);
    /* Says the same without taking it. */
    enum chat_error (*look)(struct idempotency *self, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE]);
    /* What it makes is stored; fine where the key is no longer ours. */
    enum chat_error (*keep)(struct idempotency *self, const struct key_claim *claim);
    /* Gives it up again, where it is still our_id's: the request was refused. */
    enum chat_error (*give_up)(struct idempotency *self, const struct key_claim *claim);
};
struct idempotency {
    const struct idempotency_ops *ops;
};

#endif
