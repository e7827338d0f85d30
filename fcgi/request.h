/* A request as libfcgi read it, for the HTTP layer: struct http_request over an FCGX_Request. The request's thread. */
#ifndef FCGI_REQUEST_H
#define FCGI_REQUEST_H

#include <fcgiapp.h>

#include "http/connection.h"

struct fcgi_request {
    struct http_request request; /* first */
    FCGX_Request *fcgi;
    bool taken; /* params and streams of libfcgi are gone */
};

/* Takes a request that libfcgi has read, borrowed until FCGX_Finish_r. Method, path, query and request id are copied
 * into the arena, so they outlive `take`, which frees libfcgi's. Header values don't. */
void fcgi_request_init(struct fcgi_request *self, FCGX_Request *fcgi, struct arena *arena);

#endif
