/* Sessions in Postgres: domain/session_repo.h over one connection, which it borrows and must outlive it. */
#ifndef POSTGRES_SESSION_REPO_H
#define POSTGRES_SESSION_REPO_H

#include "domain/session_repo.h"
#include "postgres/conn.h"

/* NULL: no memory. */
struct session_repo *pg_session_repo_open(struct pg_conn *conn);
void pg_session_repo_close(struct session_repo *repo);

/* Removes for good, with their messages, at most `limit` sessions deleted before `before_ms`. Fewer than limit in
 * *purged: none are left. */
enum chat_error pg_purge_sessions(struct pg_conn *conn, int64_t before_ms, int limit, int *purged) MUST_CHECK;

#endif
