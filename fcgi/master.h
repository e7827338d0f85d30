/*
 * The first process: binds the socket that all workers share, starts them, starts dead ones again, reloads without a
 * cut (new workers accept on the same socket before the old ones drain).
 */
#ifndef FCGI_MASTER_H
#define FCGI_MASTER_H

#include "fcgi/settings.h"

struct master_options {
    const char *program;  /* path of this binary, for starting workers from whatever stands there then */
    const char *env_file; /* NULL: none */
};

/* Until SIGTERM or SIGINT, and until all streams ended, which a second signal or SIGINT hurries. Until SIGQUIT: the
 * workers finish their streams by themselves, and the socket is the next master's at once. Returns the exit status. */
int master_run(struct settings *settings, const struct master_options *options);

#endif
