/* Completions, passed through: what the decoder has found sound goes to the client, event by event; a broken one never
 * does. Nothing is stored. A client that leaves ends its own at once. Loop thread, where nothing else is said. */
#ifndef RELAY_COMPLETION_H
#define RELAY_COMPLETION_H

#include "relay/ground.h"
#include "usecases/completion.h"

struct completion;

struct completions {
    struct ground *ground;
    struct buf shown; /* frames of one of them, to be sent together; empty between readings */
    struct completion *first;
};

void completions_open(struct completions *completions, struct ground *ground);
/* After the loop and all jobs have ended: those whose client takes nothing, and so has not got its end, go. */
void completions_close(struct completions *completions);
/* Takes the client and the spec's body, and uses a place that was taken. Any thread. */
void completion_begin(struct completions *completions, const struct completion_spec *spec,
                      struct completion_client *client);
/* Ends all, with CHAT_ERR_SHUTTING_DOWN. */
void completions_shut_down(struct completions *completions);
/* The ticket of each that holds a lease, in turn; NULL behind the last. *at: NULL before the first. */
const struct admission_ticket *completions_ticket(const struct completions *completions, const struct completion **at);

#endif
