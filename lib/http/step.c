#include "http/step.h"

#include <string.h>

#include "base/log.h"
#include "http/errors.h"
#include "metrics/metrics.h"

enum { RESPONSE_MAX_BYTES = 64 << 20 };

static void compose_error(struct http_call *call, enum chat_error error)
{
    struct problem *problem = &call->problem;
    problem->error = error;
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_put_key(&json, "error");
    error_write(&json, problem, call->request->request_id);
    json_end_object(&json);
    if (error == CHAT_ERR_UNAUTHENTICATED) http_add_header(&call->response, "WWW-Authenticate", "Bearer");
    error_add_headers(&call->response, problem, call->arena);
    if (problem->has_quota) http_add_quota_headers(&call->response, &problem->quota, call->arena);
    if (call_send_json(call, error_view(error)->status) != CHAT_OK) call->response.status = 500;
}

static void respond(struct http_call *call)
{
    struct http_response *response = &call->response;
    bool has_body = response->body && response->status != 204;
    http_add_header(response, "Cache-Control", "no-store");
    if (has_body) http_add_header(response, "Content-Length", arena_printf(call->arena, "%zu", response->body_len));
    if (strcmp(call->request->method, "HEAD") == 0) response->body = NULL;
    request_respond(call->request, response);
}

static void finish(struct http_call *call, enum chat_error error)
{
    const struct http_request *request = call->request;
    if (error != CHAT_OK) {
        call_free_key(call);
        compose_error(call, error);
    }
    respond(call);
    int64_t duration_ms = clock_mono_ms(call->ports->clock) - call->started_ms;
    metrics_request(call->route, call->response.status, duration_ms);
    log_write(call->response.status >= 500 ? LOG_WARN : LOG_INFO, "request", LOG_STR("method", request->method),
              LOG_STR("path", request->path), LOG_INT("status", call->response.status),
              LOG_STR("code", error ? error_code(error) : NULL), LOG_INT("duration_ms", duration_ms));
}

void step_open(struct http_call *call)
{
    buf_init(&call->out, RESPONSE_MAX_BYTES);
    call->subject = (struct log_subject){.request_id = call->request->request_id,
                                         .trace_id = call->trace.trace_id,
                                         .span_id = call->trace.span_id,
                                         .user_id = call->caller.user_id};
    log_set_subject(&call->subject);
}

void step_close(struct http_call *call, enum chat_error error, bool responds)
{
    if (responds && !call->handed_over) finish(call, error);
    log_set_subject(NULL);
    buf_fini(&call->out);
}
