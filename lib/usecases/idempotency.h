/*
 * Decides which request was first with an Idempotency-Key. A request takes the key in one atomic step, before anything
 * is counted, together with the id of what it is about to make. A second request gets that id, and learns whether it is
 * made by now. So it can tell a first that is gone from a first that is on its way. Instance and errors as in
 * admission.h.
 */
#ifndef USECASES_IDEMPOTENCY_H
#define USECASES_IDEMPOTENCY_H

#include "base/error.h"
#include "base/uuid.h"
#include "domain/idempotency.h"

enum key_state {
    KEY_TAKEN,   /* ours */
    KEY_PENDING, /* the same request was first, and has stored nothing so far, as far as is known */
    KEY_DONE,    /* the same request was first, and has stored what first_id names */
    KEY_OTHER,   /* used for another request */
    KEY_FREE,    /* nobody has it (from look) */
};

/* A request with a key. Strings are borrowed. */
struct key_claim {
    const char *user_id, *key, *fingerprint;
    const char *our_id; /* of what it makes */
    bool brief;         /* kept for an hour instead of a day: it only makes a session */
};

struct idempotency;
/* Implemented by lib/redis; callers use the functions below. */
struct idempotency_ops {
    enum chat_error (*take)(struct idempotency *self, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE]);
    enum chat_error (*look)(struct idempotency *self, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE]);
    enum chat_error (*keep)(struct idempotency *self, const struct key_claim *claim);
    enum chat_error (*give_up)(struct idempotency *self, const struct key_claim *claim);
};
struct idempotency {
    const struct idempotency_ops *ops;
};

/* Takes the key if it is free: TAKEN. Otherwise sets *state and first_id to who has it. A user who has
 * IDEMPOTENCY_KEYS_MAX loses the oldest. CHAT_ERR_REDIS_UNAVAILABLE: it can't be known now. */
static inline enum chat_error idempotency_take(struct idempotency *self, const struct key_claim *claim,
                                               enum key_state *state, char first_id[UUID_TEXT_SIZE])
{
    return self->ops->take(self, claim, state, first_id);
}

/* Sets the same without taking it. */
static inline enum chat_error idempotency_look(struct idempotency *self, const struct key_claim *claim,
                                               enum key_state *state, char first_id[UUID_TEXT_SIZE])
{
    return self->ops->look(self, claim, state, first_id);
}

/* Notes that what the request makes is stored. Does nothing if the key is no longer ours. */
static inline enum chat_error idempotency_keep(struct idempotency *self, const struct key_claim *claim)
{
    return self->ops->keep(self, claim);
}

/* Gives the key up, if it is still our_id's: the request was refused. */
static inline enum chat_error idempotency_give_up(struct idempotency *self, const struct key_claim *claim)
{
    return self->ops->give_up(self, claim);
}

#endif
