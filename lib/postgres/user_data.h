/* A user's data in Postgres: domain/user_data.h over one connection, which it borrows, and which must outlive it. */
#ifndef POSTGRES_USER_DATA_H
#define POSTGRES_USER_DATA_H

#include "domain/user_data.h"
#include "postgres/conn.h"

/* NULL: no memory. */
struct user_data *pg_user_data_open(struct pg_conn *conn);
void pg_user_data_close(struct user_data *data);

#endif
