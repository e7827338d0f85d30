/* Asking a model for the title of a session. */
#ifndef USECASES_TITLE_PROMPT_H
#define USECASES_TITLE_PROMPT_H

#include "usecases/ports.h"

/* Returns whether to ask for a title: a model is set for it, and this question opens a session without a title of the
 * user's. */
bool title_wanted(const struct chat_policy *policy, const struct session *session, const struct message *question);
/* Returns the request body for the provider, malloc'ed. NULL: it can't be made, and the session keeps its title.
 * low_effort: as in struct prompt. */
char *title_prompt(const struct chat_ports *ports, const struct message *question, bool low_effort, size_t *len);
/* Takes what a model wrote. Returns it as a title, in the arena: plain text on one line, without quotes around it, cut
 * like every made title. NULL: there is nothing usable. */
const char *title_from_answer(const char *text, size_t len, struct arena *arena);

#endif
