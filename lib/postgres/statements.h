/*
 * Every statement that is ever sent, in one table. Their columns come in fixed lists, which rows.c reads.
 */
#ifndef POSTGRES_STATEMENTS_H
#define POSTGRES_STATEMENTS_H

#include <stdbool.h>

#include "base/error.h"

enum pg_statement {
    PG_PING,
    PG_SCHEMA_LEVEL,
    PG_SESSION_CREATE,
    PG_SESSION_LIST_CREATED,
    PG_SESSION_LIST_UPDATED,
    PG_SESSION_SEARCH_CREATED,
    PG_SESSION_SEARCH_UPDATED,
    PG_SESSION_GET,
    PG_SESSION_UPDATE,
    PG_SESSION_REMOVE,
    PG_SESSION_ACTIVE,
    PG_SESSION_RESTORE,
    PG_SESSION_MODEL_TITLE,
    PG_SESSION_CONTEXT_START,
    PG_SESSION_PURGE,
    PG_MESSAGE_PAGE,
    PG_MESSAGE_AFTER,
    PG_MESSAGE_GET,
    PG_MESSAGE_FEEDBACK,
    PG_MESSAGE_STALE,
    PG_ANSWER_BEGIN_NEW_SESSION,
    PG_ANSWER_BEGIN_SEND,
    PG_ANSWER_BEGIN_REGENERATE,
    PG_ANSWER_END,
    PG_USAGE_COUNT,
    PG_USAGE_DAYS, /* the reports over all users: in the order of enum usage_group's sums */
    PG_USAGE_USERS,
    PG_USAGE_DAYS_USERS,
    PG_USAGE_MODELS,
    PG_USAGE_DAYS_MODELS,
    PG_USAGE_USERS_MODELS,
    PG_USAGE_DAYS_USERS_MODELS,
    PG_USAGE_OF_USER,
    PG_USAGE_ENGAGEMENT,
    PG_USER_DELETED,
    PG_USER_MESSAGES,
    PG_USER_ERASE,
    PG_USER_COUNT,
    PG_STATEMENT_COUNT
};

struct pg_statement_entry {
    const char *name; /* its name on the server, and `op` in the log */
    const char *sql;
    bool repeatable;          /* may be sent again if it's unknown whether it was done: twice has the effect of once */
    const char *constraint;   /* the unique constraint that a race may violate; NULL: none */
    enum chat_error conflict; /* the error for that */
};
extern const struct pg_statement_entry PG_STATEMENTS[PG_STATEMENT_COUNT];

/* Sent first on every connection; or in each transaction, if a pooler may give each another connection.
 * $1: statement_timeout in milliseconds, $2: for the transaction alone. Its first columns are those of PG_LOOK_SQL. */
extern const char PG_SETTINGS_SQL[];
/* Asks which server is at the other end. Columns: 0 whether it is read-only ('off': it takes writes; a standby says
 * 'on'), 1 its process, 2 when that server was started. */
extern const char PG_LOOK_SQL[];

/* Columns of the lists, counted from the column where each begins. */
enum { PG_SESSION_COLUMNS = 11, PG_MESSAGE_COLUMNS = 20, PG_USAGE_COLUMNS = 13 };

#endif
