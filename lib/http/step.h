/*
 * How each step of a call begins and ends. A step is one run of a call's code on one thread. The first is http_serve,
 * on the request thread; mostly it is the only one. A call that waits without a thread goes on in later steps, on job
 * threads (http/late.h).
 */
#ifndef HTTP_STEP_H
#define HTTP_STEP_H

#include "http/call.h"

/* Takes a call whose request, trace and caller are set. Makes call->out ready. Log lines of this thread name the call
 * until step_close. */
void step_open(struct http_call *call);
/* Frees what step_open made. responds: the call ends here. Then it frees the Idempotency-Key if there is an error,
 * sends the error or the response in the call, and writes the request's log line. If the connection was handed over,
 * its new owner does that. Without `responds` another step follows, and nothing is sent. */
void step_close(struct http_call *call, enum chat_error error, bool responds);

#endif
