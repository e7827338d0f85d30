/*
 * A call that goes on after its request thread has left it. It waits for something that no thread should wait for:
 * another request, or an answer's end. A job looks at it now and then (usecases/stepped.h).
 */
#ifndef HTTP_LATE_H
#define HTTP_LATE_H

#include "http/call.h"

/* Runs on a job thread, with the call as it was, but without its body and parameters. It sets *wait_ms to be called
 * again after that time. Otherwise it ends as a handler does: with a response in the call, with an error, or with the
 * connection given on (call->handed_over). */
typedef enum chat_error late_step(struct http_call *call, void *context, int64_t *wait_ms);

/* Takes a reader's place and the connection (call->handed_over). Errors, in call->problem too: TOO_MANY_STREAMS,
 * OVERLOADED, SHUTTING_DOWN; the call is as before. */
struct late;
enum chat_error late_take(struct http_call *call, struct late **out);
/* Returns the arena in which everything lives that the context points to. */
struct arena *late_strings(struct late *late);
/* Takes `late` and its context, which is in late_strings. The first step runs after wait_ms. */
void late_start(struct late *late, const struct chat_ports *ports, late_step *step, void *context, int64_t wait_ms);

#endif
