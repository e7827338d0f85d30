#include "upstream/retry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/retry.h"
#include "usecases/ports.h"

enum { ESCAPED_MAX = 6 /* bytes of JSON that one byte of text becomes at most */ };

/* ---- what the breakers are told ---- */

struct report_job {
    struct job job; /* first */
    struct breaker_ticket ticket;
    enum breaker_outcome outcome;
};

static void run_report(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct report_job *report = (struct report_job *)job;
    shared_breaker_report(ports->breaker, &report->ticket, report->outcome, 0);
    free(report);
}

/* By a job. false: no memory. */
static bool report(struct upstream *upstream, const struct breaker_ticket *ticket, enum breaker_outcome outcome)
{
    struct report_job *report = calloc(1, sizeof *report);
    if (!report) return false;
    *report = (struct report_job){.job = {.run = run_report}, .ticket = *ticket, .outcome = outcome};
    job_pool_submit(upstream->settings.jobs, &report->job);
    return true;
}

/* The question's owner has nothing more to report with this ticket. */
static void use_up(struct breaker_ticket *ticket)
{
    *ticket = (struct breaker_ticket){.model = ticket->model};
}

void retry_trial_passed(struct tries *tries)
{
    struct breaker_ticket *ticket = &tries->facts.breaker;
    if (!ticket->trial || !report(tries->upstream, ticket, BREAKER_SUCCESS)) return; /* else its end reports it */
    use_up(ticket);
}

/* ---- another body ---- */

bool retry_change_model(struct tries *tries, const char *model)
{
    const struct provider *provider = tries->upstream->settings.provider;
    struct question_facts *facts = &tries->facts;
    struct buf body;
    buf_init(&body, facts->body_len + ESCAPED_MAX * strlen(model));
    if (!provider_set_model(provider, tries->body, facts->body_len, model, &body)) {
        buf_fini(&body);
        return false;
    }
    free(tries->body);
    tries->body = buf_take(&body, &facts->body_len);
    facts->model = model;
    return true;
}

/* The oldest turns leave the body, in place. */
static void shorten(struct tries *tries)
{
    struct body_cut *cut = &tries->cut;
    char *end = tries->body + tries->facts.body_len;
    memmove(end - cut->from_end, end - cut->to_end, cut->to_end);
    tries->facts.body_len -= cut->from_end - cut->to_end;
    tries->facts.starts_at = cut->starts_at;
    cut->from_end = cut->to_end = 0;
}

/* ---- another model ---- */

/* The way from one model to the fallback: a job reports to the first one's breaker, and asks the other's. */
struct change_job {
    struct job job; /* first */
    struct upstream *upstream;
    struct tries *tries;    /* NULL: the question has ended meanwhile; the loop's alone */
    atomic_bool forgotten;  /* the same, for the job */
    struct failure failure; /* of the first model */
    int64_t wait_ms;        /* before the other is asked */
    struct breaker_ticket left, taken;
};

static void run_change(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct change_job *change = (struct change_job *)job;
    int64_t wait_s;
    shared_breaker_report(ports->breaker, &change->left, change->failure.outcome, change->failure.retry_after_s);
    if (shared_breaker_allow(ports->breaker, change->upstream->settings.fallback_model, &change->taken, &wait_s) !=
        CHAT_OK)
        change->taken.asked = false;
    if (!change->taken.asked || !atomic_load(&change->forgotten)) return;
    /* here, as no other job may run any more: where a process ends, nothing waits for this one's `done` */
    shared_breaker_report(ports->breaker, &change->taken, BREAKER_NEITHER, 0);
    change->taken.asked = false;
}

/* false: the fallback isn't asked. */
static bool fall_back(struct tries *tries, const struct change_job *change)
{
    const char *fallback = tries->upstream->settings.fallback_model;
    tries->facts.outcome = BREAKER_NEITHER; /* the first model's is told */
    if (!change->taken.asked || !retry_change_model(tries, fallback)) return false;
    tries->facts.breaker = change->taken;
    log_write(LOG_WARN, "upstream_fallback", LOG_STR(tries->id_name, tries->id),
              LOG_STR("code", error_code(change->failure.error)), LOG_STR("model", fallback),
              LOG_INT("attempt", tries->facts.tries), LOG_INT("wait_ms", change->wait_ms));
    return true;
}

static void changed(struct job *job)
{
    struct change_job *change = (struct change_job *)job;
    struct tries *tries = change->tries;
    if (tries) tries->change = NULL;
    bool used = tries && fall_back(tries, change);
    if (!used && change->taken.asked) report(change->upstream, &change->taken, BREAKER_NEITHER);
    if (tries) tries->changed(tries, &change->failure, used ? change->wait_ms : RETRY_NEVER);
    free(change);
}

/* false: no memory. */
static bool start_change(struct tries *tries, const struct failure *failure, int64_t wait_ms)
{
    struct upstream *upstream = tries->upstream;
    struct change_job *change = calloc(1, sizeof *change);
    if (!change) return false;
    *change = (struct change_job){.job = {.run = run_change, .done = changed, .loop = upstream->settings.loop},
                                  .upstream = upstream,
                                  .tries = tries,
                                  .failure = *failure,
                                  .wait_ms = wait_ms,
                                  .left = tries->facts.breaker};
    use_up(&tries->facts.breaker); /* how that one did is told by the job */
    tries->change = change;
    job_pool_submit(upstream->settings.jobs, &change->job);
    return true;
}

void retry_forget(struct tries *tries)
{
    struct change_job *change = tries->change;
    tries->change = NULL;
    if (!change) return;
    change->tries = NULL;
    atomic_store(&change->forgotten, true);
}

/* ---- again ---- */

static struct retry next_of(const struct tries *tries, const struct failure *failure)
{
    const char *fallback = tries->upstream->settings.fallback_model;
    const struct retry_failure why = {
        .retryable = failure->retryable,
        .too_long = failure->error == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED,
        .of_model = failure->error == CHAT_ERR_MODEL_NOT_FOUND || failure->outcome == BREAKER_BUSY ||
                    (failure->retryable && failure->status),
        .retry_after_s = failure->retry_after_s,
    };
    return retry_next(tries->facts.tries, fallback && strcmp(tries->facts.model, fallback) != 0,
                      tries->cut.from_end > 0, &why, (uint32_t)random());
}

int64_t retry_next_try(struct tries *tries, const struct failure *failure)
{
    struct retry retry = next_of(tries, failure);
    if (retry.what == RETRY_NONE) return RETRY_NEVER;
    if (retry.what == RETRY_FALLBACK)
        return start_change(tries, failure, retry.wait_ms) ? RETRY_WHEN_CHANGED : RETRY_NEVER;
    if (retry.what == RETRY_SHORTER) shorten(tries);
    log_write(LOG_WARN, retry.what == RETRY_SHORTER ? "upstream_shorter" : "upstream_retry",
              LOG_STR(tries->id_name, tries->id), LOG_STR("code", error_code(failure->error)),
              LOG_STR("model", tries->facts.model), LOG_INT("attempt", tries->facts.tries),
              LOG_INT("wait_ms", retry.wait_ms));
    return retry.wait_ms;
}
