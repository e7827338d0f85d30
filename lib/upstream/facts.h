/* What is known of a question (question.h): question_facts gives it. The loop's thread, until the question is over;
 * then nothing changes any more, and job threads read it too. */
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
    bool ending;              /* how it ends is known: `over` has been called, or will be at this turn's end */
    struct provider_end told; /* what the decoder made of the stream's end; usage -1: the provider didn't say */
    struct breaker_ticket breaker; /* to report with; of the model asked last */
    enum breaker_outcome outcome;  /* what it says of that model, so far */
    int64_t rest_s;                /* of BREAKER_BUSY */
};

#endif
