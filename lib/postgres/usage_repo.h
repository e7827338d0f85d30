/* Use by day in Postgres: domain/usage_repo.h over one connection, which it borrows, and which must outlive it. */
#ifndef POSTGRES_USAGE_REPO_H
#define POSTGRES_USAGE_REPO_H

#include "domain/usage_repo.h"
#include "postgres/conn.h"

/* NULL: no memory. */
struct usage_repo *pg_usage_repo_open(struct pg_conn *conn);
void pg_usage_repo_close(struct usage_repo *repo);

#endif
