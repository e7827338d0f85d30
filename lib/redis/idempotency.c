#include "redis/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "domain/caller.h"
#include "redis/give_up_key.lua.h"
#include "redis/take_key.lua.h"

enum { KEY_SIZE = USER_ID_SIZE + IDEMPOTENCY_KEY_MAX + 32, VALUE_SIZE = FINGERPRINT_SIZE + UUID_TEXT_SIZE };

struct redis_idempotency {
    struct idempotency base;
    struct redis_conn *conn;
    int take_script, give_up_script;
};

static struct redis_idempotency *self_of(struct idempotency *idempotency)
{
    return (struct redis_idempotency *)idempotency;
}

/* No user id holds a '#', so the first one ends it: keys may hold anything. */
static void name_key(char out[KEY_SIZE], const char *user_id, const char *key)
{
    snprintf(out, KEY_SIZE, "chat:idempotency:%s#%s", user_id, key);
}

/* "<fingerprint> <id>" apart; false: not of this form. */
static bool read_holder(const redisReply *reply, const char *fingerprint, const char *our_id, enum key_state *state,
                        char first_id[UUID_TEXT_SIZE])
{
    if (!reply || reply->type != REDIS_REPLY_STRING || reply->len != VALUE_SIZE - 1) return false;
    memcpy(first_id, reply->str + FINGERPRINT_SIZE, UUID_TEXT_SIZE);
    bool same = strncmp(reply->str, fingerprint, FINGERPRINT_SIZE - 1) == 0;
    *state = !same ? KEY_OTHER : strcmp(first_id, our_id) == 0 ? KEY_TAKEN : KEY_SAME;
    return true;
}

static enum chat_error take(struct idempotency *idempotency, const char *user_id, const char *key,
                            const char *fingerprint, const char *our_id, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE])
{
    struct redis_idempotency *self = self_of(idempotency);
    char name[KEY_SIZE], value[VALUE_SIZE], seconds[16];
    const char *const list[] = {name, value, seconds};
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_QUOTA_UNAVAILABLE;
    name_key(name, user_id, key);
    snprintf(value, sizeof value, "%s %s", fingerprint, our_id);
    snprintf(seconds, sizeof seconds, "%d", IDEMPOTENCY_HOURS * 3600);
    redisReply *reply = redis_conn_eval(self->conn, self->take_script, 1, list, 3);
    bool fine = read_holder(reply, fingerprint, our_id, state, first_id);
    if (reply) freeReplyObject(reply);
    return redis_conn_done(self->conn, "key_take", fine) ? CHAT_OK : CHAT_ERR_QUOTA_UNAVAILABLE;
}

static enum chat_error give_up(struct idempotency *idempotency, const char *user_id, const char *key,
                               const char *our_id)
{
    struct redis_idempotency *self = self_of(idempotency);
    char name[KEY_SIZE];
    const char *const list[] = {name, our_id};
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_QUOTA_UNAVAILABLE;
    name_key(name, user_id, key);
    redisReply *reply = redis_conn_eval(self->conn, self->give_up_script, 1, list, 2);
    if (!reply) return CHAT_ERR_QUOTA_UNAVAILABLE;
    freeReplyObject(reply);
    return CHAT_OK;
}

static const struct idempotency_ops redis_ops = {.take = take, .give_up = give_up};

struct idempotency *redis_idempotency_open(struct redis_conn *conn)
{
    struct redis_idempotency *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->base.ops = &redis_ops;
    self->conn = conn;
    self->take_script = redis_conn_add_script(conn, take_key_lua);
    self->give_up_script = redis_conn_add_script(conn, give_up_key_lua);
    return &self->base;
}

void redis_idempotency_close(struct idempotency *idempotency)
{
    free(self_of(idempotency));
}
