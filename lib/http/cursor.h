/* Keyset positions as opaque text: base64url of the order and of the last row seen. */
#ifndef HTTP_CURSOR_H
#define HTTP_CURSOR_H

#include "base/arena.h"
#include "domain/session_repo.h"
#include "domain/usage_repo.h"

const char *cursor_encode(enum session_sort sort, const struct session_cursor *at, struct arena *arena);
/* false: the text is not one of our cursors, or of another sort. */
bool cursor_decode(const char *text, enum session_sort sort, struct session_cursor *out);

/* Encodes the keys that `group` (enum usage_group) has; the others are "". */
const char *cursor_encode_usage(unsigned group, const struct usage_key *at, struct arena *arena);
/* false: the text is not one of our cursors, or of another grouping. */
bool cursor_decode_usage(const char *text, unsigned group, struct usage_key *out);

#endif
