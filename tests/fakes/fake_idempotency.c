#include "tests/fakes/fake_idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_idempotency *of(struct idempotency *self)
{
    return (struct fake_idempotency *)self;
}

static int find(const struct fake_idempotency *self, const struct key_claim *claim)
{
    for (int i = 0; i < self->count; i++)
        if (strcmp(self->keys[i].user_id, claim->user_id) == 0 && strcmp(self->keys[i].key, claim->key) == 0) return i;
    return -1;
}

static void drop(struct fake_idempotency *self, int at)
{
    self->count--;
    memmove(&self->keys[at], &self->keys[at + 1], (size_t)(self->count - at) * sizeof self->keys[0]);
}

static void make_room(struct fake_idempotency *self, const char *user_id)
{
    int count = 0, oldest = -1;

    for (int i = 0; i < self->count; i++) {
        if (strcmp(self->keys[i].user_id, user_id) != 0) continue;
        if (oldest < 0) oldest = i;
        count++;
    }
    if (count >= IDEMPOTENCY_KEYS_MAX) drop(self, oldest);
}

static int add(struct fake_idempotency *self, const struct key_claim *claim)
{
    int at;

    make_room(self, claim->user_id);
    at = self->count++;
    if (at == FAKE_KEYS_MAX) abort();
    snprintf(self->keys[at].user_id, sizeof self->keys[at].user_id, "%s", claim->user_id);
    snprintf(self->keys[at].key, sizeof self->keys[at].key, "%s", claim->key);
    snprintf(self->keys[at].fingerprint, FINGERPRINT_SIZE, "%s", claim->fingerprint);
    snprintf(self->keys[at].id, UUID_TEXT_SIZE, "%s", claim->our_id);
    self->keys[at].done = false;
    self->keys[at].brief = claim->brief;
    return at;
}

static void tell(const struct fake_idempotency *self, int at, const struct key_claim *claim, enum key_state *state,
                 char first_id[UUID_TEXT_SIZE])
{
    if (strcmp(self->keys[at].fingerprint, claim->fingerprint) != 0)
        *state = KEY_OTHER;
    else if (strcmp(self->keys[at].id, claim->our_id) == 0)
        *state = KEY_TAKEN;
    else
        *state = self->keys[at].done ? KEY_DONE : KEY_PENDING;
    memcpy(first_id, self->keys[at].id, UUID_TEXT_SIZE);
}

static enum chat_error take(struct idempotency *port, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE])
{
    struct fake_idempotency *self = of(port);
    int at = find(self, claim);

    self->takes++;
    if (self->error != CHAT_OK) return self->error;
    if (at < 0) at = add(self, claim);
    tell(self, at, claim, state, first_id);
    return CHAT_OK;
}

static enum chat_error look(struct idempotency *port, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE])
{
    struct fake_idempotency *self = of(port);
    int at = find(self, claim);

    self->looks++;
    if (self->error != CHAT_OK) return self->error;
    if (at < 0)
        *state = KEY_FREE;
    else
        tell(self, at, claim, state, first_id);
    if (self->on_look) self->on_look(self->context);
    return CHAT_OK;
}

static enum chat_error keep(struct idempotency *port, const struct key_claim *claim)
{
    struct fake_idempotency *self = of(port);
    int at = find(self, claim);

    self->kept++;
    if (self->error != CHAT_OK) return self->error;
    if (at >= 0 && strcmp(self->keys[at].id, claim->our_id) == 0) self->keys[at].done = true;
    return CHAT_OK;
}

static enum chat_error give_up(struct idempotency *port, const struct key_claim *claim)
{
    struct fake_idempotency *self = of(port);
    int at = find(self, claim);

    self->given_up++;
    if (self->error != CHAT_OK) return self->error;
    if (at >= 0 && strcmp(self->keys[at].id, claim->our_id) == 0) drop(self, at);
    return CHAT_OK;
}

void fake_idempotency_init(struct fake_idempotency *self)
{
    static const struct idempotency_ops ops = {.take = take, .look = look, .keep = keep, .give_up = give_up};

    memset(self, 0, sizeof *self);
    self->idempotency.ops = &ops;
}
