#include "upstream/upstream.h"

#include <stdlib.h>

#include "base/log.h"
#include "upstream/internal.h"

void upstream_tell_account(enum metrics_account stands)
{
    if (!metrics_tell_account(stands)) return;
    if (stands == ACCOUNT_REFUSED)
        log_write(LOG_ERROR, "provider_key_refused",
                  LOG_STR("hint", "the provider takes neither SAMBANOVA_API_KEY nor its account: see /readyz"));
    else
        log_write(LOG_INFO, "provider_key_taken");
}

void upstream_count(enum chat_error error, bool account_refused)
{
    enum metrics_upstream kind = UPSTREAM_OTHER;
    if (error == CHAT_OK) return;
    if (account_refused)
        kind = UPSTREAM_ACCOUNT;
    else if (error == CHAT_ERR_UPSTREAM_TIMEOUT)
        kind = UPSTREAM_TIMEOUT;
    else if (error == CHAT_ERR_UPSTREAM_RATE_LIMITED)
        kind = UPSTREAM_RATE_LIMITED;
    else if (error == CHAT_ERR_UPSTREAM_INVALID_RESPONSE)
        kind = UPSTREAM_INVALID;
    metrics_add(&metrics->counters.upstream_errors[kind], 1);
}

int64_t upstream_retry_after_s(enum chat_error error, int64_t told_s)
{
    if (error == CHAT_ERR_UPSTREAM_RATE_LIMITED) return breaker_rest_s(told_s);
    return told_s > 0 ? told_s : 0;
}

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
