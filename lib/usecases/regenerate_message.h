/*
 * Asks for a new answer to the same question. Only the last answer of its session can be written again; it is current
 * until the new one has text. Order of checks as in send_message.h.
 */
#ifndef USECASES_REGENERATE_MESSAGE_H
#define USECASES_REGENERATE_MESSAGE_H

#include "usecases/send_message.h"

struct regenerate_message {
    const struct caller *caller;
    const char *message_id;      /* of the answer (a UUID) */
    const char *model;           /* NULL: the session's */
    const char *answer_id;       /* of the new one; NULL: made here */
    const char *idempotency_key; /* both NULL where there is none */
    const char *idempotency_fingerprint;
};

/* Checks the request alone, before anything is taken or asked. Errors: MODEL_NOT_FOUND. */
enum chat_error regenerate_message_check(const struct chat_policy *policy, const struct regenerate_message *in,
                                         struct problem *problem) MUST_CHECK;
/* Takes a request that regenerate_message_check accepted. Returns as send_message. Errors, in *problem too:
 * MESSAGE_NOT_FOUND, VALIDATION_FAILED (not the last answer), the others of send_message. */
enum chat_error regenerate_message(const struct chat_ports *ports, const struct regenerate_message *in,
                                   struct arena *arena, struct problem *problem, struct ready_answer *out) MUST_CHECK;

#endif
