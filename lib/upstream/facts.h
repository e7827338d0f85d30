/* What is known of a question (question.h). */
#ifndef UPSTREAM_FACTS_H
#define UPSTREAM_FACTS_H

#include "usecases/provider.h"
#include "usecases/shared_breaker.h"

struct question_facts {
    const char *model; /* asked last */
    int tries;
    size_t body_len;          /* of the request */
    const char *starts_at;    /* the message that the body begins with, once its oldest turns were left out; NULL */
    bool answered;            /* in the last try, by what was asked for */
    bool ending;              /* how it ends is known: `over` has been called, or is at this turn's end */
    struct provider_end told; /* as far as it came; usage -1: not told */
    struct breaker_ticket breaker; /* to report with; of the model asked last */
    enum breaker_outcome outcome;  /* what it says of that model, so far */
    int64_t rest_s;                /* of BREAKER_BUSY */
};

#endif
