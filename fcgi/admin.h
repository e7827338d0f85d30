/* What an operator does for one user by a command: make a token, hand all data out, erase it. It serves nothing. */
#ifndef FCGI_ADMIN_H
#define FCGI_ADMIN_H

#include "fcgi/settings.h"

/* All give the process' exit status: 0, 1 where a store was away or something is left, 2 for what is no user id. */

/* Everything as one JSON object on stdout; docs/operations/user-data.md has its form. */
int admin_export_user(const struct settings *settings, const char *user_id);
/* What went and what is left, as one JSON object on stdout. */
int admin_erase_user(const struct settings *settings, const char *user_id);

/* A token of the user on stdout, good for ttl_s seconds. 2 where this configuration can only check tokens. */
int admin_print_token(const struct settings *settings, const char *user_id, const char *role, int ttl_s);

#endif
