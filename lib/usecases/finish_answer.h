/* Ends an answer: its final row, its cost, its lease. Runs on a job thread; may be called again after an error. */
#ifndef USECASES_FINISH_ANSWER_H
#define USECASES_FINISH_ANSWER_H

#include "usecases/leave_place.h"

struct finish_answer {
    const struct message *message; /* as it is to be stored, tokens counted */
    bool supersedes;               /* as in struct answer_end */
    const char *context_starts_at; /* what its session's row is to say; NULL: it does already */
    struct leaving leaving;        /* in, out */
    bool row_done;                 /* in, out: the row is written (or somebody else ended it) */
    bool settled;                  /* in, out */
    struct settled stand;          /* out, once it is settled */
};

/* DATABASE_UNAVAILABLE or QUOTA_UNAVAILABLE: not all is done, call again. *session (arena) is set when the row was
 * written by this call. */
enum chat_error finish_answer(const struct chat_ports *ports, struct finish_answer *in, struct arena *arena,
                              struct session *session, bool *has_session) MUST_CHECK;
/* Fills usage and token_count, by an estimate where the provider told none although it was asked. prompt_bytes: of
 * the request. Pure. */
void finish_answer_count_tokens(struct message *message, int64_t prompt_bytes, bool reached_provider);

#endif
