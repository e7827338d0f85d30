/* The shared breaker in memory, by domain/breaker.c. Any thread. */
#ifndef FAKES_FAKE_BREAKER_H
#define FAKES_FAKE_BREAKER_H

#include <pthread.h>

#include "base/clock.h"
#include "usecases/shared_breaker.h"

struct fake_breaker {
    struct shared_breaker breaker; /* first: the port */
    pthread_mutex_t lock;
    const struct clock *clock; /* borrowed */
    struct breaker rule;
    int allowed;
    int reports[3]; /* by outcome */
};

void fake_breaker_init(struct fake_breaker *self, const struct clock *clock);
/* Closed, without a failure, never changed. */
bool fake_breaker_at_rest(const struct fake_breaker *self);
int fake_breaker_reports(struct fake_breaker *self, enum breaker_outcome outcome);

#endif
