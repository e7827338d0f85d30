/* Asking a model for the title of a session. */
#ifndef USECASES_TITLE_PROMPT_H
#define USECASES_TITLE_PROMPT_H

#include "usecases/ports.h"

/* Whether a title is to be asked for: a model is set for it, and this question opens a session that has no title of the
 * user's. */
bool title_wanted(const struct chat_policy *policy, const struct session *session, const struct message *question);
/* The provider's request body, malloc'ed; NULL: it can't be made (then the session keeps the title it has). low_effort:
 * as in struct prompt. */
char *title_prompt(const struct chat_ports *ports, const struct message *question, bool low_effort, size_t *len);
/* What a model wrote as it may be stored: plain text on one line, without quotes around it, cut like every made title.
 * NULL: nothing usable. */
const char *title_from_answer(const char *text, size_t len, struct arena *arena);

#endif
