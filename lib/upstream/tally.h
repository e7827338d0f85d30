/* What all requests to the provider have told: for the metrics, for the operator, for clients. Any thread. */
#ifndef UPSTREAM_TALLY_H
#define UPSTREAM_TALLY_H

#include "base/error.h"
#include "metrics/metrics.h"

/* A request that failed, for the metrics; CHAT_OK counts nowhere. */
void tally_failure(enum chat_error error, bool account_refused);
/* Takes how the provider treats this service's account now. The first process that sees a change logs it, and all
 * processes share it (metrics_tell_account). */
void tally_account(enum metrics_account stands);
/* Takes what the provider said to wait (-1: nothing). Returns the Retry-After for the client; 0: none. A 429 always has
 * one: as long as the model rests. */
int64_t tally_retry_after_s(enum chat_error error, int64_t told_s);

#endif
