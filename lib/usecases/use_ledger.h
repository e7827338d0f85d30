/*
 * Use that no row of an answer tells of (completions, titles), gathered in the process and written to the days in
 * batches: no completion waits for Postgres, and while Postgres is away they are kept. One for the process; adding is
 * any thread's, flushing one thread's. A killed process loses what it gathered since the last flush.
 */
#ifndef USECASES_USE_LEDGER_H
#define USECASES_USE_LEDGER_H

#include "usecases/ports.h"

/* Keys that are gathered at most; more are told to the log and not counted. */
enum { USE_LEDGER_MAX = 20000 };

/* The clock is borrowed. NULL: no memory. */
struct use_ledger *use_ledger_open(const struct clock *clock);
void use_ledger_close(struct use_ledger *ledger);

/* `day` as in usage_key; completions 0: a title's. Tokens below 0 count as none. */
void use_ledger_add(struct use_ledger *ledger, const char *user_id, const char *day, const char *model, int completions,
                    const struct token_usage *usage, int64_t cost_micro_usd);
/* Writes what is there. false: Postgres is away; it is kept, call again. */
bool use_ledger_flush(struct use_ledger *ledger, struct usage_repo *repo);

#endif
