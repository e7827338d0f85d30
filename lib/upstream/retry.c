/* After a failure, while nothing was shown: the same question again, a shorter one, or another model. */
#include "domain/retry.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "upstream/internal.h"
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
    ports->breaker->ops->report(ports->breaker, &report->ticket, report->outcome, 0);
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

/* Its owner has no more to report with it. */
static void use_up(struct breaker_ticket *ticket)
{
    *ticket = (struct breaker_ticket){.model = ticket->model};
}

void retry_trial_passed(struct question *question)
{
    struct breaker_ticket *ticket = &question->facts.breaker;
    if (!ticket->trial || !report(question->upstream, ticket, BREAKER_SUCCESS)) return; /* else its end reports it */
    use_up(ticket);
}

/* ---- another body ---- */

bool retry_change_model(struct question *question, const char *model)
{
    const struct provider *provider = question->upstream->settings.provider;
    struct question_facts *facts = &question->facts;
    struct buf body;
    buf_init(&body, facts->body_len + ESCAPED_MAX * strlen(model));
    if (!provider->ops->set_model(provider, question->body, facts->body_len, model, &body)) {
        buf_fini(&body);
        return false;
    }
    free(question->body);
    question->body = buf_take(&body, &facts->body_len);
    facts->model = model;
    return true;
}

/* The oldest turns leave the body, in place. */
static void shorten(struct question *question)
{
    struct body_cut *cut = &question->cut;
    char *end = question->body + question->facts.body_len;
    memmove(end - cut->from_end, end - cut->to_end, cut->to_end);
    question->facts.body_len -= cut->from_end - cut->to_end;
    question->facts.starts_at = cut->starts_at;
    cut->from_end = cut->to_end = 0;
}

/* ---- another model ---- */

static void end_failed(struct question *question, const struct failure *failure)
{
    static const char account[] = "The model provider refuses this service's key or account: its operator has to act.";
    question_end(question,
                 &(struct question_end){.error = failure->error,
                                        .status = failure->status,
                                        .reason = failure->reason,
                                        .retry_after_s = upstream_retry_after_s(failure->error, failure->retry_after_s),
                                        .account_refused = failure->account,
                                        .says = failure->account ? account : NULL,
                                        .problem = failure->problem});
}

/* Leaves one model for another: a job tells the first one's breaker, and asks the other's. */
struct change_job {
    struct job job; /* first */
    struct upstream *upstream;
    struct question *question; /* NULL: it has ended meanwhile */
    struct failure failure;    /* of the first model */
    int64_t wait_ms;           /* before the other is asked */
    struct breaker_ticket left, taken;
};

static void run_change(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct change_job *change = (struct change_job *)job;
    int64_t wait_s;
    ports->breaker->ops->report(ports->breaker, &change->left, change->failure.outcome, change->failure.retry_after_s);
    if (ports->breaker->ops->allow(ports->breaker, change->upstream->settings.fallback_model, &change->taken,
                                   &wait_s) != CHAT_OK)
        change->taken.asked = false;
}

/* false: the fallback isn't asked. */
static bool fall_back(struct question *question, const struct change_job *change)
{
    const char *fallback = question->upstream->settings.fallback_model;
    question->facts.outcome = BREAKER_NEITHER; /* the first model's is told */
    if (!change->taken.asked || !retry_change_model(question, fallback)) return false;
    question->facts.breaker = change->taken;
    log_write(LOG_WARN, "upstream_fallback", LOG_STR(question->id_name, question->id),
              LOG_STR("code", error_code(change->failure.error)), LOG_STR("model", fallback),
              LOG_INT("attempt", question->facts.tries), LOG_INT("wait_ms", change->wait_ms));
    question_pause(question, change->wait_ms);
    return true;
}

static void changed(struct job *job)
{
    struct change_job *change = (struct change_job *)job;
    struct question *question = change->question;
    if (question) question->change = NULL;
    bool used = question && fall_back(question, change);
    if (!used && change->taken.asked) report(change->upstream, &change->taken, BREAKER_NEITHER);
    if (!used && question) end_failed(question, &change->failure);
    free(change);
}

/* false: no memory. */
static bool start_change(struct question *question, const struct failure *failure, int64_t wait_ms)
{
    struct upstream *upstream = question->upstream;
    struct change_job *change = calloc(1, sizeof *change);
    if (!change) return false;
    *change = (struct change_job){.job = {.run = run_change, .done = changed, .loop = upstream->settings.loop},
                                  .upstream = upstream,
                                  .question = question,
                                  .failure = *failure,
                                  .wait_ms = wait_ms,
                                  .left = question->facts.breaker};
    use_up(&question->facts.breaker); /* how that one did is told by the job */
    question->change = change;
    job_pool_submit(upstream->settings.jobs, &change->job);
    return true;
}

void retry_forget(struct question *question)
{
    if (question->change) question->change->question = NULL;
    question->change = NULL;
}

/* ---- again ---- */

static struct retry next_of(const struct question *question, const struct failure *failure)
{
    const char *fallback = question->upstream->settings.fallback_model;
    const struct retry_failure why = {
        .retryable = failure->retryable,
        .too_long = failure->error == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED,
        .of_model = failure->error == CHAT_ERR_MODEL_NOT_FOUND || failure->outcome == BREAKER_BUSY ||
                    (failure->retryable && failure->status),
        .retry_after_s = failure->retry_after_s,
    };
    return retry_next(question->facts.tries, fallback && strcmp(question->facts.model, fallback) != 0,
                      question->cut.from_end > 0, &why, (uint32_t)random());
}

static void ask_again(struct question *question, const struct failure *failure, int64_t wait_ms, const char *event)
{
    log_write(LOG_WARN, event, LOG_STR(question->id_name, question->id), LOG_STR("code", error_code(failure->error)),
              LOG_STR("model", question->facts.model), LOG_INT("attempt", question->facts.tries),
              LOG_INT("wait_ms", wait_ms));
    question_pause(question, wait_ms);
}

void question_failed(struct question *question, const struct failure *failure)
{
    transfer_close(question->upstream, &question->transfer);
    struct retry retry = next_of(question, failure);
    if (retry.what == RETRY_SHORTER) shorten(question);
    if (retry.what == RETRY_SHORTER)
        ask_again(question, failure, retry.wait_ms, "upstream_shorter");
    else if (retry.what == RETRY_SAME)
        ask_again(question, failure, retry.wait_ms, "upstream_retry");
    else if (retry.what == RETRY_FALLBACK && start_change(question, failure, retry.wait_ms))
        question_pause(question, -1); /* until the job is done */
    else
        end_failed(question, failure);
}
