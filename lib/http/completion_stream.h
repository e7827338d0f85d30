/* The client of a completion that is passed through (usecases/completion.h), over a connection. */
#ifndef HTTP_COMPLETION_STREAM_H
#define HTTP_COMPLETION_STREAM_H

#include "http/call.h"
#include "usecases/completion.h"

/* Takes the connection out of the call (call->handed_over). Returns the client; NULL: the connection can't be taken,
 * and the caller answers CHAT_ERR_OVERLOADED. */
struct completion_client *completion_stream(struct http_call *call, bool stream, const struct quota *quota);

#endif
