/*
 * One connection to Postgres, for one thread. It is made when first needed, and made again when it broke. Every
 * operation on it, connecting included, ends within its time limit: all waiting is poll() against one deadline, in one
 * function. (getaddrinfo resolves names in the URL, and has no deadline: give an address, a socket directory, or a name
 * that a local file has.)
 *
 * Statements are prepared when first used, in the same round trip. If a statement failed because the connection had
 * died, it is tried once more where that is safe (statements.h). After a timeout the connection is closed, since the
 * server may still be busy with the statement.
 */
#ifndef POSTGRES_CONN_H
#define POSTGRES_CONN_H

#include "base/clock.h"
#include "base/error.h"
#include "postgres/health.h"

enum { PG_TIMEOUT_MS = 2500, PG_SCHEMA_LEVEL_SIZE = 64 };

struct pg_conn;

/* Copies `url`; borrows clock and health. timeout_ms 0: PG_TIMEOUT_MS. Doesn't connect yet. NULL: no memory. The clock
 * must run: deadlines are read from it. */
struct pg_conn *pg_conn_open(const char *url, const struct clock *clock, struct pg_health *health, int timeout_ms);
void pg_conn_close(struct pg_conn *conn);

/* Returns CHAT_OK if the server answers. Errors: CHAT_ERR_DATABASE_UNAVAILABLE. */
enum chat_error pg_ping(struct pg_conn *conn) MUST_CHECK;
/* Fills `out` with the newest migration in the database, e.g. "0003"; "" if there is none, or no migration tool ever
 * ran. */
enum chat_error pg_schema_level(struct pg_conn *conn, char out[PG_SCHEMA_LEVEL_SIZE]) MUST_CHECK;

#endif
