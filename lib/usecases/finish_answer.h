/* Ends an answer: its final row, its cost, its lease. Runs on a job thread; may be called again after an error. */
#ifndef USECASES_FINISH_ANSWER_H
#define USECASES_FINISH_ANSWER_H

#include "usecases/leave_place.h"

struct finish_answer {
    const struct message *message; /* as it is to be stored, tokens counted */
    bool supersedes;               /* as in struct answer_end */
    const char *context_starts_at; /* for its session's row; NULL: the row has it already */
    struct leaving leaving;        /* in, out */
    bool row_done;                 /* in, out: the row is written (or another process ended it) */
    bool settled;                  /* in, out */
    struct settled stand;          /* out, once it is settled */
};

/* Does what `in` has not done yet. Sets *session (arena) and *has_session if this call wrote the row. Errors:
 * DATABASE_UNAVAILABLE, REDIS_UNAVAILABLE: not all is done; call again. */
enum chat_error finish_answer(const struct chat_ports *ports, struct finish_answer *in, struct arena *arena,
                              struct session *session, bool *has_session) MUST_CHECK;
/* Fills the message's usage and token_count; by an estimate, if the provider was reached and sent none. prompt_bytes:
 * of the request. Pure. */
void finish_answer_count_tokens(struct message *message, int64_t prompt_bytes, bool reached_provider);

#endif
