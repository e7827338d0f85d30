/* One user's deleted sessions, messages and keys, by numbers: what the use cases page through and erase, with errors on
 * command. One thread. */
#ifndef FAKES_FAKE_USER_DATA_H
#define FAKES_FAKE_USER_DATA_H

#include "domain/user_data.h"
#include "usecases/user_keys.h"

struct fake_user_data {
    struct user_data data; /* first: the port */
    struct user_keys keys; /* the other port */
    const char *user_id;   /* whose it all is; nobody else has anything */
    /* set by the test before the calls */
    int deleted, usage_rows;
    int messages_each;   /* of every session, whichever */
    int written;         /* of the deleted sessions, in so many an answer is still being written */
    int written_calls;   /* that end once erase was called so often */
    int64_t redis_keys;  /* found by the first walk */
    int64_t keys_return; /* and by every later one */
    enum chat_error deleted_error, messages_error, erase_error, count_error, keys_error;
    int fail_from; /* the errors count from this call of their own on; 0: the first */
    /* what happened */
    int deleted_calls, messages_calls, erase_calls, count_calls, keys_calls;
    int most_asked; /* the largest limit that was asked for */
};

void fake_user_data_init(struct fake_user_data *self, const char *user_id);

#endif
