/*
 * The body of a completion: what of it is ours to understand is checked, and bounded where it goes on to the provider.
 * All else passes as it came. A name that is one of ours in another spelling is refused: a provider that doesn't care
 * for upper and lower case would read it behind our bounds.
 */
#ifndef HTTP_COMPLETION_BODY_H
#define HTTP_COMPLETION_BODY_H

#include "http/call.h"

/* What the client asks for. */
struct completion_wish {
    const char *model; /* NULL: the default one */
    bool stream;
    bool usage; /* of a stream: its last chunk is to tell what it used */
    int count;  /* of answers (`n`) */
};

/* false after noting in call->problem what its fields take. Whether the model is offered isn't looked at. */
bool completion_body_read(struct http_call *call, struct completion_wish *out) MUST_CHECK;
/* The body for the provider, malloc'ed. NULL after noting why not. */
char *completion_body_for_provider(struct http_call *call, const struct completion_wish *wish, size_t *len) MUST_CHECK;

#endif
