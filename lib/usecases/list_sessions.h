/* The caller's sessions, newest first, deleted ones left out. */
#ifndef USECASES_LIST_SESSIONS_H
#define USECASES_LIST_SESSIONS_H

#include "domain/caller.h"
#include "domain/problem.h"
#include "usecases/ports.h"

enum { PAGE_LIMIT_MIN = 1, PAGE_LIMIT_MAX = 100, SEARCH_MAX = 200 /* code points */ };

/* Takes a query; its user_id is the caller's, whatever it holds. A search of white space alone counts as none. Returns
 * a page in the arena. Errors: VALIDATION_FAILED (limit, a search over SEARCH_MAX), INVALID_REQUEST (bad UTF-8), those
 * of the repository. */
enum chat_error list_sessions(const struct chat_ports *ports, const struct caller *caller,
                              const struct session_query *query, struct arena *arena, struct problem *problem,
                              struct session_page *out) MUST_CHECK;

#endif
