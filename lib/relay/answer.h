/*
 * An answer that this process writes: from its request to the provider until its row is written and the last client
 * attached to it has read the closing event. The table of its life, phase by phase, is in answer.c. An answer owns
 * itself: it is freed at the end of the turn in which nothing is left to do for it. The loop's thread, where nothing
 * else is said.
 */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include "domain/answer.h"
#include "relay/exchanges.h"
#include "relay/ground.h"
#include "usecases/answers.h"

struct answer;

/* Begins an answer; on the loop it is registered, the provider is asked, and the listener attached. Takes over a
 * stream's place that the caller holds, the listener, and the spec's body; copies what else it needs of the spec (its
 * titles are title.h's). The answer goes on for grace_ms when nobody is attached. Any thread. */
void answer_begin(struct ground *ground, struct exchanges *exchanges, int grace_ms, const struct answer_spec *spec,
                  struct answer_listener *listener);
/* Takes what registry_find found, of the kind REGISTERED_ANSWER. Returns the answer that it is embedded in. */
struct answer *answer_of(struct registered *registered);
/* Takes the listener, which holds a reader's place, and shows it the text so far. */
void answer_attach(struct answer *answer, struct answer_listener *listener);
/* Ends an answer for this reason: its provider is let go, and a job writes its row. Then listeners get `done`, or
 * `error` with this code (CHAT_OK: `done`). Does nothing if the answer has ended already. */
void answer_end(struct answer *answer, enum answer_event event, enum chat_error error);
/* Its session has got this title, which is copied: who is attached is told. */
void answer_title(struct answer *answer, const char *title);
/* Returns the receipt of what was counted for it, for renewing its lease. Lives as long as the answer. */
const struct admission_ticket *answer_ticket(const struct answer *answer);
/* Frees an answer that is still registered when the relay closes: after the loop and the jobs have ended. */
void answer_free(struct answer *answer);

#endif
