/*
 * The two listeners (usecases/listener.h) over an HTTP connection: an event stream (text/event-stream), and a call that
 * waits for the whole answer as JSON. Events are composed here and nowhere else. Event ids are `<r>.<c>`: the bytes of
 * reasoning and of content sent up to and with the event.
 */
#ifndef HTTP_ANSWER_STREAM_H
#define HTTP_ANSWER_STREAM_H

#include "http/call.h"
#include "usecases/listener.h"

struct answer_stream_start {
    const struct session *session;
    const struct message *question; /* NULL: not known */
    const struct message *answer;
    const struct quota *quota;
    bool counted;      /* the request was counted: send quota headers */
    bool show_session; /* of the JSON form: this call made the session */
    bool resume;       /* continue after reasoning_at.content_at, without a start event */
    size_t reasoning_at;
    size_t content_at;
};

/* Takes the connection out of the call (call->handed_over). Returns the listener; NULL: the connection can't be taken,
 * and the caller answers CHAT_ERR_OVERLOADED. */
struct answer_listener *answer_stream_events(struct http_call *call, const struct answer_stream_start *start);
struct answer_listener *answer_stream_json(struct http_call *call, const struct answer_stream_start *start);

#endif
