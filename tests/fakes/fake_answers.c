#include "tests/fakes/fake_answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_answers *of(struct answers *self)
{
    return (struct fake_answers *)self;
}

static enum chat_error reserve(struct answers *self)
{
    if (of(self)->refuse == CHAT_OK) of(self)->reserved++;
    return of(self)->refuse;
}

static void unreserve(struct answers *self)
{
    of(self)->reserved--;
}

static void start(struct answers *port, const struct answer_spec *spec, struct answer_listener *listener)
{
    struct fake_answers *self = of(port);

    self->started++;
    self->listener = listener;
    self->answer = *spec->answer;
    free(self->body);
    self->body = spec->body;
    self->body_len = spec->body_len;
}

static void attach(struct answers *port, const struct answer_attach *spec, struct answer_listener *listener)
{
    struct fake_answers *self = of(port);

    self->attached++;
    self->listener = listener;
    self->answer = *spec->answer;
}

static enum answer_stop_result stop(struct answers *port, const char *answer_id, int timeout_ms)
{
    struct fake_answers *self = of(port);

    self->stopped++;
    self->stop_timeout_ms = timeout_ms;
    snprintf(self->stopped_id, sizeof self->stopped_id, "%s", answer_id);
    if (self->on_stop) self->on_stop(self->context);
    return self->stop_result;
}

void fake_answers_init(struct fake_answers *self)
{
    static const struct answers_ops ops = {
        .reserve = reserve, .unreserve = unreserve, .start = start, .attach = attach, .stop = stop};

    memset(self, 0, sizeof *self);
    self->answers.ops = &ops;
    buf_init(&self->scratch, 16 << 20);
}

void fake_answers_fini(struct fake_answers *self)
{
    if (self->listener) self->listener->ops->close(self->listener);
    free(self->body);
    buf_fini(&self->scratch);
}
