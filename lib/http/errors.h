/* The one table from errors to what a client sees. */
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

/* Every error but CHAT_OK. Static. */
const struct error_view *error_view(enum chat_error error);
/* Whether the same request may go well within a minute: `retryable` of the body. */
bool error_may_pass(const struct problem *problem);
/* Retry-After; and `x-should-retry: false` for SDKs, which else sleep for all of it and ask again, where another try
 * can't help within a minute, or has been made by us already. Every answer with an error's status has them. */
void error_add_headers(struct http_response *response, const struct problem *problem, struct arena *strings);
/* {"code":…,…}: the value of "error" in a body and in an event. */
void error_write(struct json_writer *json, const struct problem *problem, const char *request_id);

#endif
