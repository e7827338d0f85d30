/*
 * REDIS_URL taken apart: redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N]
 * (unix:/path too). User, password and path are percent-decoded; an IPv6 address stands in brackets; db is also
 * taken as ?db=N. No TLS: hiredis 0.14 has none, so rediss:// is refused rather than spoken in the clear.
 */
#ifndef REDIS_URL_H
#define REDIS_URL_H

#include <stdbool.h>

struct redis_url {
    bool is_unix;
    char host[256]; /* name, address, or the socket's path */
    int port;
    int db;
    char user[128];     /* "" = none */
    char password[512]; /* "" = none; a secret */
};

/* NULL: *out is filled. Else a static sentence that holds nothing of the URL. Pure, any thread. */
const char *redis_url_parse(const char *text, struct redis_url *out);

#endif
