/*
 * A request sent again with the same Idempotency-Key is the same request: it gets what the first one made, and counts
 * nothing. The key is taken before anything is counted; http_serve frees it where the first is refused.
 */
#ifndef HTTP_REPEAT_H
#define HTTP_REPEAT_H

#include "http/call.h"

struct repeat_form {
    bool events; /* else JSON */
    bool show_session;
};

/* For a request that makes an answer; `same` is what makes two requests the same (domain/idempotency.h). CHAT_OK with
 * *repeated = false: go on, and make the answer with answer_id. *repeated = true: the request was answered here. */
enum chat_error repeat_answer(struct http_call *call, const char *const *same, size_t count,
                              const struct repeat_form *form, char answer_id[UUID_TEXT_SIZE], bool *repeated);
/* For a request that makes a session. *repeated = true: *first is what the first one made. */
enum chat_error repeat_session(struct http_call *call, const char *const *same, size_t count,
                               char session_id[UUID_TEXT_SIZE], bool *repeated, struct session *first);
/* Frees a key that this request has taken; fine where it took none. */
void repeat_give_up(struct http_call *call);

#endif
