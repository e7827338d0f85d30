/* Turns rows of the column lists (statements.c) into domain values; copies texts into the arena. */
#ifndef POSTGRES_ROWS_H
#define POSTGRES_ROWS_H

#include "domain/message.h"
#include "domain/session.h"
#include "domain/usage.h"
#include "postgres/query.h"

/* `column`: where the list begins. */
void pg_session_from_row(const PGresult *result, int row, int column, struct arena *arena, struct session *out);
void pg_message_from_row(const PGresult *result, int row, int column, struct arena *arena, struct message *out);
void pg_usage_from_row(const PGresult *result, int row, int column, struct usage_counts *out); /* NULL is 0 */
/* Reads a uuid column; "" for NULL. */
void pg_id_from_row(const PGresult *result, int row, int column, char out[UUID_TEXT_SIZE]);

#endif
