/* Ends a completion: its lease, its unit, its use. Runs on a job thread; may be called again after an error. */
#ifndef USECASES_FINISH_COMPLETION_H
#define USECASES_FINISH_COMPLETION_H

#include "usecases/leave_place.h"

struct completion_use {
    struct token_usage usage;
    bool estimated;   /* the provider didn't tell all of it */
    bool took_tokens; /* the provider itself reports that it was paid for */
};

struct finish_completion {
    struct leaving leaving; /* in, out */
    const char *model;      /* the last that was asked */
    struct completion_use use;
    enum chat_error error;  /* how it ended; CHAT_OK: well */
    bool shown;             /* its client has got bytes */
    bool client_left;       /* before it had the end */
    bool counted;           /* in, out: its use is in the ledger and in the metrics */
    int64_t cost_micro_usd; /* out, once it is counted */
    struct settled stand;   /* out, with CHAT_OK */
};

/* Does what `in` has not done yet. The day's unit goes back if the completion failed, its client was shown nothing and
 * didn't leave, and the provider reports no tokens. CHAT_ERR_REDIS_UNAVAILABLE: the lease may not have ended; call
 * again. */
enum chat_error finish_completion(const struct chat_ports *ports, struct finish_completion *in) MUST_CHECK;
/* Returns whether finish_completion gives the unit back. Pure. */
bool finish_completion_refunds(const struct finish_completion *in);
/* Sets *out to what the provider told. What it didn't tell is estimated, if it was reached: prompt_bytes of the
 * request, text_bytes of all choices. Pure. */
void finish_completion_count_tokens(struct completion_use *out, const struct token_usage *told, bool reached_provider,
                                    size_t prompt_bytes, size_t text_bytes);

#endif
