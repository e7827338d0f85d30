#include "usecases/begin_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/answer.h"
#include "metrics/metrics.h"
#include "usecases/take_place.h"
#include "usecases/title_prompt.h"

enum {
    PROMPT_MAX_BYTES = 64 << 20, /* 200 messages of 100,000 code points fit */
};

/* Gives back what was taken: the request failed after it was counted. */
static void give_back(const struct chat_ports *ports, struct problem *problem, struct ready_answer *out)
{
    answers_unreserve(ports->answers);
    shared_breaker_report(ports->breaker, &out->spec.breaker, BREAKER_NEITHER, 0);
    if (admission_settle(ports->admission, &out->spec.ticket, true, NULL) != CHAT_OK)
        log_write(LOG_WARN, "give_back_failed", LOG_STR("message_id", out->spec.ticket.answer_id));
    else if (out->spec.ticket.daily_counted) {
        metrics_add(&metrics->counters.quota[QUOTA_GIVEN_BACK], 1);
        quota_give_back(&problem->quota);
    }
}

/* Returns whether the answer in the way has ended, and its listeners were told; only its row is still to be written. */
static bool is_unsettled(const struct chat_ports *ports, const char *answer_id, struct arena *arena)
{
    struct log_end end;
    bool known;
    return answer_log_read_end(ports->log, answer_id, arena, &known, &end) == CHAT_OK && known;
}

static enum chat_error store_problem(struct problem *problem, enum chat_error error, const struct answer_begin *begin,
                                     const struct answer_begun *begun)
{
    switch (error) {
    case CHAT_ERR_GENERATION_IN_PROGRESS:
        memcpy(problem->active_message_id, begun->active_message_id, UUID_TEXT_SIZE);
        return problem_set(problem, error, NULL);
    case CHAT_ERR_VALIDATION_FAILED:
        if (begin->replaces_id)
            return problem_field(problem, "replaces", "takes the id of a user message that has not been replaced yet");
        problem_field(problem, "id", "takes the last answer of its session");
        return problem_set(problem, error, "Only the last answer of a session can be written anew.");
    default: return problem_set(problem, error, NULL);
    }
}

/* Returns how many tokens the model has for the prompt; 0: not known. */
static int64_t prompt_tokens(const struct chat_policy *policy, const char *model)
{
    int64_t all = context_tokens(&policy->contexts, model);
    if (all == 0) return 0;
    return all > policy->max_tokens ? all - policy->max_tokens : 1;
}

static bool compose_prompt(const struct chat_ports *ports, const struct answer_begun *begun, struct arena *arena,
                           struct ready_answer *out)
{
    const struct chat_policy *policy = ports->policy;
    const char *model = out->spec.breaker.model; /* the fallback, maybe */
    const struct context_rule rule = {
        .system_prompt = policy->system_prompt,
        .max_messages = policy->max_context_messages,
        .max_tokens = prompt_tokens(policy, model),
        .model = model,
        .starts_at = begun->session.context_starts_at,
    };
    struct prompt prompt = context_build(begun->history, begun->history_count, &rule, arena);
    prompt.model = model;
    prompt.max_tokens = policy->max_tokens;
    struct buf body;
    buf_init(&body, PROMPT_MAX_BYTES);
    if (!provider_compose(ports->provider, &prompt, &body, &out->spec.cut) || body.failed) {
        buf_fini(&body);
        return false;
    }
    out->spec.body = buf_take(&body, &out->spec.body_len);
    out->spec.moves_start = strcmp(prompt.starts_at, begun->session.context_starts_at) != 0;
    snprintf(out->session.context_starts_at, UUID_TEXT_SIZE, "%s", prompt.starts_at);
    return true;
}

static void compose_titles(const struct chat_ports *ports, struct ready_answer *out)
{
    struct title_body *title = &out->spec.title, *plain = &out->spec.plain_title;
    title->text = title_prompt(ports, &out->question, true, &title->len);
    plain->text = title_prompt(ports, &out->question, false, &plain->len);
    if (!title->text || !plain->text || plain->len != title->len) return;
    free(plain->text); /* the request to this model names no effort anyway */
    *plain = (struct title_body){0};
}

/* Ends the row as failed: it is there, but nobody will write the answer. */
static void abandon(const struct chat_ports *ports, const struct answer_begun *begun, struct arena *arena)
{
    struct answer_end end = {
        .message_id = begun->answer.id,
        .session_id = begun->session.id,
        .epoch = begun->answer.epoch,
        .content = "",
        .model = begun->answer.model,
        .usage = USAGE_UNKNOWN,
        .now_ms = clock_wall_ms(ports->clock),
    };
    answer_next(begun->answer.status, ANSWER_FAILED, &end.status);
    bool written;
    struct session session;
    if (message_repo_end(ports->messages, &end, arena, &written, &session) != CHAT_OK)
        log_write(LOG_ERROR, "abandoned_answer_not_ended", LOG_STR("message_id", begun->answer.id));
}

struct lookup {
    const struct caller *caller;
    const struct answer_begin *begin;
    struct arena *arena;
};

/* Returns the session's model, if the request names none. NULL: there is no such session; the store will report that.
 */
static const char *session_model(const struct chat_ports *ports, void *context)
{
    const struct lookup *lookup = context;
    const char *user_id = lookup->caller->user_id, *session_id = lookup->begin->session_id;
    struct message answer;
    struct session session;
    if (lookup->begin->regenerates_id) {
        if (message_repo_get(ports->messages, user_id, lookup->begin->regenerates_id, lookup->arena, &answer) !=
            CHAT_OK)
            return NULL;
        session_id = answer.session_id;
    }
    bool found = session_repo_get(ports->sessions, user_id, session_id, lookup->arena, &session) == CHAT_OK;
    return found ? session.model : NULL;
}

static enum chat_error take(const struct chat_ports *ports, const struct caller *caller,
                            const struct answer_begin *begin, struct arena *arena, struct problem *problem,
                            struct place *place)
{
    struct lookup lookup = {caller, begin, arena};
    const struct wanted_model wanted = {
        .name = begin->model         ? begin->model
                : begin->new_session ? begin->new_session->model
                                     : NULL,
        .find = session_model,
        .context = &lookup,
    };
    return take_place(ports, caller, &wanted, begin->answer_id, problem, place);
}

enum chat_error begin_answer(const struct chat_ports *ports, const struct caller *caller, struct answer_begin *begin,
                             struct arena *arena, struct problem *problem, struct ready_answer *out)
{
    memset(out, 0, sizeof *out);
    begin->now_ms = clock_wall_ms(ports->clock);
    if (!begin->answer_id) {
        char *made_id = arena_alloc(arena, UUID_TEXT_SIZE); /* `begin` outlives this call */
        uuid_v7(begin->now_ms, made_id);
        begin->answer_id = made_id;
    }
    struct place place = {0};
    enum chat_error error = take(ports, caller, begin, arena, problem, &place);
    out->spec.ticket = place.ticket;
    out->spec.breaker = place.breaker;
    out->quota = place.quota;
    if (error != CHAT_OK) return error;

    begin->user_id = caller->user_id;
    begin->epoch = 1;
    begin->context_messages = ports->policy->max_context_messages;
    struct answer_begun begun = {0};
    error = message_repo_begin(ports->messages, begin, arena, &begun);
    if (error != CHAT_OK) {
        give_back(ports, problem, out);
        if (error == CHAT_ERR_GENERATION_IN_PROGRESS && is_unsettled(ports, begun.active_message_id, arena))
            error = CHAT_ERR_DATABASE_UNAVAILABLE;
        return store_problem(problem, error, begin, &begun);
    }
    /* a session may name a model that is no longer offered */
    const char *offered = policy_model(ports->policy, begun.answer.model);
    begun.answer.model = offered ? offered : ports->policy->default_model;
    if (!out->spec.breaker.model) out->spec.breaker.model = begun.answer.model;
    out->session = begun.session;
    out->question = begun.question;
    out->answer = begun.answer;
    if (!compose_prompt(ports, &begun, arena, out)) {
        abandon(ports, &begun, arena);
        give_back(ports, problem, out);
        return problem_set(problem, CHAT_ERR_INTERNAL, NULL);
    }
    if (begin->question_id && title_wanted(ports->policy, &out->session, &out->question)) compose_titles(ports, out);
    out->spec.answer = &out->answer;
    out->spec.session = &out->session;
    out->spec.quota = out->quota;
    out->spec.is_admin = caller->is_admin;
    if (begin->regenerates_id) snprintf(out->spec.supersedes_id, UUID_TEXT_SIZE, "%s", begin->regenerates_id);
    return CHAT_OK;
}
