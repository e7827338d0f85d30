#include "http/late.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/step.h"
#include "usecases/stepped.h"

enum { COME_AGAIN_S = 2 };

struct late {
    struct stepped stepped;        /* first */
    struct http_request request;   /* what the call sees in later steps */
    struct connection *connection; /* NULL: a step has given it to a listener */
    struct arena strings;
    struct http_call call; /* the call as it was; each step begins with a copy of it */
    late_step *step;
    void *context;
};

static struct late *of(const struct stepped *stepped)
{
    return (struct late *)(uintptr_t)stepped;
}

static struct late *of_request(struct http_request *request)
{
    return (struct late *)((char *)request - offsetof(struct late, request));
}

/* ---- the request, as a step sees it ---- */

static const char *no_param(const struct http_request *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

static enum chat_error no_body(struct http_request *self, size_t limit, struct arena *arena, const char **body,
                               size_t *len)
{
    (void)self;
    (void)limit;
    (void)arena;
    *body = "";
    *len = 0;
    return CHAT_OK;
}

static void respond(struct http_request *self, const struct http_response *response)
{
    struct connection *connection = of_request(self)->connection;
    connection_head(connection, response);
    if (response->body && response->body_len) connection_write(connection, response->body, response->body_len);
    connection_finish(connection);
}

static struct connection *take(struct http_request *self)
{
    struct late *late = of_request(self);
    struct connection *connection = late->connection;
    late->connection = NULL;
    return connection;
}

static const struct http_request_ops request_ops = {
    .param = no_param, .read_body = no_body, .respond = respond, .take = take};

/* ---- the reply, as the relay sees it ---- */

static int late_fd(const struct stepped *self)
{
    return connection_fd(of(self)->connection);
}

static void late_close(struct stepped *self)
{
    struct late *late = of(self);
    if (late->connection) connection_close(late->connection);
    arena_fini(&late->strings);
    free(late);
}

static enum step_next late_next(struct stepped *self, const struct chat_ports *ports, int64_t *wait_ms)
{
    struct late *late = of(self);
    struct arena arena;
    arena_init(&arena);
    struct http_call call = late->call;
    call.ports = ports;
    call.arena = &arena;
    step_open(&call);
    *wait_ms = 0;
    enum chat_error error = late->step(&call, late->context, wait_ms);
    bool wait = *wait_ms > 0;
    step_close(&call, error, !wait);
    arena_fini(&arena);
    if (wait) return STEP_LATER;
    if (!call.handed_over) return STEP_OVER;
    late_close(self);
    return STEP_HANDED_ON;
}

static enum listener_state late_writable(struct stepped *self)
{
    struct connection *connection = of(self)->connection;
    enum connection_state state = connection_flush(connection);
    return state == CONNECTION_READY ? LISTENER_READY : state == CONNECTION_BLOCKED ? LISTENER_BLOCKED : LISTENER_GONE;
}

static bool late_took(struct stepped *self)
{
    return connection_took(of(self)->connection);
}

static const struct stepped_ops stepped_ops = {
    .fd = late_fd, .step = late_next, .writable = late_writable, .took = late_took, .close = late_close};

/* ---- making it ---- */

static struct late *late_new(struct http_call *call)
{
    struct late *late = calloc(1, sizeof *late);
    if (!late) return NULL;
    late->stepped.ops = &stepped_ops;
    arena_init(&late->strings);
    late->request = (struct http_request){.ops = &request_ops,
                                          .method = arena_strdup(&late->strings, call->request->method),
                                          .path = arena_strdup(&late->strings, call->request->path),
                                          .query = "",
                                          .request_id = arena_strdup(&late->strings, call->request->request_id)};
    late->call = (struct http_call){.app = call->app,
                                    .request = &late->request,
                                    .started_ms = call->started_ms,
                                    .route = call->route,
                                    .trace = call->trace,
                                    .caller = call->caller,
                                    .has_reader = true};
    late->call.caller.groups = NULL; /* the request's strings, and the request is over before this */
    memcpy(late->call.id, call->id, sizeof late->call.id);
    late->connection = request_take(call->request);
    if (late->connection) return late;
    late_close(&late->stepped);
    return NULL;
}

enum chat_error late_take(struct http_call *call, struct late **out)
{
    struct answers *answers = call->ports->answers;
    enum chat_error error = answers_reserve_reader(answers, call->caller.user_id);
    if (error == CHAT_OK) {
        *out = late_new(call);
        if (!*out) {
            answers_unreserve_reader(answers, call->caller.user_id);
            error = CHAT_ERR_OVERLOADED;
        }
    }
    call->handed_over = error == CHAT_OK;
    if (error != CHAT_OK) call->problem.retry_after_s = COME_AGAIN_S;
    return problem_set(&call->problem, error, NULL);
}

struct arena *late_strings(struct late *late)
{
    return &late->strings;
}

void late_start(struct late *late, const struct chat_ports *ports, late_step *step, void *context, int64_t wait_ms)
{
    late->step = step;
    late->context = context;
    answers_step(ports->answers, late->call.caller.user_id, &late->stepped, wait_ms);
}
