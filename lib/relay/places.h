/*
 * Counts places, so that what this process takes on has a bound. There are two kinds, counted apart, so that no
 * question is ever refused for a reader:
 *
 *   a stream's place   for an answer that is written here, or a completion
 *   a reader's place   for a client that reads an answer which is there already, or waits for a reply that is made step
 *                      by step; one user has only so many
 *
 * A request thread takes a place before the connection leaves it. The loop gives it back when the answer, the
 * completion or the reader goes. Any thread. (`struct place` of usecases/take_place.h is more: all that a request then
 * holds.)
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
    pthread_mutex_t lock;        /* of `idle` and of the users */
    pthread_cond_t idle;         /* a place was given back */
    atomic_int streams, readers; /* taken now */
    atomic_bool refusing;
    struct reader_user *users[READER_BUCKETS];
};

/* Takes places that are all zero; how many streams there may be, and also readers; and how many readers of one user. */
void places_open(struct places *places, int max_streams, int max_readers_per_user);
/* Once nobody waits or takes any more. */
void places_close(struct places *places);

/* Takes a place for one more stream. Errors: CHAT_ERR_OVERLOADED, CHAT_ERR_SHUTTING_DOWN. */
enum chat_error places_take(struct places *places) MUST_CHECK;
void places_give(struct places *places);
/* Takes a reader's place. CHAT_ERR_TOO_MANY_STREAMS: the user has as many as one may. Other errors as places_take. */
enum chat_error places_take_reader(struct places *places, const char *user_id) MUST_CHECK;
void places_give_reader(struct places *places, const char *user_id);
/* The same for a reply of any length (an export), of which a user has one at a time; a second one is
 * CHAT_ERR_TOO_MANY_STREAMS. */
enum chat_error places_take_long(struct places *places, const char *user_id) MUST_CHECK;
void places_give_long(struct places *places, const char *user_id);

/* From now on no place can be taken (CHAT_ERR_SHUTTING_DOWN). true: this is the first call. */
bool places_refuse(struct places *places);
/* Returns how many of both kinds are taken now. */
int places_taken(const struct places *places);
/* Blocks until none of either kind is taken, at most so long (whole seconds count). false: some still are. */
bool places_wait_empty(struct places *places, int timeout_ms);

#endif
