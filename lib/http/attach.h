/* Attaching a client to an answer that is there already. */
#ifndef HTTP_ATTACH_H
#define HTTP_ATTACH_H

#include "http/answer_stream.h"

/* From a Last-Event-ID: how much the client has. */
struct resume_point {
    bool given;
    bool ended; /* it has the closing event */
    size_t reasoning_at, content_at;
};

struct attach_form {
    bool as_json;      /* wait for the whole answer */
    bool show_session; /* as JSON: with its session */
    bool counted;      /* the route counts (this request doesn't): quota headers are due */
    struct resume_point at;
};

/* Takes the connection; the message is the caller's own answer. Errors, before that, in call->problem. */
enum chat_error attach_to_answer(struct http_call *call, const struct message *message, const struct attach_form *form);

#endif
