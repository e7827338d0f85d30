/*
 * The life of an answer: the one place that says which status follows which.
 *
 *   streaming ──finished──► complete
 *      │  │ └──stopped────► stopped       asked to stop, or nobody attached for the grace time
 *      │  └────failed─────► failed        the provider failed, with or without text so far
 *      └───────lost───────► interrupted   the worker died, was shut down, or lost its lease
 *   interrupted ──finished, stopped, failed by the live owner of the same epoch──► that state
 */
#ifndef DOMAIN_ANSWER_H
#define DOMAIN_ANSWER_H

#include <stdbool.h>

#include "domain/message.h"

enum answer_event { ANSWER_FINISHED, ANSWER_STOPPED, ANSWER_FAILED, ANSWER_LOST };

/* Sets *to to the next status. false: the event changes nothing in this state (an end is final). */
bool answer_next(enum message_status from, enum answer_event event, enum message_status *to);
bool answer_is_final(enum message_status status);
/* Returns the error of the closing event of an answer in this state, as far as its row shows: CHAT_OK is `done`. */
enum chat_error answer_error(enum message_status status);

#endif
