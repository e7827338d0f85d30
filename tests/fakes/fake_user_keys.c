#include "tests/fakes/fake_user_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the user is in users, or would be. */
static int find(const struct fake_user_keys *self, const char *user_id)
{
    int at = 0;

    while (at < self->count && strcmp(self->users[at].user_id, user_id) != 0) at++;
    return at;
}

static enum chat_error erase(struct user_keys *port, const char *user_id, int64_t *erased)
{
    struct fake_user_keys *self = (struct fake_user_keys *)port;
    bool fails = ++self->erases == self->fail_at;
    int64_t there = fake_user_keys_of(self, user_id);

    *erased = fails && there > 1 ? 1 : there;
    if (there) self->users[find(self, user_id)].keys -= *erased;
    if (self->on_erase) self->on_erase(self->context);
    return fails ? CHAT_ERR_REDIS_UNAVAILABLE : CHAT_OK;
}

void fake_user_keys_init(struct fake_user_keys *self)
{
    static const struct user_keys_ops ops = {.erase = erase};

    memset(self, 0, sizeof *self);
    self->keys.ops = &ops;
}

void fake_user_keys_add(struct fake_user_keys *self, const char *user_id, int64_t keys)
{
    int at = find(self, user_id);

    if (at == FAKE_USER_KEYS_MAX) abort();
    if (at == self->count) snprintf(self->users[self->count++].user_id, USER_ID_SIZE, "%s", user_id);
    self->users[at].keys += keys;
}

int64_t fake_user_keys_of(const struct fake_user_keys *self, const char *user_id)
{
    int at = find(self, user_id);

    return at < self->count ? self->users[at].keys : 0;
}
