#include "tests/fakes/fake_answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/answer.h"

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

static enum chat_error reserve_reader(struct answers *port, const char *user_id)
{
    struct fake_answers *self = of(port);

    (void)user_id;
    if (self->refuse == CHAT_OK) self->readers++;
    return self->refuse;
}

static void unreserve_reader(struct answers *self, const char *user_id)
{
    (void)user_id;
    of(self)->readers--;
}

static enum chat_error reserve_long(struct answers *port, const char *user_id)
{
    enum chat_error error = of(port)->longs ? CHAT_ERR_TOO_MANY_STREAMS : reserve_reader(port, user_id);

    if (error == CHAT_OK) of(port)->longs++;
    return error;
}

static void unreserve_long(struct answers *port, const char *user_id)
{
    of(port)->longs--;
    unreserve_reader(port, user_id);
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

static enum listener_state settle(struct answer_listener *listener, enum listener_state state)
{
    while (state == LISTENER_BLOCKED) state = listener_writable(listener);
    return state;
}

/* As the relay does it, but all at once. */
static void replay(struct fake_answers *self, const struct answer_attach *spec, struct answer_listener *listener)
{
    const struct message *row = spec->answer;
    const struct answer_text text = {row->reasoning, row->reasoning_len, row->content, row->content_len};
    const struct answer_final final = {
        .error = answer_error(row->status), .message = row, .session = spec->session, .quota = spec->quota};
    enum listener_state state = settle(listener, listener_open(listener, &self->scratch));

    while (state == LISTENER_READY && (state = listener_text(listener, &text, &self->scratch)) != LISTENER_READY)
        state = settle(listener, state);
    if (state == LISTENER_READY) settle(listener, listener_end(listener, &final, &self->scratch));
    listener_close(listener);
    self->readers--;
}

static void attach(struct answers *port, const struct answer_attach *spec, struct answer_listener *listener)
{
    struct fake_answers *self = of(port);

    if (answer_is_final(spec->answer->status)) {
        self->replayed++;
        replay(self, spec, listener);
        return;
    }

    self->attached++;
    self->listener = listener;
    self->answer = *spec->answer;
}

/* The test makes the steps: fake_answers_step. */
static void step(struct answers *port, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    struct fake_answers *self = of(port);

    (void)user_id;
    if (self->stepped) abort();
    self->stepped = reply;
    self->step_in_ms = wait_ms;
}

enum step_next fake_answers_step(struct fake_answers *self, const struct chat_ports *ports)
{
    struct stepped *reply = self->stepped;
    enum step_next next = stepped_step(reply, ports, &self->step_in_ms);

    if (next == STEP_LATER) return next;
    if (next == STEP_HANDED_ON) {
        self->stepped = NULL;
        return next;
    }
    while (stepped_writable(reply) == LISTENER_BLOCKED) {}
    if (next == STEP_ON) return next;
    self->stepped = NULL;
    if (reply->is_long) self->longs--;
    stepped_close(reply);
    self->readers--;
    return next;
}

static enum answer_stop_result stop(struct answers *port, const char *answer_id)
{
    struct fake_answers *self = of(port);

    self->stopped++;
    snprintf(self->stopped_id, sizeof self->stopped_id, "%s", answer_id);
    if (self->on_stop) self->on_stop(self->context);
    return self->stop_result;
}

/* The client is sent away at once. */
static void complete(struct answers *port, const struct completion_spec *spec, struct completion_client *client)
{
    struct fake_answers *self = of(port);

    self->reserved--;
    self->completed++;
    free(self->body);
    self->body = spec->body;
    self->body_len = spec->body_len;
    completion_client_close(client);
}

void fake_answers_init(struct fake_answers *self)
{
    static const struct answers_ops ops = {.reserve = reserve,
                                           .unreserve = unreserve,
                                           .reserve_reader = reserve_reader,
                                           .unreserve_reader = unreserve_reader,
                                           .reserve_long = reserve_long,
                                           .unreserve_long = unreserve_long,
                                           .start = start,
                                           .attach = attach,
                                           .step = step,
                                           .complete = complete,
                                           .stop = stop};

    memset(self, 0, sizeof *self);
    self->answers.ops = &ops;
    buf_init(&self->scratch, 16 << 20);
}

void fake_answers_fini(struct fake_answers *self)
{
    if (self->listener) listener_close(self->listener);
    if (self->stepped) stepped_close(self->stepped);
    free(self->body);
    buf_fini(&self->scratch);
}
