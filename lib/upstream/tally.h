/* What all requests to the provider have told: for the metrics, for the operator, for clients. */
#ifndef UPSTREAM_TALLY_H
#define UPSTREAM_TALLY_H

#include "base/error.h"
#include "metrics/metrics.h"

/* A request that failed, for the metrics; CHAT_OK counts nowhere. */
void tally_failure(enum chat_error error, bool account_refused);
/* How the account stands. The first that hears of it says so, of all processes; who is served again says that. */
void tally_account(enum metrics_account stands);
/* What a client is told of the wait; 0: nothing. A 429 always has one: as long as the model rests. */
int64_t tally_retry_after_s(enum chat_error error, int64_t told_s);

#endif
