/* A message: a question, an answer, or a system text. */
#ifndef DOMAIN_MESSAGE_H
#define DOMAIN_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

enum message_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT };
/* Set by domain/answer.c alone; a question is complete from the start. */
enum message_status { MESSAGE_STREAMING, MESSAGE_COMPLETE, MESSAGE_STOPPED, MESSAGE_INTERRUPTED, MESSAGE_FAILED };
enum message_feedback { FEEDBACK_NONE, FEEDBACK_UP, FEEDBACK_DOWN };

/* Tokens as the provider counted them, or as we estimate; -1: not known. */
struct token_usage {
    int64_t prompt_tokens;
    int64_t completion_tokens;
    int64_t total_tokens;
    int64_t cached_tokens; /* of the prompt's, those that the provider had cached; 0 where it told none */
};
#define USAGE_UNKNOWN \
    {                 \
        -1, -1, -1, 0 \
    }

struct message {
    char id[UUID_TEXT_SIZE];
    char session_id[UUID_TEXT_SIZE];
    char parent_id[UUID_TEXT_SIZE];     /* "" = none */
    char superseded_by[UUID_TEXT_SIZE]; /* "" = current */
    int64_t seq;                        /* from 1, unique in the session */
    enum message_role role;
    enum message_status status;
    enum message_feedback feedback;
    const char *content;   /* never NULL in a filled message */
    size_t content_len;    /* bytes */
    const char *reasoning; /* NULL = none */
    size_t reasoning_len;
    const char *model;         /* NULL for questions */
    const char *finish_reason; /* NULL until known: stop length tool_calls … */
    struct token_usage usage;  /* all -1 = null on the wire */
    int64_t token_count;       /* of this message alone; 0 while not known */
    bool tokens_estimated;
    int64_t created_at_ms;
    int epoch; /* of the answer's owner; 0 for questions */
};

/* Returns whether the provider reported that it took any. */
bool message_took_tokens(const struct token_usage *told);
const char *message_role_name(enum message_role role);
bool message_role_parse(const char *name, enum message_role *out);
const char *message_status_name(enum message_status status);
bool message_status_parse(const char *name, enum message_status *out);
const char *message_feedback_name(enum message_feedback feedback); /* none up down */
bool message_feedback_parse(const char *name, enum message_feedback *out);

/* Checks a text: 1..max_code_points, not only white space, valid UTF-8, no NUL. Returns NULL, or a static sentence for
 * what is wrong. */
const char *message_content_problem(const char *content, size_t len, int max_code_points);
/* Estimates the tokens of a text: code points / 4, CJK one each, at least 1 for any text; 0 for none. */
int64_t message_estimate_tokens(const char *text, size_t len);

#endif
