#include "upstream/tally.h"

#include "base/log.h"
#include "domain/breaker.h"

void tally_account(enum metrics_account stands)
{
    if (!metrics_tell_account(stands)) return;
    if (stands == ACCOUNT_REFUSED)
        log_write(LOG_ERROR, "provider_key_refused",
                  LOG_STR("hint", "the provider takes neither SAMBANOVA_API_KEY nor its account: see /readyz"));
    else
        log_write(LOG_INFO, "provider_key_taken");
}

void tally_failure(enum chat_error error, bool account_refused)
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

int64_t tally_retry_after_s(enum chat_error error, int64_t told_s)
{
    if (error == CHAT_ERR_UPSTREAM_RATE_LIMITED) return breaker_rest_s(told_s);
    return told_s > 0 ? told_s : 0;
}
