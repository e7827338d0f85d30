/* The common middle of send and regenerate: a place, the limits, the store, the prompt. */
#ifndef USECASES_BEGIN_ANSWER_H
#define USECASES_BEGIN_ANSWER_H

#include "domain/caller.h"
#include "domain/problem.h"
#include "usecases/ports.h"

/* An answer that is counted and stored, and holds a place in the relay. The caller sets spec.request_id and spec.trace,
 * and gives spec to answers_start. spec points into this struct, so it is not to be copied. Other pointers are in
 * the arena; the bodies are malloc'ed, and answers_start takes them. */
struct ready_answer {
    struct session session;
    struct message question;
    struct message answer;
    struct quota quota;
    struct answer_spec spec;
};

/* Takes a `begin` without user_id, epoch, now_ms and context_messages, which it fills; it makes answer_id if that is
 * NULL. Returns and errors as send_message. */
enum chat_error begin_answer(const struct chat_ports *ports, const struct caller *caller, struct answer_begin *begin,
                             struct arena *arena, struct problem *problem, struct ready_answer *out) MUST_CHECK;

#endif
