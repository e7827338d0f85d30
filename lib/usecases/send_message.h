/*
 * Sends a question: counts it, stores question and answer row, and has the answer ready to start.
 * Order of checks: content and model; a free place; the limits; the store. The first is a call of its own,
 * send_message_check, so that the caller can take an Idempotency-Key in between. A refusal after the limits gives lease
 * and daily unit back.
 */
#ifndef USECASES_SEND_MESSAGE_H
#define USECASES_SEND_MESSAGE_H

#include "usecases/begin_answer.h"

struct send_message {
    const struct caller *caller;
    const char *session_id; /* NULL: a new session, made in the same step */
    const char *content;
    size_t content_len;
    const char *model;           /* NULL: the session's, or the default */
    const char *answer_id;       /* NULL: made here */
    const char *replaces_id;     /* NULL, or the user message that this one replaces (a UUID) */
    const char *idempotency_key; /* both NULL where there is none */
    const char *idempotency_fingerprint;
};

/* Checks the request alone, before anything is taken or asked. Errors: VALIDATION_FAILED, MODEL_NOT_FOUND. */
enum chat_error send_message_check(const struct chat_policy *policy, const struct send_message *in,
                                   struct problem *problem) MUST_CHECK;
/* Takes a request that send_message_check accepted. Returns CHAT_OK with *out, whose texts are in the arena. Errors, in
 * *problem too: VALIDATION_FAILED (replaces), OVERLOADED, SHUTTING_DOWN, those of admission.h, those of
 * message_repo_begin in message_repo.h. */
enum chat_error send_message(const struct chat_ports *ports, const struct send_message *in, struct arena *arena,
                             struct problem *problem, struct ready_answer *out) MUST_CHECK;

#endif
