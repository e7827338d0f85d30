/*
 * A request and its client without a web server: the test fills in what came, and reads what went out, whether it was
 * answered at once or through a connection that was taken over.
 */
#ifndef FAKES_FAKE_REQUEST_H
#define FAKES_FAKE_REQUEST_H

#include "http/connection.h"

enum { FAKE_PARAMS_MAX = 16 };

struct fake_request {
    struct http_request request; /* first: the port; method, path and query are the test's to set */
    struct {
        const char *name, *value;
    } params[FAKE_PARAMS_MAX]; /* in CGI form */
    size_t param_count;
    const char *body;
    size_t body_len;
    bool broken_body; /* it broke off */
    bool take_fails;  /* no memory for a connection */
    size_t room;      /* bytes a taken connection's client takes at a time; 0: all */
    bool client_gone; /* writes find nobody */

    /* what went out */
    int responses; /* whole responses and heads of taken ones: one in the end */
    bool body_read, taken, finished, torn, closed;
    bool held;   /* a head, or what was written after cork: nothing has sent it yet */
    int singles; /* ends that went out together with the last of the body */
    int status;
    struct arena arena; /* of the headers below */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
    struct buf out;     /* the body, NUL-terminated by fake_request_body */
    struct buf waiting; /* written, but not taken by the client yet */
    int flushes;
    bool corked;
};

void fake_request_init(struct fake_request *self, const char *method, const char *path);
void fake_request_fini(struct fake_request *self);
void fake_request_param(struct fake_request *self, const char *name, const char *value);
/* As JSON. */
void fake_request_json(struct fake_request *self, const char *body);
/* NULL: there was none. */
const char *fake_request_header(const struct fake_request *self, const char *name);
const char *fake_request_body(struct fake_request *self);

#endif
