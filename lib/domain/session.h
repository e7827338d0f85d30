/* A chat session: what it is and what its title may be. */
#ifndef DOMAIN_SESSION_H
#define DOMAIN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"

enum { SESSION_TITLE_MAX = 200 /* code points */, SESSION_MADE_TITLE_MAX = 60 };

/* Where a title came from: a later source replaces an earlier one, the user's is never replaced. */
enum title_source { TITLE_DEFAULT, TITLE_FIRST_MESSAGE, TITLE_MODEL, TITLE_USER };
extern const char SESSION_DEFAULT_TITLE[]; /* "New chat" */

struct session {
    char id[UUID_TEXT_SIZE];
    const char *title; /* never NULL in a filled session */
    enum title_source title_source;
    const char *model;
    int64_t created_at_ms;
    int64_t updated_at_ms;
    int64_t last_message_at_ms; /* 0: no message yet */
    int64_t message_count;
    bool pinned;
    bool archived;
    char context_starts_at[UUID_TEXT_SIZE]; /* the first message that the model was last shown; "": all, or none yet */
};

/* Checks a title: 1-200 code points, not only white space, valid UTF-8, no control characters. Returns NULL, or a
 * static sentence that says what a title takes. */
const char *session_title_problem(const char *title, size_t len);
/* Makes a title of a first message, in the arena, without its Markdown (plain_text.h). A run of white space becomes one
 * space; the text is trimmed, and cut at a word within 60 code points, with "…" (which is within the 60). Empty input
 * gives SESSION_DEFAULT_TITLE. */
const char *session_title_from(const char *text, size_t len, struct arena *arena);
const char *title_source_name(enum title_source source); /* as stored: default first_message model user */
bool title_source_parse(const char *name, enum title_source *out);

#endif
