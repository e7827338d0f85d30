/* How each step of a call begins and ends: its name in the log, its response, one log line. http_serve is the first
 * step; http/late.h makes others. */
#ifndef HTTP_STEP_H
#define HTTP_STEP_H

#include "http/call.h"

/* Takes a call whose request, trace and caller are set. Log lines of this thread name it until step_close. */
void step_open(struct http_call *call);
/* With `responds` it sends the error, or the response in the call, unless the connection was handed over. */
void step_close(struct http_call *call, enum chat_error error, bool responds);

#endif
