/* Idempotency keys in memory. One thread. */
#ifndef FAKES_FAKE_IDEMPOTENCY_H
#define FAKES_FAKE_IDEMPOTENCY_H

#include "usecases/idempotency.h"

enum { FAKE_KEYS_MAX = IDEMPOTENCY_KEYS_MAX + 16 };

struct fake_idempotency {
    struct idempotency idempotency; /* first: the port */
    enum chat_error error;          /* what every call answers */
    struct {
        char user_id[256], key[IDEMPOTENCY_KEY_MAX + 1], fingerprint[FINGERPRINT_SIZE], id[UUID_TEXT_SIZE];
        bool done, brief;
    } keys[FAKE_KEYS_MAX]; /* oldest first */
    int count, takes, looks, kept, given_up;
    void (*on_look)(void *context); /* called at the end of look; NULL: nothing */
    void *context;
};

void fake_idempotency_init(struct fake_idempotency *self);

#endif
