/* Keeps a title that a model wrote, and counts what it cost. */
#ifndef USECASES_KEEP_TITLE_H
#define USECASES_KEEP_TITLE_H

#include "usecases/ports.h"

/* Takes what the model wrote. Stores it as the session's title, unless the session has got one of its user's meanwhile.
 * Sets *stored to the title, in the arena; NULL: it isn't the session's. false: there is no title in the text. */
bool keep_title(const struct chat_ports *ports, const char *session_id, const char *text, size_t len,
                struct arena *arena, const char **stored);

/* What was used for one title. */
struct title_use {
    const char *user_id, *day;         /* as in usage_key */
    struct token_usage usage;          /* as the provider told; all 0: it was never asked */
    size_t asked_bytes, written_bytes; /* for an estimate, if it told nothing; thoughts are written too */
};

/* Adds the use of the policy's title model to the ledger and the metrics, whatever became of the title. */
void keep_title_count(const struct chat_ports *ports, const struct title_use *use);

#endif
