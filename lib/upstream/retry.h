/*
 * What follows a try that failed while nothing was shown: the same question again, a shorter one, or another model. It
 * reports to the breakers, by jobs. domain/retry.h is the rule; question.c does what is decided here. The loop's
 * thread, where nothing else is said.
 */
#ifndef UPSTREAM_RETRY_H
#define UPSTREAM_RETRY_H

#include "upstream/facts.h"
#include "upstream/transfer.h"

/* What is asked, over all tries; embedded in a question, which owns it. The caller sets all but `change`. */
struct tries {
    struct upstream *upstream;
    struct question_facts facts;
    char *body; /* of the request; malloc'ed, the question's to free; NULL: no try follows */
    struct body_cut cut;
    const char *id_name, *id;
    /* Called on the loop after RETRY_WHEN_CHANGED: the way to the fallback model was looked at. wait_ms: until it is
     * asked; RETRY_NEVER: it isn't, so the first model's failure is the end. */
    void (*changed)(struct tries *self, const struct failure *failure, int64_t wait_ms);
    struct change_job *change; /* the job that looks at the way to the fallback; NULL: none is under way */
};

#define RETRY_NEVER (-1)
#define RETRY_WHEN_CHANGED INT64_MAX

/* Takes the failure of a try whose transfer is closed. Returns after how many milliseconds to ask once more.
 * RETRY_NEVER: not at all. RETRY_WHEN_CHANGED: `changed` will say, and the breaker's ticket is used up. The body may
 * have lost its oldest turns. Logs what follows. */
int64_t retry_next_try(struct tries *tries, const struct failure *failure) MUST_CHECK;
/* The question ends: `changed` isn't called any more. */
void retry_forget(struct tries *tries);
/* The model has brought text. If its breaker let this question through as the trial, that is reported at once by a job,
 * so that others need not wait for the question's end. Once. */
void retry_trial_passed(struct tries *tries);
/* Changes the body to name another model. false: it can't be made. Any thread, as long as no request is under way. */
bool retry_change_model(struct tries *tries, const char *model) MUST_CHECK;

#endif
