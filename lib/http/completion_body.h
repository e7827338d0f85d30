/*
 * The body of a completion. The fields that this service understands are checked, and bounded before they go on to the
 * provider. All others pass unchanged. A field with one of these names in another spelling is refused: a provider that
 * ignores case would read it past our bounds.
 */
#ifndef HTTP_COMPLETION_BODY_H
#define HTTP_COMPLETION_BODY_H

#include "http/call.h"

/* A client's request, as far as this service reads it. */
struct completion_wish {
    const char *model; /* NULL: the default one */
    bool stream;
    bool usage; /* of a stream: its last chunk is to have the usage */
    int count;  /* of answers (`n`) */
};

/* Reads what the client asks for; doesn't check whether the model is offered. false, after noting in call->problem what
 * the fields take. */
bool completion_body_read(struct http_call *call, struct completion_wish *out) MUST_CHECK;
/* Returns the body for the provider, malloc'ed, which the caller frees. NULL, after noting why in call->problem. */
char *completion_body_for_provider(struct http_call *call, const struct completion_wish *wish, size_t *len) MUST_CHECK;

#endif
