/* Starts request threads and the keeper. The loop and the job pools start their threads by themselves (lib/loop). */
#ifndef FCGI_THREAD_H
#define FCGI_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Takes what the thread runs, and what that is given (borrowed as long as it runs). Starts it on a small stack.
 * Returns true: *out is the caller's to join. false: no thread is to be had. Any thread. */
bool thread_start(pthread_t *out, void *(*run)(void *), void *argument);

#endif
