/*
 * Completions: the provider's events go on to the one client that asked. An event that the decoder finds broken never
 * reaches the client. Nothing is stored. A client that leaves ends its completion at once. A completion owns itself: it
 * is freed once its client is closed and its lease has ended. The loop's thread, where nothing else is said.
 */
#ifndef RELAY_COMPLETION_H
#define RELAY_COMPLETION_H

#include "relay/ground.h"
#include "usecases/completion.h"

struct completion;

/* All completions of this process. */
struct completions {
    struct ground *ground;
    struct buf shown;         /* frames of one of them, to be sent together; empty between readings */
    struct completion *first; /* the newest */
    struct completion *walk;  /* where the walk goes on; NULL: it is over */
};

/* Takes completions that are all zero, and the ground, borrowed. */
void completions_open(struct completions *completions, struct ground *ground);
/* After the loop and all jobs have ended: closes the clients that are left, and frees their completions. */
void completions_close(struct completions *completions);
/* Takes the client and the spec's body, and takes over a stream's place that the caller holds. Any thread. */
void completion_begin(struct completions *completions, const struct completion_spec *spec,
                      struct completion_client *client);
/* Ends all, with CHAT_ERR_SHUTTING_DOWN. Their clients are told once the lease has ended, or after 2 s. */
void completions_shut_down(struct completions *completions);
/* Begins a walk along all, which may go on in later turns, as in registry.h. */
void completions_walk_begin(struct completions *completions);
/* Returns the ticket of the next, which may hold no lease. NULL: the walk is over. */
const struct admission_ticket *completions_walk(struct completions *completions);

#endif
