/*
 * Runs a statement and reads its rows; for the files of this folder alone.
 */
#ifndef POSTGRES_QUERY_H
#define POSTGRES_QUERY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "postgres/statements.h"

struct pg_conn; /* postgres/conn.h, whose .c runs what is here */
enum { PG_MAX_PARAMS = 24 };

/* Values for $1, $2, … in the order they are added. Texts are borrowed. Zero it first. */
struct pg_params {
    const char *values[PG_MAX_PARAMS];
    int lengths[PG_MAX_PARAMS];
    int formats[PG_MAX_PARAMS]; /* 1: raw bytes with a length, 0: a C string */
    char numbers[PG_MAX_PARAMS][24];
    int count;
};
void pg_add_text(struct pg_params *params, const char *text); /* NULL is SQL's NULL */
/* For a parameter of type text: raw bytes, which the server checks for UTF-8 and NUL. */
void pg_add_bytes(struct pg_params *params, const char *bytes, size_t len);
void pg_add_int(struct pg_params *params, int64_t number);
void pg_add_int_or_null(struct pg_params *params, int64_t number, bool is_null);

/* Runs the statement. CHAT_OK: the caller owns *result, and calls PQclear. CHAT_ERR_DATABASE_UNAVAILABLE: Postgres is
 * away, too slow, or refuses work. CHAT_ERR_INVALID_REQUEST: a text with NUL or bad UTF-8, or an id that is no UUID.
 * The statement's conflict error: see statements.h. CHAT_ERR_INTERNAL: anything else, logged. */
enum chat_error pg_exec(struct pg_conn *conn, enum pg_statement statement, const struct pg_params *params,
                        PGresult **result) MUST_CHECK;

/* These read one field of a row, by column number. */
const char *pg_text(const PGresult *result, int row, int column, struct arena *arena, size_t *len); /* NULL: NULL */
int64_t pg_int(const PGresult *result, int row, int column, int64_t if_null);
bool pg_bool(const PGresult *result, int row, int column);

#endif
