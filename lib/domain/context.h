/* What the model gets to see: the system prompt and the last messages that count, as far as they have room. */
#ifndef DOMAIN_CONTEXT_H
#define DOMAIN_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "domain/message.h"
#include "domain/model_list.h"

/* How many tokens a model takes, question and answer together, as the operator says. */
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

/* A message, or a part of a turn: providers want user and assistant in turns, so an unanswered question is one turn
 * with the next one. */
struct turn {
    enum message_role role;
    const char *content; /* borrowed */
    size_t content_len;
    bool joins; /* goes on the turn before it, which has the same role, behind a blank line */
};

struct prompt {
    const char *model;
    int max_tokens;
    bool low_effort;          /* think little, where the model can be told so */
    const struct turn *turns; /* oldest first; system prompt first where there is one, then never an assistant turn; who
                                 does not join has another role than the one before */
    size_t turn_count;
    const char *starts_at; /* id of the first message in it where earlier ones were left out; "": none were */
    /* Where a prompt of about half begins, should the provider find this one too long: a user's message, the newest
     * question at the latest. */
    size_t shorter_from;           /* index in turns; 0: there is nothing to leave out */
    const char *shorter_starts_at; /* that message's id */
};

struct context_rule {
    const char *system_prompt; /* NULL or "": none */
    int max_messages;
    int64_t max_tokens;    /* of the prompt, by context_estimate_tokens; 0: not known */
    const char *model;     /* that is to answer */
    const char *starts_at; /* id of the message that the last prompt began with, "" or NULL: none; it is kept to while
                              the same model answers, so that what a provider refused is not sent again */
};

/* Complete, or stopped or interrupted with text; not superseded. */
bool context_takes(const struct message *message);
/* An upper bound for usual text: a token for each three bytes (English has four and more, code three, Chinese three for
 * a character that is a token at most), and a few for what a chat template puts around a message. */
int64_t context_estimate_tokens(size_t content_len);
/* `history` oldest first, ending with the question; of those that context_takes the newest that the rule has room for,
 * dropping leading assistant turns. The question is always in. Turns live in the arena, texts and ids are borrowed. */
struct prompt context_build(const struct message *history, size_t count, const struct context_rule *rule,
                            struct arena *arena);

#endif
