/* The life of one request: token, flag, method and body, handler, response, one log line. */
#ifndef HTTP_SERVE_H
#define HTTP_SERVE_H

#include "http/call.h"

/* Answers the request (or hands its connection over). The arena is reset by the caller afterwards. */
void http_serve(const struct http_app *app, const struct chat_ports *ports, void *stores, struct http_request *request,
                struct arena *arena);

/* What each step of a call is between; the first is http_serve. What is logged meanwhile names the call; with
 * `responds` the error, or what stands in the call, is its response, unless it was handed over. */
void http_call_open(struct http_call *call);
void http_call_close(struct http_call *call, enum chat_error error, bool responds);

#endif
