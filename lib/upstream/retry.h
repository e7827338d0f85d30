/* After a failure, while nothing was shown: the same question again, a shorter one, or another model; and what the
 * breakers hear of that. Loop thread, where nothing else is said. */
#ifndef UPSTREAM_RETRY_H
#define UPSTREAM_RETRY_H

#include "upstream/facts.h"
#include "upstream/transfer.h"

/* What is asked, over all tries. The caller sets all but `change`. */
struct tries {
    struct upstream *upstream;
    struct question_facts facts;
    char *body; /* malloc'ed; NULL: no try follows */
    struct body_cut cut;
    const char *id_name, *id;
    /* What retry_next_try has begun is done. wait_ms: until the fallback is asked; RETRY_NEVER: it isn't, so the first
     * model's failure is the end. */
    void (*changed)(struct tries *self, const struct failure *failure, int64_t wait_ms);
    struct change_job *change; /* on the way to the fallback; NULL */
};

#define RETRY_NEVER (-1)
#define RETRY_WHEN_CHANGED INT64_MAX

/* After how many milliseconds it is asked once more; RETRY_NEVER; RETRY_WHEN_CHANGED: `changed` will say, and the
 * breaker's ticket is used up. The body may have lost its oldest turns. Logs it. The transfer is closed. */
int64_t retry_next_try(struct tries *tries, const struct failure *failure) MUST_CHECK;
/* It ends: nobody waits for the way to the fallback. */
void retry_forget(struct tries *tries);
/* A trial that brings text has shown enough: others need not wait for its end. Reports by a job, once. */
void retry_trial_passed(struct tries *tries);
/* The same request to another model. false: it can't be made. Any thread, before the request is asked. */
bool retry_change_model(struct tries *tries, const char *model) MUST_CHECK;

#endif
