#include "upstream/upstream.h"

#include <stdlib.h>

#include "upstream/pools.h"

static bool make_headers(struct upstream *upstream)
{
    const char *lines[] = {upstream->settings.provider->authorization,
                           "Content-Type: application/json",
                           "Accept: text/event-stream, application/json",
                           "Accept-Encoding: identity",
                           "Expect:",
                           "User-Agent: chat-fcgi"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct curl_slist *more = curl_slist_append(upstream->headers, lines[i]);
        if (!more) return false;
        upstream->headers = more;
    }
    return true;
}

struct upstream *upstream_open(const struct upstream_settings *settings)
{
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream) return NULL;
    upstream->settings = *settings;
    if (curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK && make_headers(upstream)) {
        upstream->pools = pools_open(upstream, settings->max_transfers);
        if (upstream->pools) return upstream;
    }
    upstream_close(upstream);
    return NULL;
}

void upstream_close(struct upstream *upstream)
{
    if (!upstream) return;
    pools_close(upstream->pools);
    curl_slist_free_all(upstream->headers);
    curl_global_cleanup();
    free(upstream);
}
