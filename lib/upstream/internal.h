/* struct upstream, for the files of lib/upstream alone; upstream.c makes and frees it. The
 * loop's thread; settings and headers never change, so any thread may read them. */
#ifndef UPSTREAM_INTERNAL_H
#define UPSTREAM_INTERNAL_H

#include <curl/curl.h>

#include "upstream/pace.h"
#include "upstream/settings.h"

enum {
    UPSTREAM_READ_BYTES = 16 << 10, /* at once: a TLS record's size, so that none is read in two parts */
    UPSTREAM_SEND_BYTES = 16 << 10,
};

struct upstream {
    struct upstream_settings settings;
    struct connections *connections;
    struct pace pace;
    struct warm *warm; /* NULL: none is kept */
    bool tls;
    const char *completions_target, *models_target; /* of a request: the path of an URL */
    char *head_lines;                /* of every request, the host's and the key's among them; a secret */
    struct curl_slist *headers;      /* the same but the host's, for libcurl (blocking.c) */
    struct provider_reason reason;   /* of the newest refusal */
    char bytes[UPSTREAM_READ_BYTES]; /* what is being read; handed on in place */
    char outgoing[UPSTREAM_SEND_BYTES];
};

#endif
