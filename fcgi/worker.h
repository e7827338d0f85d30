/*
 * One worker process:
 *
 *   request threads   accept on the shared socket, one whole short request each, blocking style
 *   relay loop        one thread, owns every live stream (lib/relay)
 *   job threads       what follows a stream: save, settle
 *   main thread       signals and housekeeping
 */
#ifndef FCGI_WORKER_H
#define FCGI_WORKER_H

#include "fcgi/settings.h"

/* Runs until SIGTERM (drains: streams finish) or SIGINT, or a second SIGTERM (streams end as interrupted, stored).
 * A byte is written to ready_fd (-1: none) once requests are accepted. Returns the exit status. */
int worker_run(const struct settings *settings, int listen_fd, int ready_fd, const char *version);

#endif
