#include "redis/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <openssl/sha.h>

#include "base/clock.h"
#include "domain/caller.h"
#include "redis/give_up_key.lua.h"
#include "redis/keep_key.lua.h"
#include "redis/keys.h"
#include "redis/take_key.lua.h"

enum {
    HASH_BYTES = 16, /* of SHA-256's 32: keys are many, and these are not secret */
    HASH_SIZE = 2 * HASH_BYTES + 1,
    PREFIX_SIZE = USER_ID_SIZE + 32,
    VALUE_SIZE = FINGERPRINT_SIZE + UUID_TEXT_SIZE + 2, /* "<fingerprint> <id> p" */
    DAY_SECONDS = IDEMPOTENCY_HOURS * 3600,
    HOUR_SECONDS = 3600,
};

struct redis_idempotency {
    struct idempotency base;
    struct redis_conn *conn;
    const struct clock *clock;
    int take_script, give_up_script, keep_script;
};

/* Where a claim stands in Redis. */
struct names {
    char prefix[PREFIX_SIZE], hash[HASH_SIZE], key[PREFIX_SIZE + HASH_SIZE];
    char index[PREFIX_SIZE], other_index[PREFIX_SIZE];
};

static struct redis_idempotency *self_of(struct idempotency *idempotency)
{
    return (struct redis_idempotency *)idempotency;
}

/* No user id holds a '#', so the first one ends it: keys may hold anything. */
static void hash_key(const struct key_claim *claim, char out[HASH_SIZE])
{
    char text[USER_ID_SIZE + IDEMPOTENCY_KEY_MAX + 2];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    int len = snprintf(text, sizeof text, "%s#%s", claim->user_id, claim->key);
    SHA256((const unsigned char *)text, (size_t)len, digest);
    for (size_t i = 0; i < HASH_BYTES; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void name_key(const struct key_claim *claim, struct names *out)
{
    char *day = claim->brief ? out->other_index : out->index, *hour = claim->brief ? out->index : out->other_index;
    hash_key(claim, out->hash);
    snprintf(out->prefix, sizeof out->prefix, REDIS_IDEMPOTENCY_PREFIX, claim->user_id);
    snprintf(out->key, sizeof out->key, "%s%s", out->prefix, out->hash);
    snprintf(day, PREFIX_SIZE, REDIS_DAY_KEYS_KEY, claim->user_id);
    snprintf(hour, PREFIX_SIZE, REDIS_HOUR_KEYS_KEY, claim->user_id);
}

static void write_value(const struct key_claim *claim, char state, char out[VALUE_SIZE])
{
    snprintf(out, VALUE_SIZE, "%s %s %c", claim->fingerprint, claim->our_id, state);
}

/* false: not of this form. */
static bool read_value(const redisReply *reply, const struct key_claim *claim, enum key_state *state,
                       char first_id[UUID_TEXT_SIZE])
{
    if (!reply || reply->type != REDIS_REPLY_STRING || reply->len != VALUE_SIZE - 1) return false;
    memcpy(first_id, reply->str + FINGERPRINT_SIZE, UUID_TEXT_SIZE - 1);
    first_id[UUID_TEXT_SIZE - 1] = '\0';
    bool same = strncmp(reply->str, claim->fingerprint, FINGERPRINT_SIZE - 1) == 0;
    bool done = reply->str[VALUE_SIZE - 2] == 'd';
    *state = !same ? KEY_OTHER : strcmp(first_id, claim->our_id) == 0 ? KEY_TAKEN : done ? KEY_DONE : KEY_PENDING;
    return true;
}

static enum chat_error take(struct idempotency *idempotency, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE])
{
    struct redis_idempotency *self = self_of(idempotency);
    struct names names;
    char value[VALUE_SIZE], life[16], other_life[16], now[24], most[16];
    const char *const list[] = {names.key, names.index, names.other_index, value,     life, other_life,
                                now,       most,        names.prefix,      names.hash};
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_REDIS_UNAVAILABLE;
    name_key(claim, &names);
    write_value(claim, 'p', value);
    snprintf(life, sizeof life, "%d", claim->brief ? HOUR_SECONDS : DAY_SECONDS);
    snprintf(other_life, sizeof other_life, "%d", claim->brief ? DAY_SECONDS : HOUR_SECONDS);
    snprintf(now, sizeof now, "%lld", (long long)clock_wall_ms(self->clock));
    snprintf(most, sizeof most, "%d", IDEMPOTENCY_KEYS_MAX);
    redisReply *reply = redis_conn_eval(self->conn, self->take_script, 3, list, sizeof list / sizeof *list);
    bool fine = read_value(reply, claim, state, first_id);
    if (reply) freeReplyObject(reply);
    return redis_conn_done(self->conn, "key_take", fine) ? CHAT_OK : CHAT_ERR_REDIS_UNAVAILABLE;
}

static enum chat_error look(struct idempotency *idempotency, const struct key_claim *claim, enum key_state *state,
                            char first_id[UUID_TEXT_SIZE])
{
    struct redis_idempotency *self = self_of(idempotency);
    struct names names;
    const char *const get[] = {"GET", names.key};
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_REDIS_UNAVAILABLE;
    name_key(claim, &names);
    redisReply *reply = redis_conn_ask(self->conn, get, 2);
    bool free_now = reply && reply->type == REDIS_REPLY_NIL;
    if (free_now) *state = KEY_FREE;
    bool fine = free_now || read_value(reply, claim, state, first_id);
    if (reply) freeReplyObject(reply);
    return redis_conn_done(self->conn, "key_look", fine) ? CHAT_OK : CHAT_ERR_REDIS_UNAVAILABLE;
}

static enum chat_error run(struct redis_idempotency *self, int script, int key_count, const char *const *list,
                           size_t count)
{
    redisReply *reply = redis_conn_eval(self->conn, script, key_count, list, count);
    if (!reply) return CHAT_ERR_REDIS_UNAVAILABLE;
    freeReplyObject(reply);
    return CHAT_OK;
}

static enum chat_error keep(struct idempotency *idempotency, const struct key_claim *claim)
{
    struct redis_idempotency *self = self_of(idempotency);
    struct names names;
    char pending[VALUE_SIZE], done[VALUE_SIZE];
    const char *const list[] = {names.key, pending, done};
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_REDIS_UNAVAILABLE;
    name_key(claim, &names);
    write_value(claim, 'p', pending);
    write_value(claim, 'd', done);
    return run(self, self->keep_script, 1, list, sizeof list / sizeof *list);
}

static enum chat_error give_up(struct idempotency *idempotency, const struct key_claim *claim)
{
    struct redis_idempotency *self = self_of(idempotency);
    struct names names;
    const char *const list[] = {names.key, names.index, claim->our_id, names.hash};
    if (!redis_conn_begin(self->conn)) return CHAT_ERR_REDIS_UNAVAILABLE;
    name_key(claim, &names);
    return run(self, self->give_up_script, 2, list, sizeof list / sizeof *list);
}

static const struct idempotency_ops redis_ops = {.take = take, .look = look, .keep = keep, .give_up = give_up};

struct idempotency *redis_idempotency_open(struct redis_conn *conn, const struct clock *clock)
{
    struct redis_idempotency *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->base.ops = &redis_ops;
    self->conn = conn;
    self->clock = clock;
    self->take_script = redis_conn_add_script(conn, take_key_lua);
    self->give_up_script = redis_conn_add_script(conn, give_up_key_lua);
    self->keep_script = redis_conn_add_script(conn, keep_key_lua);
    return &self->base;
}

void redis_idempotency_close(struct idempotency *idempotency)
{
    free(self_of(idempotency));
}
