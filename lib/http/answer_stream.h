/*
 * Who is attached to an answer over HTTP: an event stream (text/event-stream), or one call that waits for the
 * whole answer as JSON. Both are listeners (usecases/listener.h) over a connection; the one place that composes
 * an event. Event ids are `<r>.<c>`: bytes of reasoning and of content sent up to and with the event.
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
    bool counted;      /* the request was: quota headers are due */
    bool show_session; /* of the JSON form: the session was made by this call */
    bool resume;       /* continue behind reasoning_at.content_at, without a start event */
    size_t reasoning_at;
    size_t content_at;
};

/* Takes the connection out of the call (call->handed_over). NULL: it can't be had (CHAT_ERR_OVERLOADED is due). */
struct answer_listener *answer_stream_events(struct http_call *call, const struct answer_stream_start *start);
struct answer_listener *answer_stream_json(struct http_call *call, const struct answer_stream_start *start);

#endif
