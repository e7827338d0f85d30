/*
 * Whether Postgres is thought to be there: one view for all connections of a process.
 *
 *   healthy ──a timeout, a failed connect──► suspect ──a probe that works──► healthy
 *
 * While it is suspect one call at a time goes through, as the probe; all others are refused at once. So a frozen
 * Postgres holds one request thread, not all of them. Between failed probes lie 100 ms to 1 s, jittered.
 * The same for which server the connections lead to, and through what. Any thread.
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

/* Asks before an operation. false: refuse it. *probe says that the operation is the probe; hand it back below. */
bool pg_health_enter(struct pg_health *health, bool *probe);
/* Tells how each operation that was let in went: `reached` = the server answered, if only with an error. */
void pg_health_leave(struct pg_health *health, bool probe, bool reached);
bool pg_health_suspect(struct pg_health *health);

/* Connections of an earlier generation than this lead to a server that is no primary any more, and are left. */
unsigned pg_health_generation(struct pg_health *health);
/* A connection of that generation met a server that takes no writes: all others of it are left too. */
void pg_health_renew(struct pg_health *health, unsigned generation, const char *reason);
/* A new connection of that generation says when the server at its other end was started: another server than the one
 * that the others know takes its place. Gives the generation that this connection belongs to from now on. */
unsigned pg_health_note_server(struct pg_health *health, unsigned generation, int64_t started_us);

/* Whether statements may be prepared by name, and settings made for a whole connection; true at first. Not behind a
 * pooler that gives each transaction another connection. */
bool pg_health_prepares(struct pg_health *health);
void pg_health_dont_prepare(struct pg_health *health);

/* With which of several hosts a connection begins: one that doesn't answer takes the whole time of a try. */
unsigned pg_health_host_turn(struct pg_health *health);
void pg_health_next_host(struct pg_health *health, unsigned turn);

#endif
