/*
 * Places, so that what this process takes on has a bound: of answers and completions; and apart from these, so that
 * however many come again, nobody's question is refused for it, of readers: who reads what is there already, or waits
 * for it, and only so many for one user. Any thread.
 */
#ifndef RELAY_PLACES_H
#define RELAY_PLACES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

enum { READER_BUCKETS = 1024 };

struct places {
    int max_streams, max_readers_per_user;
    pthread_mutex_t lock; /* of `idle` and of the users */
    pthread_cond_t idle;  /* a place was given back */
    atomic_int streams, readers;
    atomic_bool refusing;
    struct reader_user *users[READER_BUCKETS];
};

/* Takes places that are all zero, how many streams there may be, as many readers, and how many readers a user. */
void places_open(struct places *places, int max_streams, int max_readers_per_user);
void places_close(struct places *places);

/* For one more stream. CHAT_ERR_OVERLOADED, CHAT_ERR_SHUTTING_DOWN. */
enum chat_error places_take(struct places *places) MUST_CHECK;
void places_give(struct places *places);
/* CHAT_ERR_TOO_MANY_STREAMS: the user has as many as one may; CHAT_ERR_OVERLOADED, CHAT_ERR_SHUTTING_DOWN. */
enum chat_error places_take_reader(struct places *places, const char *user_id) MUST_CHECK;
void places_give_reader(struct places *places, const char *user_id);
/* The same for a reply of any length, of which a user has one at a time. */
enum chat_error places_take_long(struct places *places, const char *user_id) MUST_CHECK;
void places_give_long(struct places *places, const char *user_id);

/* None is given from now on. true: it is the first time that this is said. */
bool places_refuse(struct places *places);
int places_taken(const struct places *places);
/* Waits until none is taken, at most so long. false: some still are. */
bool places_wait_empty(struct places *places, int timeout_ms);

#endif
