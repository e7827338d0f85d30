/*
 * The request threads: they wait for connections on the socket that all workers share. Each serves one whole short
 * request at a time, blocking style: libfcgi reads it, request.h makes it a struct http_request, http_serve answers it
 * or gives its connection to the relay. accept.c and request.c are all that knows libfcgi; records.c writes FastCGI's
 * records by itself.
 */
#ifndef FCGI_ACCEPT_H
#define FCGI_ACCEPT_H

#include <stdbool.h>

#include "fcgi/stores.h"
#include "http/call.h"

struct accept_settings {
    int listen_fd; /* doesn't block; borrowed */
    int stop_fd;   /* an eventfd that is readable once nothing more is to be taken; borrowed */
    int threads;
    const struct http_app *app; /* borrowed */
    const struct stores_base *base;
    struct answers *answers; /* the relay's port; borrowed */
};

/* Starts libfcgi, which takes signal handlers of its own: the caller sets them again behind it. Once, before there are
 * threads. */
void accept_init(void);

struct acceptor;
/* Takes settings, which are copied. Starts nothing. Returns what the calls below take; NULL: out of memory. The first
 * thread owns it: it makes all of these calls. */
struct acceptor *acceptor_open(const struct accept_settings *settings);
/* Starts the threads, each with stores of its own. false: out of memory, descriptors or threads; those that had been
 * started run until acceptor_join. */
bool acceptor_start(struct acceptor *acceptor);
/* After stop_fd became readable: waits until each thread has served what it had taken. NULL is fine. */
void acceptor_join(struct acceptor *acceptor);
/* After acceptor_join, and once the relay is closed: what a request began may still use its thread's ports. Frees it.
 * NULL is fine. */
void acceptor_close(struct acceptor *acceptor);

#endif
