#include "usecases/take_place.h"

#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"

enum { OVERLOADED_RETRY_AFTER_S = 2 };

/* Notes in the problem what the limits have decided. */
static enum chat_error admitted(enum chat_error error, int64_t retry_after_s, const struct quota *quota,
                                struct problem *problem)
{
    problem->has_quota = error != CHAT_ERR_QUOTA_UNAVAILABLE;
    problem->quota = *quota;
    if (error == CHAT_OK) return CHAT_OK;
    problem->retry_after_s = retry_after_s;
    log_write(LOG_INFO, "admission_refused", LOG_STR("code", error_code(error)), LOG_INT("retry_after", retry_after_s));
    return problem_set(problem, error, NULL);
}

static enum chat_error admit(const struct chat_ports *ports, const struct caller *caller, int units,
                             const char *answer_id, struct problem *problem, struct place *out)
{
    int64_t retry_after_s = 0;
    enum chat_error error =
        admission_admit(ports->admission, caller, units, answer_id, &out->ticket, &out->quota, &retry_after_s);
    return admitted(error, retry_after_s, &out->quota, problem);
}

/* Asks breaker and limits in one step, if the breaker is at rest. CHAT_ERR_UNDECIDED: nothing was decided. */
static enum chat_error admit_at_rest(const struct chat_ports *ports, const struct caller *caller, int units,
                                     const char *model, const char *answer_id, struct problem *problem,
                                     struct place *out)
{
    int64_t retry_after_s = 0;
    enum chat_error error = admission_admit_at_rest(ports->admission, model, caller, units, answer_id, &out->ticket,
                                                    &out->quota, &retry_after_s);
    /* generation 0: never changed */
    out->breaker = (struct breaker_ticket){.model = model, .asked = error == CHAT_OK, .shared = true};
    return error == CHAT_ERR_UNDECIDED ? error : admitted(error, retry_after_s, &out->quota, problem);
}

/* Nothing is counted if no model may be asked; a 429 has the user's standing all the same. */
static enum chat_error refused_by_breaker(const struct chat_ports *ports, const struct caller *caller,
                                          enum chat_error error, struct problem *problem)
{
    if (error == CHAT_ERR_UPSTREAM_RATE_LIMITED)
        problem->has_quota = admission_peek(ports->admission, caller, &problem->quota) == CHAT_OK;
    log_write(LOG_INFO, "model_refused", LOG_STR("code", error_code(error)),
              LOG_INT("retry_after", problem->retry_after_s));
    return problem_set(problem, error, NULL);
}

/* If the model is out of reach, its fallback may be asked. */
static enum chat_error ask_breaker(const struct chat_ports *ports, const struct caller *caller, const char *model,
                                   struct problem *problem, struct place *out)
{
    const char *fallback = ports->policy->fallback_model;
    int64_t fallback_wait_s;
    enum chat_error error = shared_breaker_allow(ports->breaker, model, &out->breaker, &problem->retry_after_s);
    if (error == CHAT_OK) return CHAT_OK;
    if (!fallback || strcmp(fallback, model) == 0 ||
        shared_breaker_allow(ports->breaker, fallback, &out->breaker, &fallback_wait_s) != CHAT_OK)
        return refused_by_breaker(ports, caller, error, problem);
    log_write(LOG_WARN, "upstream_fallback", LOG_STR("code", error_code(error)), LOG_STR("model", fallback),
              LOG_INT("attempt", 0), LOG_INT("wait_ms", 0));
    return CHAT_OK;
}

static const char *find_model(const struct chat_ports *ports, const struct wanted_model *wanted)
{
    const char *found = wanted->name ? wanted->name : wanted->find ? wanted->find(ports, wanted->context) : NULL;
    const char *offered = policy_model(ports->policy, found);
    return offered ? offered : ports->policy->default_model;
}

static enum chat_error take_held(const struct chat_ports *ports, const struct caller *caller,
                                 const struct wanted_model *wanted, const char *answer_id, struct problem *problem,
                                 struct place *out)
{
    const char *known = policy_model(ports->policy, wanted->name);
    const int units = wanted->units > 0 ? wanted->units : 1;
    enum chat_error error = admit_at_rest(ports, caller, units, known, answer_id, problem, out);
    if (error != CHAT_ERR_UNDECIDED) return error;
    error = ask_breaker(ports, caller, find_model(ports, wanted), problem, out);
    if (error != CHAT_OK) return error;
    error = admit(ports, caller, units, answer_id, problem, out);
    if (error != CHAT_OK) shared_breaker_report(ports->breaker, &out->breaker, BREAKER_NEITHER, 0);
    return error;
}

static enum chat_error take(const struct chat_ports *ports, const struct caller *caller,
                            const struct wanted_model *wanted, const char *answer_id, struct problem *problem,
                            struct place *out)
{
    enum chat_error error = answers_reserve(ports->answers);
    if (error != CHAT_OK) {
        problem->retry_after_s = OVERLOADED_RETRY_AFTER_S;
        return problem_set(problem, error, NULL);
    }
    error = take_held(ports, caller, wanted, answer_id, problem, out);
    if (error != CHAT_OK) answers_unreserve(ports->answers);
    return error;
}

static enum metrics_admission result_of(enum chat_error error)
{
    switch (error) {
    case CHAT_OK: return ADMISSION_ADMITTED;
    case CHAT_ERR_RATE_LIMITED: return ADMISSION_RATE_LIMITED;
    case CHAT_ERR_QUOTA_EXCEEDED: return ADMISSION_QUOTA_EXCEEDED;
    case CHAT_ERR_TOO_MANY_STREAMS: return ADMISSION_TOO_MANY_STREAMS;
    case CHAT_ERR_API_UNAVAILABLE: return ADMISSION_API_UNAVAILABLE;
    case CHAT_ERR_UPSTREAM_RATE_LIMITED: return ADMISSION_MODEL_RESTS;
    case CHAT_ERR_OVERLOADED: return ADMISSION_OVERLOADED;
    case CHAT_ERR_SHUTTING_DOWN: return ADMISSION_SHUTTING_DOWN;
    default: return ADMISSION_QUOTA_UNAVAILABLE;
    }
}

enum chat_error take_place(const struct chat_ports *ports, const struct caller *caller,
                           const struct wanted_model *wanted, const char *answer_id, struct problem *problem,
                           struct place *out)
{
    enum chat_error error = take(ports, caller, wanted, answer_id, problem, out);
    metrics_add(&metrics->counters.admissions[result_of(error)], 1);
    if (error == CHAT_OK && out->ticket.daily_counted)
        metrics_add(&metrics->counters.quota[QUOTA_TAKEN], (uint64_t)admission_units(&out->ticket));
    return error;
}

enum chat_error look_for_place(const struct chat_ports *ports, const struct caller *caller, struct problem *problem)
{
    struct quota quota = {0};
    int64_t retry_after_s = 0;
    enum chat_error error = admission_look(ports->admission, caller, &quota, &retry_after_s);
    if (error == CHAT_OK) return CHAT_OK;
    metrics_add(&metrics->counters.admissions[result_of(error)], 1);
    return admitted(error, retry_after_s, &quota, problem);
}
