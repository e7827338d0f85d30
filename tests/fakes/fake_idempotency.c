#include "tests/fakes/fake_idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_idempotency *of(struct idempotency *self)
{
    return (struct fake_idempotency *)self;
}

static int find(const struct fake_idempotency *self, const char *user_id, const char *key)
{
    for (int i = 0; i < self->count; i++)
        if (strcmp(self->keys[i].user_id, user_id) == 0 && strcmp(self->keys[i].key, key) == 0) return i;
    return -1;
}

static enum chat_error take(struct idempotency *port, const char *user_id, const char *key, const char *fingerprint,
                            const char *our_id, enum key_state *state, char first_id[UUID_TEXT_SIZE])
{
    struct fake_idempotency *self = of(port);
    int at = find(self, user_id, key);

    self->takes++;
    if (self->error != CHAT_OK) return self->error;
    if (at < 0) {
        at = self->count++;
        if (at == FAKE_KEYS_MAX) abort();
        snprintf(self->keys[at].user_id, sizeof self->keys[at].user_id, "%s", user_id);
        snprintf(self->keys[at].key, sizeof self->keys[at].key, "%s", key);
        snprintf(self->keys[at].fingerprint, FINGERPRINT_SIZE, "%s", fingerprint);
        snprintf(self->keys[at].id, UUID_TEXT_SIZE, "%s", our_id);
    }
    if (strcmp(self->keys[at].fingerprint, fingerprint) != 0)
        *state = KEY_OTHER;
    else
        *state = strcmp(self->keys[at].id, our_id) == 0 ? KEY_TAKEN : KEY_SAME;
    memcpy(first_id, self->keys[at].id, UUID_TEXT_SIZE);
    if (self->on_take) self->on_take(self->context);
    return CHAT_OK;
}

static enum chat_error give_up(struct idempotency *port, const char *user_id, const char *key, const char *our_id)
{
    struct fake_idempotency *self = of(port);
    int at = find(self, user_id, key);

    self->given_up++;
    if (self->error != CHAT_OK) return self->error;
    if (at >= 0 && strcmp(self->keys[at].id, our_id) == 0) self->keys[at] = self->keys[--self->count];
    return CHAT_OK;
}

void fake_idempotency_init(struct fake_idempotency *self)
{
    static const struct idempotency_ops ops = {.take = take, .give_up = give_up};

    memset(self, 0, sizeof *self);
    self->idempotency.ops = &ops;
}
