/* The rule is domain/breaker.c alone: the state is read, changed here, and written back where nobody was faster. */
#include "redis/breaker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/log.h"

#include "redis/breaker.lua.h"

enum { TRIES = 4, KEEP_MS = 3600 * 1000 };

static const char key[] = REDIS_BREAKER_KEY;

struct local_breaker {
    pthread_mutex_t lock;
    struct breaker rule;
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

static void tell(const struct breaker *before, const struct breaker *after, bool shared)
{
    if (before->state == after->state) return;
    log_write(after->state == BREAKER_OPEN ? LOG_ERROR : LOG_WARN, "breaker_changed",
              LOG_STR("from", breaker_state_name(before->state)), LOG_STR("to", breaker_state_name(after->state)),
              LOG_BOOL("shared", shared));
}

/* What stands in Redis, as text. false: Redis didn't answer. */
static bool load(struct redis_breaker *self, char out[BREAKER_TEXT_SIZE])
{
    redisReply *reply = redis_conn_ask(self->conn, (const char *const[]){"GET", key}, 2);
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
           a->generation == b->generation;
}

/* 1: taken, 0: another was faster, -1: Redis didn't answer. */
static int swap(struct redis_breaker *self, const char *before, const struct breaker *after)
{
    char text[BREAKER_TEXT_SIZE], life[16];
    const char *const args[] = {key, before, text, life};
    if (same(after, &(struct breaker){0}))
        text[0] = 0; /* at rest it has no key: admission.lua asks for no more */
    else
        breaker_write(after, text);
    snprintf(life, sizeof life, "%d", KEEP_MS);
    redisReply *reply = redis_conn_eval(self->conn, self->swap_script, 1, args, sizeof args / sizeof args[0]);
    int taken = reply && reply->type == REDIS_REPLY_INTEGER ? (int)reply->integer : -1;
    if (reply) freeReplyObject(reply);
    return taken;
}

/* One step of the rule: allow or report. */
struct step {
    bool reports;
    int64_t now_ms;
    int64_t generation;
    enum breaker_outcome outcome;
    bool allowed;
    int64_t retry_after_s;
    bool trial;
};

static void apply(struct breaker *rule, struct step *step)
{
    if (step->reports) {
        breaker_report(rule, step->now_ms, step->generation, step->outcome);
        return;
    }
    step->allowed = breaker_allow(rule, step->now_ms, &step->generation, &step->retry_after_s);
    step->trial = step->allowed && rule->state == BREAKER_HALF_OPEN;
}

/* false: Redis didn't decide. */
static bool apply_shared(struct redis_breaker *self, const char *op, struct step *step)
{
    int taken = -1;
    if (!redis_conn_begin(self->conn)) return false;
    for (int i = 0; i < TRIES && taken <= 0; i++) {
        char text[BREAKER_TEXT_SIZE];
        if (!load(self, text)) break;
        struct breaker before = breaker_read(text, strlen(text)), after = before;
        struct step tried = *step;
        apply(&after, &tried);
        taken = same(&before, &after) ? 1 : swap(self, text, &after);
        if (taken < 0) break;
        if (taken == 0) continue;
        tell(&before, &after, true);
        *step = tried;
    }
    return redis_conn_done(self->conn, op, taken > 0);
}

static void apply_local(struct redis_breaker *self, struct step *step)
{
    pthread_mutex_lock(&self->local->lock);
    struct breaker before = self->local->rule;
    apply(&self->local->rule, step);
    struct breaker after = self->local->rule;
    pthread_mutex_unlock(&self->local->lock);
    tell(&before, &after, false);
}

static enum chat_error allow(struct shared_breaker *breaker, struct breaker_ticket *ticket, int64_t *retry_after_s)
{
    struct redis_breaker *self = self_of(breaker);
    struct step step = {.now_ms = clock_wall_ms(self->clock)}, local = step;
    *ticket = (struct breaker_ticket){.asked = true};
    ticket->shared = apply_shared(self, "breaker_allow", &step);
    if (!ticket->shared) apply_local(self, &local);
    ticket->generation = step.generation;
    ticket->local_generation = local.generation;
    const struct step *decided = ticket->shared ? &step : &local;
    ticket->trial = decided->trial;
    *retry_after_s = decided->retry_after_s;
    return decided->allowed ? CHAT_OK : CHAT_ERR_API_UNAVAILABLE;
}

static void report(struct shared_breaker *breaker, const struct breaker_ticket *ticket, enum breaker_outcome outcome)
{
    struct redis_breaker *self = self_of(breaker);
    struct step step = {.reports = true, .now_ms = clock_wall_ms(self->clock), .outcome = outcome};
    if (!ticket->asked) return;
    if (ticket->shared) {
        step.generation = ticket->generation;
        if (!apply_shared(self, "breaker_report", &step)) log_write(LOG_DEBUG, "breaker_report_lost");
    } else {
        step.generation = ticket->local_generation;
        apply_local(self, &step);
    }
}

static enum breaker_state state(struct shared_breaker *breaker)
{
    struct redis_breaker *self = self_of(breaker);
    char text[BREAKER_TEXT_SIZE];
    bool fine = redis_conn_begin(self->conn) && load(self, text);
    if (redis_conn_done(self->conn, "breaker_state", fine)) return breaker_read(text, strlen(text)).state;
    pthread_mutex_lock(&self->local->lock);
    enum breaker_state local = self->local->rule.state;
    pthread_mutex_unlock(&self->local->lock);
    return local;
}

struct shared_breaker *redis_breaker_open(struct redis_conn *conn, struct local_breaker *local,
                                          const struct clock *clock)
{
    static const struct shared_breaker_ops ops = {.allow = allow, .report = report, .state = state};
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
