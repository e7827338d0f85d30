/* The prompt for the model: the system prompt, and the last messages that count, as far as there is room. */
#ifndef DOMAIN_CONTEXT_H
#define DOMAIN_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "domain/message.h"
#include "domain/model_list.h"

/* How many tokens a model takes, question and answer together, as the operator has set it. */
struct model_context {
    char model[MODEL_NAME_SIZE];
    int64_t tokens;
};
struct context_list {
    struct model_context contexts[MODEL_LIST_MAX];
    size_t count;
};

/* "model=tokens,model=tokens". NULL: fine; else a static sentence. */
const char *context_list_parse(const char *text, struct context_list *out);
/* 0: not known. */
int64_t context_tokens(const struct context_list *contexts, const char *model);

/* A message, or a part of a turn. Providers want user and assistant to alternate, so an unanswered question is one turn
 * with the next one. */
struct turn {
    enum message_role role;
    const char *content; /* borrowed */
    size_t content_len;
    bool joins; /* continues the turn before it, which has the same role, after a blank line */
};

struct prompt {
    const char *model;
    int max_tokens;
    bool low_effort;          /* think little, if the model takes such a setting */
    const struct turn *turns; /* oldest first; a system prompt comes first, and no assistant turn next; a turn that
                                 doesn't join has another role than the one before */
    size_t turn_count;
    const char *starts_at; /* id of its first message, if earlier ones were left out; "": none were */
    /* Where a prompt of about half the length begins, for when the provider finds this one too long: at a user's
     * message, the newest question at the latest. */
    size_t shorter_from;           /* index in turns; 0: nothing can be left out */
    const char *shorter_starts_at; /* that message's id */
};

struct context_rule {
    const char *system_prompt; /* NULL or "": none */
    int max_messages;
    int64_t max_tokens;    /* of the prompt, by context_estimate_tokens; 0: not known */
    const char *model;     /* that is to answer */
    const char *starts_at; /* id of the message that the last prompt began with, "" or NULL: none. It stays the
                              beginning while the same model answers, so that a refused length is not sent again */
};

/* Returns whether a message counts: complete, or stopped or interrupted with text; not superseded. */
bool context_takes(const struct message *message);
/* Returns an upper bound for usual text: a token for each three bytes, and a few for what a chat template puts around a
 * message. (English has four bytes and more for a token, code three; a Chinese character has three, and is a token at
 * most.) */
int64_t context_estimate_tokens(size_t content_len);
/* Takes `history`, oldest first, which ends with the question. Returns a prompt of the newest messages that
 * context_takes and that the rule has room for, without leading assistant turns. The question is always in it. Turns
 * live in the arena; texts and ids are borrowed. */
struct prompt context_build(const struct message *history, size_t count, const struct context_rule *rule,
                            struct arena *arena);

#endif
