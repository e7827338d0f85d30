/*
 * A request sent again with the same Idempotency-Key is the same request: it gets what the first one made, and counts
 * nothing. The key is taken before anything is counted; http_serve frees it where the first is refused. Who comes while
 * the first is still at it waits without a thread (http/late.h), and is told 409 after REPEAT_WAIT_MS.
 */
#ifndef HTTP_REPEAT_H
#define HTTP_REPEAT_H

#include "http/call.h"

enum { REPEAT_WAIT_MS = 10000 };

struct repeat_form {
    bool events; /* else JSON */
    bool show_session;
};
/* The response of a request that makes a session. */
typedef enum chat_error show_session(struct http_call *call, const struct session *session);

/* For a request that makes an answer; `same` is what makes two requests the same (domain/idempotency.h). CHAT_OK with
 * *repeated = false: go on, and make the answer with answer_id. *repeated = true: the request is answered here, or
 * will be. */
enum chat_error repeat_answer(struct http_call *call, const char *const *same, size_t count,
                              const struct repeat_form *form, char answer_id[UUID_TEXT_SIZE], bool *repeated);
/* For a request that makes a session, with its id. */
enum chat_error repeat_session(struct http_call *call, const char *const *same, size_t count, show_session *show,
                               char session_id[UUID_TEXT_SIZE], bool *repeated);
/* What this request makes is stored: before anybody is told so. Fine where it took no key. */
void repeat_keep(struct http_call *call);
/* Frees a key that this request has taken; fine where it took none. */
void repeat_give_up(struct http_call *call);

#endif
