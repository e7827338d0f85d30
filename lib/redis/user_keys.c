#include "redis/user_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "domain/caller.h"
#include "redis/keys.h"

enum { CURSOR_SIZE = 24 };
#define SCAN_COUNT "1000"

struct redis_user_keys {
    struct user_keys base;
    struct redis_conn *conn;
};

/* What follows the user in each kind of key that names one (keys.h): to the end, up to a '#', or characters of a
 * set after a colon. */
static const struct {
    const char *prefix, *after;
} kinds[] = {
    {REDIS_RATE_OF, ":0123456789"}, {REDIS_CREATE_OF, ":0123456789"}, {REDIS_DAILY_OF, ":0123456789-"},
    {REDIS_STREAMS_OF, ""},         {REDIS_IDEMPOTENCY_OF, "#"},      {REDIS_DAY_KEYS_OF, ""},
    {REDIS_HOUR_KEYS_OF, ""},
};

bool redis_key_is_of(const char *key, const char *user_id)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t prefix = strlen(kinds[i].prefix), user = strlen(user_id);
        if (strncmp(key, kinds[i].prefix, prefix) != 0 || strncmp(key + prefix, user_id, user) != 0) continue;
        const char *rest = key + prefix + user, *after = kinds[i].after;
        if (*rest != *after) return false;
        return *rest != ':' || (rest[1] && strspn(rest + 1, after + 1) == strlen(rest + 1));
    }
    return false;
}

/* A step of the walk: unlinks what of it is the user's. */
static bool step(struct redis_user_keys *self, const char *pattern, const char *user_id, char cursor[CURSOR_SIZE],
                 int64_t *erased)
{
    const char *const scan[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT};
    if (!redis_conn_begin(self->conn) || !redis_conn_send(self->conn, scan, 6)) return false;
    redisReply *reply = redis_conn_receive(self->conn);
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        if (reply) freeReplyObject(reply);
        return false;
    }
    snprintf(cursor, CURSOR_SIZE, "%s", reply->element[0]->str);
    bool fine = true;
    for (size_t i = 0; fine && i < reply->element[1]->elements; i++) {
        const char *key = reply->element[1]->element[i]->str;
        if (!redis_key_is_of(key, user_id)) continue;
        const char *const unlink[] = {"UNLINK", key};
        redisReply *gone = redis_conn_send(self->conn, unlink, 2) ? redis_conn_receive(self->conn) : NULL;
        fine = gone != NULL;
        if (gone) *erased += gone->integer;
        if (gone) freeReplyObject(gone);
    }
    freeReplyObject(reply);
    return fine;
}

/* No user id has a character that means something in a pattern. */
static enum chat_error erase(struct user_keys *keys, const char *user_id, int64_t *erased)
{
    struct redis_user_keys *self = (struct redis_user_keys *)keys;
    char pattern[USER_ID_SIZE + 16], cursor[CURSOR_SIZE] = "0";
    snprintf(pattern, sizeof pattern, REDIS_KEYS_PATTERN, user_id);
    *erased = 0;
    do {
        if (!step(self, pattern, user_id, cursor, erased)) {
            redis_conn_abandon(self->conn);
            return CHAT_ERR_REDIS_UNAVAILABLE;
        }
    } while (strcmp(cursor, "0") != 0);
    return CHAT_OK;
}

static const struct user_keys_ops redis_ops = {.erase = erase};

struct user_keys *redis_user_keys_open(struct redis_conn *conn)
{
    struct redis_user_keys *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->base.ops = &redis_ops;
    self->conn = conn;
    return &self->base;
}

void redis_user_keys_close(struct user_keys *keys)
{
    free(keys);
}
