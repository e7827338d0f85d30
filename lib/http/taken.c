#include "http/taken.h"

#include <string.h>

#include "base/log.h"
#include "http/errors.h"
#include "metrics/metrics.h"

static enum listener_state state_of(enum connection_state state)
{
    return state == CONNECTION_READY ? LISTENER_READY : state == CONNECTION_BLOCKED ? LISTENER_BLOCKED : LISTENER_GONE;
}

bool taken_open(struct taken *taken, struct http_call *call)
{
    memset(taken, 0, sizeof *taken);
    taken->connection = request_take(call->request);
    if (!taken->connection) return false;
    call->handed_over = true;
    taken->clock = call->ports->clock;
    taken->started_ms = call->started_ms;
    taken->route = call->route;
    arena_init_small(&taken->strings);
    taken->request_id = arena_strdup(&taken->strings, call->request->request_id);
    taken->method = arena_strdup(&taken->strings, call->request->method);
    taken->path = arena_strdup(&taken->strings, call->request->path);
    memcpy(taken->user_id, call->caller.user_id, USER_ID_SIZE);
    http_add_header(&taken->head, "Cache-Control", "no-store");
    return true;
}

void taken_close(struct taken *taken, bool stream)
{
    struct log_subject subject = {.request_id = taken->request_id, .user_id = taken->user_id};
    log_set_subject(&subject);
    bool whole = taken->finished && connection_pending(taken->connection) == 0;
    int status = whole ? taken->head.status : 499;
    int64_t duration_ms = clock_mono_ms(taken->clock) - taken->started_ms;
    metrics_request(taken->route, status, duration_ms);
    log_write(LOG_INFO, "request", LOG_STR("method", taken->method), LOG_STR("path", taken->path),
              LOG_INT("status", status), LOG_BOOL("stream", stream), LOG_INT("duration_ms", duration_ms));
    log_set_subject(NULL);
    connection_close(taken->connection);
    arena_fini(&taken->strings);
}

void taken_add_quota_headers(struct taken *taken, const struct quota *quota)
{
    taken->has_quota = true;
    taken->quota = *quota;
    taken->quota_at = taken->head.header_count;
    http_add_quota_headers(&taken->head, quota, &taken->strings);
}

static void renew_quota(struct taken *taken, const struct quota *quota)
{
    struct http_response now = {0};
    if (!taken->has_quota || !quota) return;
    taken->quota = *quota;
    http_add_quota_headers(&now, quota, &taken->strings);
    for (size_t i = 0; i < now.header_count; i++) taken->head.headers[taken->quota_at + i] = now.headers[i];
}

enum listener_state taken_write(struct taken *taken, const char *bytes, size_t len)
{
    return state_of(connection_write(taken->connection, bytes, len));
}

void taken_cork(struct taken *taken)
{
    connection_cork(taken->connection);
}

enum listener_state taken_flush(struct taken *taken)
{
    return state_of(connection_flush(taken->connection));
}

enum listener_state taken_finish(struct taken *taken)
{
    taken->finished = true;
    return state_of(connection_finish(taken->connection));
}

enum listener_state taken_tear(struct taken *taken, enum chat_error error)
{
    taken->finished = true;
    taken->head.status = error_view(error)->status; /* of the log line */
    return state_of(connection_tear(taken->connection));
}

enum listener_state taken_send_whole(struct taken *taken, const char *body, size_t len)
{
    http_add_header(&taken->head, "Content-Length", arena_printf(&taken->strings, "%zu", len));
    if (connection_head(taken->connection, &taken->head) == CONNECTION_GONE) return LISTENER_GONE;
    return taken_write(taken, body, len);
}

void taken_compose_error(struct taken *taken, const struct problem *problem, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_object(&json);
    json_put_key(&json, "error");
    error_write(&json, problem, taken->request_id);
    json_end_object(&json);
}

enum listener_state taken_send_error(struct taken *taken, struct problem *problem, const struct quota *quota,
                                     struct buf *scratch)
{
    renew_quota(taken, quota);
    problem->has_quota = taken->has_quota;
    problem->quota = taken->quota;
    taken->head.status = error_view(problem->error)->status;
    error_add_headers(&taken->head, problem, &taken->strings);
    buf_reset(scratch);
    taken_compose_error(taken, problem, scratch);
    return scratch->failed ? LISTENER_GONE : taken_send_whole(taken, scratch->data, scratch->len);
}
