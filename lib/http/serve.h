/* The life of one request: token, flag, method and body, handler, response, one log line. */
#ifndef HTTP_SERVE_H
#define HTTP_SERVE_H

#include "http/call.h"

/* Answers the request, or hands its connection over. The caller resets the arena afterwards. */
void http_serve(const struct http_app *app, const struct chat_ports *ports, void *stores, struct http_request *request,
                struct arena *arena);

/* Open and close each step of a call; http_serve is the first step. Log lines between them name the call. With
 * `responds`, close sends the error, or the response in the call, unless the connection was handed over. */
void http_call_open(struct http_call *call);
void http_call_close(struct http_call *call, enum chat_error error, bool responds);

#endif
