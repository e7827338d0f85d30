/*
 * A request sent again with the same Idempotency-Key is the same request: it gets what the first one made, and counts
 * nothing. A request takes the key (call->claim) before anything is counted. If it is refused, http/step.c frees the
 * key; once what it makes is stored, call_keep_key keeps it. A request that comes while the first is still under way
 * waits without a thread (http/late.h), and gets 409 after REPEAT_WAIT_MS. A request without a key is always a first
 * one. The request's thread.
 */
#ifndef HTTP_REPEAT_H
#define HTTP_REPEAT_H

#include "http/call.h"

enum { REPEAT_WAIT_MS = 10000 };

/* How the request wants its answer. */
struct repeat_form {
    bool events;       /* as a stream of events; false: whole, as JSON */
    bool show_session; /* as JSON: with its session, which this request makes */
};
/* Writes the response of a request that makes a session. */
typedef enum chat_error show_session(struct http_call *call, const struct session *session);

/* For a request that makes an answer. `same` are the values that make two requests the same (domain/idempotency.h).
 * Fills answer_id with a new id. CHAT_OK and *repeated = false: go on, and make the answer with this id. CHAT_OK and
 * *repeated = true: the request is answered here, or will be by a later step; return CHAT_OK. Errors are in
 * call->problem. */
enum chat_error repeat_answer(struct http_call *call, const char *const *same, size_t count,
                              const struct repeat_form *form, char answer_id[UUID_TEXT_SIZE], bool *repeated);
/* The same for a request that makes a session; session_id is for the new one. */
enum chat_error repeat_session(struct http_call *call, const char *const *same, size_t count, show_session *show,
                               char session_id[UUID_TEXT_SIZE], bool *repeated);

#endif
