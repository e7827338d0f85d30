/* What the model gets to see: the system prompt and the last messages that count. */
#ifndef DOMAIN_CONTEXT_H
#define DOMAIN_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "domain/message.h"

struct turn {
    enum message_role role;
    const char *content; /* borrowed */
    size_t content_len;
};

struct prompt {
    const char *model;
    int max_tokens;
    const struct turn *turns; /* oldest first; system prompt first where there is one, then never an assistant turn */
    size_t turn_count;
};

/* Complete, or stopped or interrupted with text; not superseded. */
bool context_takes(const struct message *message);
/* `history` oldest first, ending with the question; at most max_messages of those that context_takes, dropping
 * leading assistant turns. The question is always in. Turns live in the arena, texts are borrowed. */
struct prompt context_build(const struct message *history, size_t count, const char *system_prompt, int max_messages,
                            struct arena *arena);

#endif
