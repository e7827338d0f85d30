/* The one table that turns an error into what a client sees. */
#ifndef HTTP_ERRORS_H
#define HTTP_ERRORS_H

#include "base/json.h"
#include "domain/problem.h"
#include "http/connection.h"

struct error_view {
    int status;
    const char *type;    /* OpenAI's class of error */
    const char *message; /* for people: what to do */
    bool retryable;
};

/* Takes any error but CHAT_OK. Returns its row; static. */
const struct error_view *error_view(enum chat_error error);
/* Returns whether the same request may succeed within a minute: `retryable` of the body. */
bool error_may_pass(const struct problem *problem);
/* Adds Retry-After. If another try can't help within a minute, or this service has made it already, it also adds
 * `x-should-retry: false`; otherwise SDKs would sleep for the whole time and ask again. Called for every response with
 * an error's status. */
void error_add_headers(struct http_response *response, const struct problem *problem, struct arena *strings);
/* Writes {"code":…,…}, the value of "error" in a body and in an event. */
void error_write(struct json_writer *json, const struct problem *problem, const char *request_id);

#endif
