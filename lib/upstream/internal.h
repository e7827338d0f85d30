/* struct upstream, for the files of lib/upstream alone; upstream.c makes and frees it. The loop's thread alone. */
#ifndef UPSTREAM_INTERNAL_H
#define UPSTREAM_INTERNAL_H

#include <curl/curl.h>

#include "upstream/settings.h"

struct upstream {
    struct upstream_settings settings;
    struct pools *pools;
    struct warm *warm; /* NULL: none is kept */
    struct curl_slist *headers;
    struct provider_reason reason; /* of the newest refusal */
    bool calling;                  /* libcurl is calling us, so nothing may be removed from it */
    struct reading {               /* which question was handed pieces, and isn't told yet that the reading is over */
        void *owner;               /* NULL: nobody */
        void (*done)(void *owner);
    } reading;
};

#endif
