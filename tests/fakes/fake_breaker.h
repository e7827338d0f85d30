/* The shared breakers in memory, by domain/breaker.c. Any thread. */
#ifndef FAKES_FAKE_BREAKER_H
#define FAKES_FAKE_BREAKER_H

#include <pthread.h>

#include "base/clock.h"
#include "usecases/shared_breaker.h"

struct fake_breaker {
    struct shared_breaker breaker; /* first: the port */
    pthread_mutex_t lock;
    const struct clock *clock; /* borrowed */
    struct breaker rule;       /* of every model but "spare" and "the-spare" */
    struct breaker spare;      /* of those two */
    int allowed;
    int reports[4]; /* by outcome, of all models */
    int64_t rest_s; /* of the last BREAKER_BUSY */
};

void fake_breaker_init(struct fake_breaker *self, const struct clock *clock);
/* model NULL: of all. */
bool fake_breaker_at_rest(const struct fake_breaker *self, const char *model);
int fake_breaker_reports(struct fake_breaker *self, enum breaker_outcome outcome);

#endif
