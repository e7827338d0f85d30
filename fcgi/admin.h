/* What an operator does with all of one user's data, by a command: hand it out, erase it. Doesn't serve anything. */
#ifndef FCGI_ADMIN_H
#define FCGI_ADMIN_H

#include "fcgi/settings.h"

/* Both give the process' exit status: 0, 1 where a store was away or something is left, 2 for what is no user id. */

/* Everything as one JSON object on stdout; docs/operations/user-data.md has its form. */
int admin_export_user(const struct settings *settings, const char *user_id);
/* What went and what is left, as one JSON object on stdout. */
int admin_erase_user(const struct settings *settings, const char *user_id);

#endif
