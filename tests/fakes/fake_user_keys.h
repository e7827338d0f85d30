/* What of users is in Redis, as a number of keys each. One thread. */
#ifndef FAKES_FAKE_USER_KEYS_H
#define FAKES_FAKE_USER_KEYS_H

#include "domain/caller.h"
#include "usecases/user_keys.h"

enum { FAKE_USER_KEYS_MAX = 8 };

struct fake_user_keys {
    struct user_keys keys; /* first: the port */
    /* set by the test */
    int fail_at;                     /* the so many-th erase loses its store after one key; 0: none does */
    void (*on_erase)(void *context); /* called at the end of erase; NULL: nothing */
    void *context;
    /* what happened */
    int erases;
    struct {
        char user_id[USER_ID_SIZE];
        int64_t keys;
    } users[FAKE_USER_KEYS_MAX];
    int count;
};

void fake_user_keys_init(struct fake_user_keys *self);
void fake_user_keys_add(struct fake_user_keys *self, const char *user_id, int64_t keys);
int64_t fake_user_keys_of(const struct fake_user_keys *self, const char *user_id);

#endif
