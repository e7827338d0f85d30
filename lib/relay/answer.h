/* An answer that is written here: from its request to the provider to the last byte that somebody attached to it has
 * read. Loop thread, where nothing else is said. */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include "domain/answer.h"
#include "relay/exchanges.h"
#include "relay/ground.h"
#include "usecases/answers.h"

struct answer;

/* Takes a place that was taken, the listener, and the spec's body; what else the spec has is copied. Asks the provider.
 * The answer goes on for grace_ms when nobody is attached. Any thread. */
void answer_begin(struct ground *ground, struct exchanges *exchanges, int grace_ms, const struct answer_spec *spec,
                  struct answer_listener *listener);
/* The answer that is registered so; its kind is REGISTERED_ANSWER. */
struct answer *answer_of(struct registered *registered);
/* Takes the listener, of one with a reader's place. */
void answer_attach(struct answer *answer, struct answer_listener *listener);
/* Nothing happens where it has ended already. */
void answer_end(struct answer *answer, enum answer_event event, enum chat_error error);
/* Its session has got this title, which is copied. */
void answer_title(struct answer *answer, const char *title);
const struct admission_ticket *answer_ticket(const struct answer *answer);
/* After the loop and the jobs have ended: of one that is still registered. */
void answer_free(struct answer *answer);

#endif
