/*
 * One connection to Postgres, as one thread uses it. It is made when first needed, made anew when it broke, and
 * every operation on it, connecting included, ends within its time limit: all waiting is poll() against one
 * deadline, in one function. (Names in the URL are resolved by getaddrinfo, which has no deadline: give an address,
 * a socket directory or a name that a local file knows.)
 *
 * Statements are prepared when first used, in the same round trip. A statement that failed because the connection
 * had died is tried once more where that is safe (statements.h); after a timeout the connection is closed, since the
 * server may still be busy with what was asked.
 */
#ifndef POSTGRES_CONN_H
#define POSTGRES_CONN_H

#include "base/clock.h"
#include "base/error.h"
#include "postgres/health.h"

enum { PG_TIMEOUT_MS = 2500, PG_SCHEMA_LEVEL_SIZE = 64 };

struct pg_conn;

/* Doesn't connect yet. `url` is copied; clock and health are borrowed. timeout_ms 0: PG_TIMEOUT_MS. NULL: no memory.
 * The clock must run: deadlines are read from it. */
struct pg_conn *pg_conn_open(const char *url, const struct clock *clock, struct pg_health *health, int timeout_ms);
void pg_conn_close(struct pg_conn *conn);

/* CHAT_OK: the server answers. CHAT_ERR_DATABASE_UNAVAILABLE. */
enum chat_error pg_ping(struct pg_conn *conn) MUST_CHECK;
/* The newest migration that is in the database, e.g. "0003"; "" where none is, or no migration tool ever ran. */
enum chat_error pg_schema_level(struct pg_conn *conn, char out[PG_SCHEMA_LEVEL_SIZE]) MUST_CHECK;

#endif
