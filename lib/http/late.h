/*
 * A call that goes on after its request thread has left it: it waits for something that no thread should wait for
 * (another request, an answer's end), and is looked at by a job now and then (usecases/stepped.h).
 */
#ifndef HTTP_LATE_H
#define HTTP_LATE_H

#include "http/call.h"

/* On a job thread, with a call as it was, but without its body and parameters. Sets *wait_ms: to be called again after
 * so long. Else as a handler: a response stands in the call, or an error is given back, or the connection was given on
 * (call->handed_over). */
typedef enum chat_error late_step(struct http_call *call, void *context, int64_t *wait_ms);

/* Takes a reader's place and the connection (call->handed_over). CHAT_OK, or in call->problem TOO_MANY_STREAMS,
 * OVERLOADED, SHUTTING_DOWN: the call is as before. */
struct late;
enum chat_error late_take(struct http_call *call, struct late **out);
/* What the context points to lives there. */
struct arena *late_strings(struct late *late);
/* The first step comes after wait_ms. The context is in late_strings. */
void late_start(struct late *late, const struct chat_ports *ports, late_step *step, void *context, int64_t wait_ms);

#endif
