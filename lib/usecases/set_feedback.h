/* Stores the user's rating of an answer, in place of an earlier one. */
#ifndef USECASES_SET_FEEDBACK_H
#define USECASES_SET_FEEDBACK_H

#include "domain/caller.h"
#include "domain/problem.h"
#include "usecases/ports.h"

enum { FEEDBACK_COMMENT_MAX = 2000 /* code points */ };

struct set_feedback {
    const struct caller *caller;
    const char *message_id;
    const char *rating;  /* up, down or none; NULL is wrong */
    const char *comment; /* NULL or white space alone: none. With `none` it is dropped. */
    size_t comment_len;
};

/* Returns CHAT_OK with *out in the arena; otherwise *problem says why. Errors: VALIDATION_FAILED (rating, comment, or a
 * message that is no answer), MESSAGE_NOT_FOUND, DATABASE_UNAVAILABLE. */
enum chat_error set_feedback(const struct chat_ports *ports, const struct set_feedback *in, struct arena *arena,
                             struct problem *problem, struct message *out) MUST_CHECK;

#endif
