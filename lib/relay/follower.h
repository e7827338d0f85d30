/*
 * What this process shows of an answer that it doesn't write. There are two kinds, and to a listener both are an answer
 * like any other:
 *
 *   a follower   another process writes the answer: the text so far comes from the log (exchanges.h), its end from the
 *                row. All readers of one answer share one, which the registry finds
 *   a replay     the answer was over when its reader came: all of it comes from the row that the reader's request read.
 *                Each reader has one, which the registry doesn't know
 *
 * Either is freed at the end of the turn in which its last listener is let go. The loop's thread, where nothing else is
 * said.
 */
#ifndef RELAY_FOLLOWER_H
#define RELAY_FOLLOWER_H

#include "relay/exchanges.h"
#include "relay/ground.h"
#include "usecases/answers.h"

struct follower;

/* A relay's. The caller sets the first two members; the rest is zero. */
struct followers {
    struct ground *ground;
    struct exchanges *exchanges;
    struct follower *replays; /* all of them, the newest first */
};

/* Makes one, a replay if the answer in `attach` is over. Copies what is in `attach`. Aborts without memory. Returns it
 * for follower_start, or for follower_free. Any thread. */
struct follower *follower_new(struct followers *followers, const struct answer_attach *attach);
/* Returns whether the answer was over when its reader came. */
bool follower_is_replay(const struct follower *follower);
const char *follower_answer_id(const struct follower *follower);
/* Begins to follow: it is registered, and a job looks at the row once. A replay is only kept in `replays`. The caller
 * attaches a listener at once; the follower goes when its last listener does. */
void follower_start(struct follower *follower);
/* Takes what registry_find found, of the kind REGISTERED_FOLLOWER. Returns the follower that it is embedded in. */
struct follower *follower_of(struct registered *registered);
/* Takes the listener, which holds a reader's place, and shows it the text so far. */
void follower_attach(struct follower *follower, struct answer_listener *listener);
/* Closes its listeners, without a closing event; it goes with the last of them. */
void follower_let_all_go(struct follower *follower);
/* The same for all replays. */
void followers_let_replays_go(struct followers *followers);
/* Frees one that was never started; or any, after the loop and the jobs have ended. */
void follower_free(struct follower *follower);
/* After the loop and the jobs have ended: frees the replays that are left. */
void followers_close(struct followers *followers);

#endif
