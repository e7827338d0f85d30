/*
 * Whether Postgres is thought to be there: one view for all connections of a process.
 *
 *   healthy ──a timeout, a failed connect──► suspect ──a probe that works──► healthy
 *
 * While it is suspect one call at a time goes through, as the probe; all others are refused at once. So a frozen
 * Postgres holds one request thread, not all of them. Between failed probes lie 100 ms to 1 s, jittered.
 * Any thread.
 */
#ifndef POSTGRES_HEALTH_H
#define POSTGRES_HEALTH_H

#include <stdbool.h>

#include "base/clock.h"

struct pg_health;

/* NULL: no memory. The clock is borrowed. */
struct pg_health *pg_health_open(const struct clock *clock);
void pg_health_close(struct pg_health *health);

/* Asks before an operation. false: refuse it. *probe says that the operation is the probe; hand it back below. */
bool pg_health_enter(struct pg_health *health, bool *probe);
/* Tells how each operation that was let in went: `reached` = the server answered, if only with an error. */
void pg_health_leave(struct pg_health *health, bool probe, bool reached);
bool pg_health_suspect(struct pg_health *health);

#endif
