/* Keyset positions as opaque text: base64url of the sort, the time and the id of the last row seen. */
#ifndef HTTP_CURSOR_H
#define HTTP_CURSOR_H

#include "base/arena.h"
#include "domain/session_repo.h"

const char *cursor_encode(enum session_sort sort, const struct session_cursor *at, struct arena *arena);
/* false: not one of ours, or of another sort. */
bool cursor_decode(const char *text, enum session_sort sort, struct session_cursor *out);

#endif
