#include "tests/fakes/fake_breaker.h"

#include <string.h>

static struct fake_breaker *of(struct shared_breaker *self)
{
    return (struct fake_breaker *)self;
}

static enum chat_error allow(struct shared_breaker *port, struct breaker_ticket *ticket, int64_t *retry_after_s)
{
    struct fake_breaker *self = of(port);

    *ticket = (struct breaker_ticket){.asked = true, .shared = true};
    pthread_mutex_lock(&self->lock);
    bool fine = breaker_allow(&self->rule, clock_wall_ms(self->clock), &ticket->generation, retry_after_s);
    self->allowed += fine;
    ticket->trial = fine && self->rule.state == BREAKER_HALF_OPEN;
    pthread_mutex_unlock(&self->lock);
    return fine ? CHAT_OK : CHAT_ERR_API_UNAVAILABLE;
}

static void report(struct shared_breaker *port, const struct breaker_ticket *ticket, enum breaker_outcome outcome)
{
    struct fake_breaker *self = of(port);

    if (!ticket->asked) return;
    pthread_mutex_lock(&self->lock);
    breaker_report(&self->rule, clock_wall_ms(self->clock), ticket->generation, outcome);
    self->reports[outcome]++;
    pthread_mutex_unlock(&self->lock);
}

static enum breaker_state state(struct shared_breaker *port)
{
    struct fake_breaker *self = of(port);

    pthread_mutex_lock(&self->lock);
    enum breaker_state now = self->rule.state;
    pthread_mutex_unlock(&self->lock);
    return now;
}

void fake_breaker_init(struct fake_breaker *self, const struct clock *clock)
{
    static const struct shared_breaker_ops ops = {.allow = allow, .report = report, .state = state};

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

bool fake_breaker_at_rest(const struct fake_breaker *self)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&self->lock;

    pthread_mutex_lock(lock);
    bool rests = self->rule.state == BREAKER_CLOSED && self->rule.failures == 0 && self->rule.generation == 0;
    pthread_mutex_unlock(lock);
    return rests;
}
