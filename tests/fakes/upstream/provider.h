/*
 * What the provider answers: routes, the key, the checks of a request, errors, the models, and
 * which scenario applies to a request.
 */
#ifndef UPSTREAM_PROVIDER_H
#define UPSTREAM_PROVIDER_H

#include "reply.h"
#include "request.h"
#include "scenario.h"
#include "stats.h"

enum provider_target { TARGET_CHAT, TARGET_TITLE, TARGET_MODELS, TARGET_ALL };

struct order {
    struct scenario scenario;
    enum provider_target target;
    long times; /* requests left that it applies to; -1: all until it changes */
    char *with; /* in the question; NULL: any */
};

struct provider {
    struct stats *stats;
    double pace_ms;         /* between chunks, where no scenario says otherwise */
    unsigned long number;   /* of the next answer, makes its id */
    struct order orders[8]; /* POST /__control: the first for all, the others for questions with a text of their own */
};

void provider_init(struct provider *self, struct stats *stats, double pace_ms);
void provider_fini(struct provider *self);

/* Fills out, which the caller has initialised. */
void provider_answer(struct provider *self, struct request *request, struct reply *out);

/* Makes out an error in the provider's envelope. */
void provider_refuse(struct reply *out, int status, const char *code, const char *param, const char *message);

#endif
