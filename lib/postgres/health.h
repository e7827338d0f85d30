/*
 * One view of whether Postgres is there, for all connections of a process.
 *
 *   healthy ──a timeout, a failed connect──► suspect ──a probe that works──► healthy
 *
 * While it is suspect, one call at a time goes through, as the probe; all others are refused at once. So a frozen
 * Postgres holds one request thread, not all of them. Failed probes are 100 ms to 1 s apart, jittered. The connections
 * also share here which server they lead to, and whether through a pooler. Any thread.
 */
#ifndef POSTGRES_HEALTH_H
#define POSTGRES_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct pg_health;

/* NULL: no memory. The clock is borrowed. */
struct pg_health *pg_health_open(const struct clock *clock);
void pg_health_close(struct pg_health *health);

/* Called before an operation. false: refuse it. *probe: the operation is the probe; hand it back below. */
bool pg_health_enter(struct pg_health *health, bool *probe);
/* Reports how an operation went that was let in. `reached`: the server answered, if only with an error. */
void pg_health_leave(struct pg_health *health, bool probe, bool reached);
bool pg_health_suspect(struct pg_health *health);

/* Returns the current generation. Connections of an earlier one lead to a server that is no longer the primary; their
 * owners close them. */
unsigned pg_health_generation(struct pg_health *health);
/* Reports that a connection of that generation met a server that takes no writes. All others of it are closed too. */
void pg_health_renew(struct pg_health *health, unsigned generation, const char *reason);
/* Reports when the server of a new connection of that generation was started. If it is another server than the others
 * know, it replaces that one. Returns the generation that this connection belongs to from now on. */
unsigned pg_health_note_server(struct pg_health *health, unsigned generation, int64_t started_us);

/* Returns whether statements may be prepared by name, and settings made for a whole connection; true at first. They may
 * not behind a pooler that gives each transaction another connection. */
bool pg_health_prepares(struct pg_health *health);
void pg_health_dont_prepare(struct pg_health *health);

/* Returns which of several hosts a connection tries first. A host that doesn't answer takes the whole time of a try. */
unsigned pg_health_host_turn(struct pg_health *health);
void pg_health_next_host(struct pg_health *health, unsigned turn);

#endif
