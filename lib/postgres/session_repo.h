/* Sessions in Postgres: domain/session_repo.h over one connection, which it borrows, and which must outlive it. */
#ifndef POSTGRES_SESSION_REPO_H
#define POSTGRES_SESSION_REPO_H

#include "domain/session_repo.h"
#include "postgres/conn.h"

/* NULL: no memory. */
struct session_repo *pg_session_repo_open(struct pg_conn *conn);
void pg_session_repo_close(struct session_repo *repo);

#endif
