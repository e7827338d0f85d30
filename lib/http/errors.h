/* The one table from errors to what a client sees. */
#ifndef HTTP_ERRORS_H
#define HTTP_ERRORS_H

#include "base/json.h"
#include "domain/problem.h"

struct error_view {
    int status;
    const char *type;    /* OpenAI's class of error */
    const char *message; /* for people: what to do */
    bool retryable;
};

/* Every error but CHAT_OK. Static. */
const struct error_view *error_view(enum chat_error error);
/* {"code":…,…}: the value of "error" in a body and in an event. */
void error_write(struct json_writer *json, const struct problem *problem, const char *request_id);

#endif
