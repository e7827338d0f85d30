/* The life of one request: token, flag, method and body, handler, response, one log line. */
#ifndef HTTP_SERVE_H
#define HTTP_SERVE_H

#include "http/call.h"

/* Answers the request, or hands its connection over. The caller resets the arena afterwards. */
void http_serve(const struct http_app *app, const struct chat_ports *ports, void *stores, struct http_request *request,
                struct arena *arena);

#endif
