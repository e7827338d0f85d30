/* A request as libfcgi read it, for the HTTP layer. With records.c and accept.c all that knows FastCGI. */
#ifndef FCGI_REQUEST_H
#define FCGI_REQUEST_H

#include <fcgiapp.h>

#include "http/connection.h"

struct fcgi_request {
    struct http_request request; /* first */
    FCGX_Request *fcgi;
    bool taken; /* params and streams of libfcgi are gone */
};

/* Names and path are copied into the arena: they outlive the connection's being taken. */
void fcgi_request_init(struct fcgi_request *self, FCGX_Request *fcgi, struct arena *arena);

#endif
