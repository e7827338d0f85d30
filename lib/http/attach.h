/* Attaching a client to an answer that is there already, running or over; api_stream.c does it. For its own route, and
 * for a repeat by Idempotency-Key (repeat.c). */
#ifndef HTTP_ATTACH_H
#define HTTP_ATTACH_H

#include "http/answer_stream.h"

/* How much the client has, from its Last-Event-ID. */
struct resume_point {
    bool given;
    bool ended; /* it has the closing event */
    size_t reasoning_at, content_at;
};

struct attach_form {
    bool as_json;      /* wait for the whole answer */
    bool show_session; /* as JSON: with its session */
    bool counted;      /* the route counts, though not this request: send quota headers */
    struct resume_point at;
};

/* Takes an answer of the caller's own. CHAT_OK: the connection was taken (call->handed_over), and the relay has it.
 * Errors come before the connection is taken, and are in call->problem too. A request thread; or a step of late.h,
 * whose reader's place is used then (call->has_reader). */
enum chat_error attach_to_answer(struct http_call *call, const struct message *message, const struct attach_form *form);

#endif
