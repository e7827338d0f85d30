/* Messages in Postgres: domain/message_repo.h over one connection, which it borrows, and which must outlive it. The
 * input of begin_answer must not lie within its output. */
#ifndef POSTGRES_MESSAGE_REPO_H
#define POSTGRES_MESSAGE_REPO_H

#include "domain/message_repo.h"
#include "postgres/conn.h"

/* NULL: no memory. */
struct message_repo *pg_message_repo_open(struct pg_conn *conn);
void pg_message_repo_close(struct message_repo *repo);

#endif
