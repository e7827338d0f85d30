#include "tests/fakes/fake_breaker.h"

#include <string.h>

static struct fake_breaker *of(struct shared_breaker *self)
{
    return (struct fake_breaker *)self;
}

static struct breaker *rule_of(struct fake_breaker *self, const char *model)
{
    return strcmp(model, "spare") == 0 || strcmp(model, "the-spare") == 0 ? &self->spare : &self->rule;
}

static enum chat_error allow(struct shared_breaker *port, const char *model, struct breaker_ticket *ticket,
                             int64_t *retry_after_s)
{
    struct fake_breaker *self = of(port);

    *ticket = (struct breaker_ticket){.model = model, .shared = true};
    pthread_mutex_lock(&self->lock);
    struct breaker *rule = rule_of(self, model);
    enum breaker_verdict verdict = breaker_allow(rule, clock_wall_ms(self->clock), &ticket->generation, retry_after_s);
    ticket->asked = verdict == BREAKER_ALLOWS;
    self->allowed += ticket->asked;
    ticket->trial = ticket->asked && rule->state == BREAKER_HALF_OPEN;
    pthread_mutex_unlock(&self->lock);
    return shared_breaker_error(verdict);
}

static void report(struct shared_breaker *port, const struct breaker_ticket *ticket, enum breaker_outcome outcome,
                   int64_t rest_s)
{
    struct fake_breaker *self = of(port);

    if (!ticket->asked || !ticket->model) return;
    pthread_mutex_lock(&self->lock);
    breaker_report(rule_of(self, ticket->model), clock_wall_ms(self->clock), ticket->generation, outcome, rest_s);
    self->reports[outcome]++;
    if (outcome == BREAKER_BUSY) self->rest_s = rest_s;
    pthread_mutex_unlock(&self->lock);
}

static void look(struct shared_breaker *port, const char *const *models, size_t count, struct breaker *out)
{
    struct fake_breaker *self = of(port);

    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < count; i++) out[i] = *rule_of(self, models[i]);
    pthread_mutex_unlock(&self->lock);
}

void fake_breaker_init(struct fake_breaker *self, const struct clock *clock)
{
    static const struct shared_breaker_ops ops = {.allow = allow, .report = report, .look = look};

    memset(self, 0, sizeof *self);
    self->breaker.ops = &ops;
    self->clock = clock;
    pthread_mutex_init(&self->lock, NULL);
}

int fake_breaker_reports(struct fake_breaker *self, enum breaker_outcome outcome)
{
    pthread_mutex_lock(&self->lock);
    int count = self->reports[outcome];
    pthread_mutex_unlock(&self->lock);
    return count;
}

bool fake_breaker_at_rest(const struct fake_breaker *self, const char *model)
{
    struct fake_breaker *own = (struct fake_breaker *)(uintptr_t)self;
    int64_t now_ms = clock_wall_ms(self->clock);

    pthread_mutex_lock(&own->lock);
    bool rests = model ? breaker_at_rest(rule_of(own, model), now_ms)
                       : breaker_at_rest(&own->rule, now_ms) && breaker_at_rest(&own->spare, now_ms);
    pthread_mutex_unlock(&own->lock);
    return rests;
}
