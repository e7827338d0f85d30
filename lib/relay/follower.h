/* An answer that another process writes, followed from here: its text so far comes from the log (exchanges.h), its end
 * from the row. One that is over is shown from its row alone. To listeners either is an answer like any other. Loop
 * thread, where nothing else is said. */
#ifndef RELAY_FOLLOWER_H
#define RELAY_FOLLOWER_H

#include "relay/exchanges.h"
#include "relay/ground.h"
#include "usecases/answers.h"

struct follower;

/* All zero but for the pointers is a relay's beginning. */
struct followers {
    struct ground *ground;
    struct exchanges *exchanges;
    struct follower *replays; /* of what was over before; of each reader its own, found by nobody */
};

/* Copies what is in `attach`. Any thread. */
struct follower *follower_new(struct followers *followers, const struct answer_attach *attach);
/* It was over when its reader came. */
bool follower_is_replay(const struct follower *follower);
const char *follower_answer_id(const struct follower *follower);
/* From now on it follows; one that is no replay can be found by its id. It goes when its last listener does. */
void follower_start(struct follower *follower);
/* The follower that is registered so; its kind is REGISTERED_FOLLOWER. */
struct follower *follower_of(struct registered *registered);
/* Takes the listener, which has a reader's place. */
void follower_attach(struct follower *follower, struct answer_listener *listener);
/* Without a closing event. */
void follower_let_all_go(struct follower *follower);
void followers_let_replays_go(struct followers *followers);
/* Of one that was never started, or after the loop and the jobs have ended. */
void follower_free(struct follower *follower);
/* After the loop and the jobs have ended: of those that are left. */
void followers_close(struct followers *followers);

#endif
