/*
 * Gathers use that no answer's row holds (completions, titles), and writes it to the days in batches. So no completion
 * waits for Postgres, and while Postgres is away the use is kept. There is one for the process. Any thread may add; one
 * thread flushes. A killed process loses what it gathered since the last flush.
 */
#ifndef USECASES_USE_LEDGER_H
#define USECASES_USE_LEDGER_H

#include "usecases/ports.h"

/* The most keys that are gathered; more are logged and not counted. */
enum { USE_LEDGER_MAX = 20000 };

/* Borrows the clock. NULL: no memory. */
struct use_ledger *use_ledger_open(const struct clock *clock);
void use_ledger_close(struct use_ledger *ledger);

/* Adds one use. `day` as in usage_key; completions 0: of a title. Tokens below 0 count as none. */
void use_ledger_add(struct use_ledger *ledger, const char *user_id, const char *day, const char *model, int completions,
                    const struct token_usage *usage, int64_t cost_micro_usd);
/* Writes what was gathered. false: Postgres is away, and it is kept; call again. */
bool use_ledger_flush(struct use_ledger *ledger, struct usage_repo *repo);

#endif
