/* A user's keys in Redis (usecases/user_keys.h). An answer's text there goes by itself a minute after its end. */
#ifndef REDIS_USER_KEYS_H
#define REDIS_USER_KEYS_H

#include "redis/conn.h"
#include "usecases/user_keys.h"

/* NULL: no memory. The connection is borrowed. */
struct user_keys *redis_user_keys_open(struct redis_conn *conn);
void redis_user_keys_close(struct user_keys *keys);
/* Whether a key of ours is this user's: another's id may begin or end like it. Pure. */
bool redis_key_is_of(const char *key, const char *user_id);

#endif
