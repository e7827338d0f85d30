/*
 * A call that goes on after its request thread has left it ("late"). It waits for something that no thread should wait
 * for: another request (http/repeat.c), or an answer's end (a stop, http/api_messages.c). It is a reply made step by
 * step (usecases/stepped.h): the loop keeps the connection, and now and then a job makes a step of the call.
 *
 *   request thread   late_take, then late_start
 *   loop             relay/steps.c waits for wait_ms, or closes the call if the client leaves
 *   job thread       late_step: looks again; asks for more time, responds, or gives the connection to a listener
 */
#ifndef HTTP_LATE_H
#define HTTP_LATE_H

#include "http/call.h"

/* A step: runs on a job thread, with the ports of that thread and the call as it was, but without its body and
 * parameters. It sets *wait_ms to be called again after that time. Otherwise it ends as a handler does: with a response
 * in the call, with an error, or with the connection given on (call->handed_over). */
typedef enum chat_error late_step(struct http_call *call, void *context, int64_t *wait_ms);

/* Takes a reader's place, and the connection out of the call (call->handed_over). CHAT_OK: *out is for late_start,
 * which has to follow. Errors, in call->problem too: TOO_MANY_STREAMS, OVERLOADED, SHUTTING_DOWN; then nothing was
 * taken. The request's thread. */
struct late;
enum chat_error late_take(struct http_call *call, struct late **out);
/* Returns the arena that lives as long as the call goes on: the context, and all that it points to, has to be in it. */
struct arena *late_strings(struct late *late);
/* Takes `late`, which is freed when the call is over or its client leaves, and the context for its steps. The first of
 * them runs after wait_ms. The request's thread, which has no more to do with the call then. */
void late_start(struct late *late, const struct chat_ports *ports, late_step *step, void *context, int64_t wait_ms);

#endif
