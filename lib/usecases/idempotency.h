/*
 * Who was first with an Idempotency-Key. A key is taken in one atomic step, before anything is counted, with the id of
 * what the request is about to make; whoever comes second gets that id. Instance and errors as in admission.h.
 */
#ifndef USECASES_IDEMPOTENCY_H
#define USECASES_IDEMPOTENCY_H

#include "base/error.h"
#include "base/uuid.h"
#include "domain/idempotency.h"

enum key_state { KEY_TAKEN, KEY_SAME, KEY_OTHER };

struct idempotency;
struct idempotency_ops {
    /* KEY_TAKEN: ours for 24 h. KEY_SAME: first_id is what the first request with this key and fingerprint makes.
     * KEY_OTHER: used for another request. CHAT_ERR_QUOTA_UNAVAILABLE: can't be told now. */
    enum chat_error (*take)(struct idempotency *self, const char *user_id, const char *key, const char *fingerprint,
                            const char *our_id, enum key_state *state, char first_id[UUID_TEXT_SIZE]);
    /* Gives it up again, where it is still ours: the request was refused. */
    enum chat_error (*give_up)(struct idempotency *self, const char *user_id, const char *key, const char *our_id);
};
struct idempotency {
    const struct idempotency_ops *ops;
};

#endif
