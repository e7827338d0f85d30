/*
 * A request sent again with the same Idempotency-Key is the same request: it gets what the first one made, and counts
 * nothing. A request takes the key before anything is counted; http/step.c frees it if the request is refused. A
 * request that comes while the first is still under way waits without a thread (http/late.h), and gets 409 after
 * REPEAT_WAIT_MS.
 */
#ifndef HTTP_REPEAT_H
#define HTTP_REPEAT_H

#include "http/call.h"

enum { REPEAT_WAIT_MS = 10000 };

struct repeat_form {
    bool events; /* otherwise JSON */
    bool show_session;
};
/* Writes the response of a request that makes a session. */
typedef enum chat_error show_session(struct http_call *call, const struct session *session);

/* For a request that makes an answer. `same` are the values that make two requests the same (domain/idempotency.h).
 * Returns CHAT_OK. *repeated = false: go on, and make the answer with answer_id. *repeated = true: the request is
 * answered here, or will be. Errors are in call->problem. */
enum chat_error repeat_answer(struct http_call *call, const char *const *same, size_t count,
                              const struct repeat_form *form, char answer_id[UUID_TEXT_SIZE], bool *repeated);
/* The same for a request that makes a session; session_id is for the new one. */
enum chat_error repeat_session(struct http_call *call, const char *const *same, size_t count, show_session *show,
                               char session_id[UUID_TEXT_SIZE], bool *repeated);

#endif
