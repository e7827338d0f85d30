/* The rule is domain/breaker.c alone: the state is read, changed here, and written back where nobody was faster. */
#include "redis/breaker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/log.h"
#include "domain/policy.h"

#include "redis/breaker.lua.h"

enum { TRIES = 4, KEEP_MS = 3600 * 1000 };

static const char key[] = REDIS_BREAKER_KEY;

struct local_breaker {
    pthread_mutex_t lock;
    size_t count;
    struct {
        const char *model;
        struct breaker rule;
    } of[POLICY_MAX_ASKED];
};

struct redis_breaker {
    struct shared_breaker base;
    struct redis_conn *conn;
    struct local_breaker *local;
    const struct clock *clock;
    int swap_script;
};

struct local_breaker *local_breaker_open(void)
{
    struct local_breaker *local = calloc(1, sizeof *local);
    if (local) pthread_mutex_init(&local->lock, NULL);
    return local;
}

void local_breaker_close(struct local_breaker *local)
{
    if (!local) return;
    pthread_mutex_destroy(&local->lock);
    free(local);
}

static struct redis_breaker *self_of(struct shared_breaker *breaker)
{
    return (struct redis_breaker *)breaker;
}

/* Under the lock. NULL: no room, which the settings don't let happen. */
static struct breaker *local_rule(struct local_breaker *local, const char *model)
{
    for (size_t i = 0; i < local->count; i++)
        if (strcmp(local->of[i].model, model) == 0) return &local->of[i].rule;
    if (local->count == POLICY_MAX_ASKED) return NULL;
    local->of[local->count].model = model;
    return &local->of[local->count++].rule;
}

static void tell(const char *model, const struct breaker *before, const struct breaker *after, bool shared)
{
    if (after->rest_until_ms > before->rest_until_ms)
        log_write(LOG_WARN, "model_rests", LOG_STR("model", model), LOG_BOOL("shared", shared));
    if (before->state == after->state) return;
    log_write(after->state == BREAKER_OPEN ? LOG_ERROR : LOG_WARN, "breaker_changed", LOG_STR("model", model),
              LOG_STR("from", breaker_state_name(before->state)), LOG_STR("to", breaker_state_name(after->state)),
              LOG_BOOL("shared", shared));
}

/* What stands in Redis, as text. false: Redis didn't answer. */
static bool load(struct redis_breaker *self, const char *model, char out[BREAKER_TEXT_SIZE])
{
    redisReply *reply = redis_conn_ask(self->conn, (const char *const[]){"HGET", key, model}, 3);
    bool fine = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL);
    out[0] = 0;
    if (fine && reply->type == REDIS_REPLY_STRING && reply->len < BREAKER_TEXT_SIZE)
        memcpy(out, reply->str, reply->len + 1);
    if (reply) freeReplyObject(reply);
    return fine;
}

static bool same(const struct breaker *a, const struct breaker *b)
{
    return a->state == b->state && a->failures == b->failures && a->until_ms == b->until_ms &&
           a->generation == b->generation && a->rest_until_ms == b->rest_until_ms;
}

/* How long it is to be remembered: a rest alone no longer than it lasts, so that the key goes with it. */
static int64_t life_ms(const struct breaker *rule, int64_t now_ms)
{
    struct breaker awake = *rule;
    awake.rest_until_ms = 0;
    return breaker_at_rest(&awake, now_ms) ? rule->rest_until_ms - now_ms : KEEP_MS;
}

/* 1: taken, 0: another was faster, -1: Redis didn't answer. */
static int swap(struct redis_breaker *self, const char *model, const char *before, const struct breaker *after,
                int64_t now_ms)
{
    char text[BREAKER_TEXT_SIZE], life[24];
    const char *const args[] = {key, model, before, text, life};
    if (breaker_at_rest(after, now_ms))
        text[0] = 0; /* then it has no field: admission.lua asks for no more */
    else
        breaker_write(after, text);
    snprintf(life, sizeof life, "%lld", (long long)life_ms(after, now_ms));
    redisReply *reply = redis_conn_eval(self->conn, self->swap_script, 1, args, sizeof args / sizeof args[0]);
    int taken = reply && reply->type == REDIS_REPLY_INTEGER ? (int)reply->integer : -1;
    if (reply) freeReplyObject(reply);
    return taken;
}

/* One step of the rule: allow or report. */
struct step {
    const char *model;
    bool reports;
    int64_t now_ms;
    int64_t generation;
    enum breaker_outcome outcome;
    int64_t rest_s;
    enum breaker_verdict verdict;
    int64_t retry_after_s;
    bool trial;
};

static void apply(struct breaker *rule, struct step *step)
{
    if (step->reports) {
        breaker_report(rule, step->now_ms, step->generation, step->outcome, step->rest_s);
        return;
    }
    step->verdict = breaker_allow(rule, step->now_ms, &step->generation, &step->retry_after_s);
    step->trial = step->verdict == BREAKER_ALLOWS && rule->state == BREAKER_HALF_OPEN;
}

/* false: Redis didn't decide. */
static bool apply_shared(struct redis_breaker *self, const char *op, struct step *step)
{
    if (!redis_conn_begin(self->conn)) return false;
    int taken = -1;
    for (int i = 0; i < TRIES && taken <= 0; i++) {
        char text[BREAKER_TEXT_SIZE];
        if (!load(self, step->model, text)) break;
        struct breaker before = breaker_read(text, strlen(text)), after = before;
        struct step tried = *step;
        apply(&after, &tried);
        taken = same(&before, &after) ? 1 : swap(self, step->model, text, &after, step->now_ms);
        if (taken < 0) break;
        if (taken == 0) continue;
        tell(step->model, &before, &after, true);
        *step = tried;
    }
    return redis_conn_done(self->conn, op, taken > 0);
}

static void apply_local(struct redis_breaker *self, struct step *step)
{
    pthread_mutex_lock(&self->local->lock);
    struct breaker *rule = local_rule(self->local, step->model);
    struct breaker before = {0}, after = {0};
    if (rule) {
        before = *rule;
        apply(rule, step);
        after = *rule;
    }
    pthread_mutex_unlock(&self->local->lock);
    tell(step->model, &before, &after, false);
}

static enum chat_error allow(struct shared_breaker *breaker, const char *model, struct breaker_ticket *ticket,
                             int64_t *retry_after_s)
{
    struct redis_breaker *self = self_of(breaker);
    struct step step = {.model = model, .now_ms = clock_wall_ms(self->clock)}, local = step;
    *ticket = (struct breaker_ticket){.model = model};
    ticket->shared = apply_shared(self, "breaker_allow", &step);
    if (!ticket->shared) apply_local(self, &local);
    ticket->generation = step.generation;
    ticket->local_generation = local.generation;
    const struct step *decided = ticket->shared ? &step : &local;
    ticket->asked = decided->verdict == BREAKER_ALLOWS;
    ticket->trial = decided->trial;
    *retry_after_s = decided->retry_after_s;
    return shared_breaker_error(decided->verdict);
}

static void report(struct shared_breaker *breaker, const struct breaker_ticket *ticket, enum breaker_outcome outcome,
                   int64_t rest_s)
{
    struct redis_breaker *self = self_of(breaker);
    struct step step = {.model = ticket->model,
                        .reports = true,
                        .now_ms = clock_wall_ms(self->clock),
                        .outcome = outcome,
                        .rest_s = rest_s};
    if (!ticket->asked || !ticket->model) return;
    if (ticket->shared) {
        step.generation = ticket->generation;
        if (!apply_shared(self, "breaker_report", &step)) log_write(LOG_DEBUG, "breaker_report_lost");
    } else {
        step.generation = ticket->local_generation;
        apply_local(self, &step);
    }
}

/* false: Redis didn't answer. */
static bool look_shared(struct redis_breaker *self, const char *const *models, size_t count, struct breaker *out)
{
    const char *args[2 + POLICY_MAX_ASKED] = {"HMGET", key};
    for (size_t i = 0; i < count; i++) args[2 + i] = models[i];
    redisReply *reply = redis_conn_begin(self->conn) ? redis_conn_ask(self->conn, args, count + 2) : NULL;
    bool fine = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == count;
    for (size_t i = 0; fine && i < count; i++) {
        const redisReply *text = reply->element[i];
        out[i] = text->type == REDIS_REPLY_STRING ? breaker_read(text->str, text->len) : (struct breaker){0};
    }
    if (reply) freeReplyObject(reply);
    return redis_conn_done(self->conn, "breaker_look", fine);
}

static void look(struct shared_breaker *breaker, const char *const *models, size_t count, struct breaker *out)
{
    struct redis_breaker *self = self_of(breaker);
    if (count == 0 || count > POLICY_MAX_ASKED || look_shared(self, models, count, out)) return;
    pthread_mutex_lock(&self->local->lock);
    for (size_t i = 0; i < count; i++) {
        const struct breaker *rule = local_rule(self->local, models[i]);
        out[i] = rule ? *rule : (struct breaker){0};
    }
    pthread_mutex_unlock(&self->local->lock);
}

struct shared_breaker *redis_breaker_open(struct redis_conn *conn, struct local_breaker *local,
                                          const struct clock *clock)
{
    static const struct shared_breaker_ops ops = {.allow = allow, .report = report, .look = look};
    struct redis_breaker *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    *self = (struct redis_breaker){.base = {&ops}, .conn = conn, .local = local, .clock = clock};
    self->swap_script = redis_conn_add_script(conn, breaker_lua);
    return &self->base;
}

void redis_breaker_close(struct shared_breaker *breaker)
{
    free(breaker);
}
