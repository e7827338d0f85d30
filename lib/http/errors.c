#include "http/errors.h"

#include "http/views.h"

enum { SOON_S = 60 };

#define INVALID "invalid_request_error"
#define ROW(status, type, retryable, message)                                     \
    {                                                                             \
        static const struct error_view view = {status, type, message, retryable}; \
        return &view;                                                             \
    }

const struct error_view *error_view(enum chat_error error)
{
    switch (error) {
    case CHAT_OK: break;
    case CHAT_ERR_INVALID_JSON: ROW(400, INVALID, false, "The body is not valid JSON.")
    case CHAT_ERR_INVALID_REQUEST: ROW(400, INVALID, false, "The request is malformed.")
    case CHAT_ERR_UNAUTHENTICATED:
        ROW(401, "authentication_error", false, "Sign in, or send a valid token as `Authorization: Bearer …`.")
    case CHAT_ERR_FORBIDDEN: ROW(403, "permission_error", false, "This is not allowed for you, or not from that site.")
    case CHAT_ERR_FEATURE_DISABLED: ROW(403, "permission_error", false, "Chat is not switched on for you.")
    case CHAT_ERR_NOT_FOUND: ROW(404, INVALID, false, "There is nothing at this address.")
    case CHAT_ERR_SESSION_NOT_FOUND: ROW(404, INVALID, false, "There is no such session.")
    case CHAT_ERR_MESSAGE_NOT_FOUND: ROW(404, INVALID, false, "There is no such message.")
    case CHAT_ERR_MODEL_NOT_FOUND: ROW(404, INVALID, false, "This model is not offered here; see GET /api/v1/models.")
    case CHAT_ERR_METHOD_NOT_ALLOWED: ROW(405, INVALID, false, "This method is not for this address; see `Allow`.")
    case CHAT_ERR_GENERATION_IN_PROGRESS:
        ROW(409, INVALID, true, "An answer is being written in this session: wait for its end, or stop it.")
    case CHAT_ERR_PAYLOAD_TOO_LARGE:
        ROW(413, INVALID, false, "The body is too large for this address; `details.max_bytes` is the most.")
    case CHAT_ERR_UNSUPPORTED_MEDIA_TYPE: ROW(415, INVALID, false, "Send the body as `Content-Type: application/json`.")
    case CHAT_ERR_VALIDATION_FAILED: ROW(422, INVALID, false, "Some values are not acceptable; see `details.fields`.")
    case CHAT_ERR_IDEMPOTENCY_MISMATCH:
        ROW(422, INVALID, false, "This Idempotency-Key was used for another request; make a new one.")
    case CHAT_ERR_CONTEXT_LENGTH_EXCEEDED:
        ROW(422, INVALID, false, "The conversation is too long for this model: start a new one, or shorten it.")
    case CHAT_ERR_RATE_LIMITED: ROW(429, "rate_limit_error", true, "Too many messages this minute; see `Retry-After`.")
    case CHAT_ERR_QUOTA_EXCEEDED:
        ROW(429, "rate_limit_error", true, "The messages of today are used up; they come back at midnight UTC.")
    case CHAT_ERR_TOO_MANY_STREAMS:
        ROW(429, "rate_limit_error", true, "Too many answers at once: wait for one to end, or stop one.")
    case CHAT_ERR_UPSTREAM_RATE_LIMITED:
        ROW(429, "rate_limit_error", true, "The model provider is busy; try again shortly.")
    case CHAT_ERR_INTERNAL:
        ROW(500, "server_error", true, "Something went wrong here; the request id helps to find it.")
    case CHAT_ERR_UPSTREAM_ERROR: ROW(502, "server_error", true, "The model provider failed; try again.")
    case CHAT_ERR_UPSTREAM_INVALID_RESPONSE:
        ROW(502, "server_error", true, "The model provider gave no usable answer; try again.")
    case CHAT_ERR_API_UNAVAILABLE:
        ROW(503, "server_error", true, "The model provider is not available now; try again shortly.")
    case CHAT_ERR_OVERLOADED: ROW(503, "server_error", true, "Too busy just now; try again in a moment.")
    case CHAT_ERR_DATABASE_UNAVAILABLE:
        ROW(503, "server_error", true, "The conversations can't be reached now; try again shortly.")
    case CHAT_ERR_QUOTA_UNAVAILABLE: ROW(503, "server_error", true, "Limits can't be checked now; try again shortly.")
    case CHAT_ERR_SHUTTING_DOWN: ROW(503, "server_error", true, "The service is restarting; try again.")
    case CHAT_ERR_INTERRUPTED: ROW(503, "server_error", true, "The answer was cut off; ask for it again.")
    case CHAT_ERR_UPSTREAM_TIMEOUT: ROW(504, "server_error", true, "The model provider took too long; try again.")
#define TOLD_AS(name, told_as) \
    case CHAT_ERR_##name: return error_view(CHAT_ERR_##told_as);
        CHAT_INTERNAL_ERRORS(TOLD_AS)
#undef TOLD_AS
    }
    return error_view(CHAT_ERR_INTERNAL);
}

static void write_fields(struct json_writer *json, const struct problem *problem)
{
    json_put_key(json, "fields");
    json_begin_object(json);
    for (size_t i = 0; i < problem->field_count; i++)
        json_field_string(json, problem->fields[i].name, problem->fields[i].message);
    json_end_object(json);
}

static void write_details(struct json_writer *json, const struct problem *problem, int status)
{
    bool quota = problem->has_quota && status == 429;
    bool fields = problem->field_count || problem->error == CHAT_ERR_VALIDATION_FAILED;
    json_put_key(json, "details");
    /* if an answer has no text, the finish reason says why */
    const char *reason = problem->error == CHAT_ERR_UPSTREAM_INVALID_RESPONSE ? problem->finish_reason : NULL;
    if (!fields && !problem->active_message_id[0] && !problem->was[0] && !quota && !problem->max_bytes && !reason) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    if (fields) write_fields(json, problem);
    if (problem->active_message_id[0]) json_field_string(json, "active_message_id", problem->active_message_id);
    if (problem->was[0]) json_field_string(json, "was", problem->was);
    if (problem->max_bytes) json_field_int(json, "max_bytes", (int64_t)problem->max_bytes);
    if (reason) json_field_string(json, "finish_reason", reason);
    if (quota) {
        json_put_key(json, "quota");
        view_quota(json, &problem->quota);
    }
    json_end_object(json);
}

/* A limit of 0 never ends, whenever its window does. */
static bool allows_none(const struct problem *problem)
{
    const struct quota *quota = &problem->quota;
    if (!problem->has_quota) return false;
    if (problem->error == CHAT_ERR_RATE_LIMITED) return quota->rate_limit == 0;
    return problem->error == CHAT_ERR_QUOTA_EXCEEDED && quota->daily_limit == 0;
}

bool error_may_pass(const struct problem *problem)
{
    if (problem->account_refused) return false;
    return error_view(problem->error)->retryable && problem->retry_after_s <= SOON_S && !allows_none(problem);
}

void error_add_headers(struct http_response *response, const struct problem *problem, struct arena *strings)
{
    if (problem->retry_after_s > 0)
        http_add_header(response, "Retry-After", arena_printf(strings, "%lld", (long long)problem->retry_after_s));
    if (!error_may_pass(problem) || problem->tried_out) http_add_header(response, "x-should-retry", "false");
}

void error_write(struct json_writer *json, const struct problem *problem, const char *request_id)
{
    const struct error_view *view = error_view(problem->error);
    json_begin_object(json);
    json_field_string(json, "code", error_code(problem->error));
    json_field_string(json, "message", problem->message ? problem->message : view->message);
    json_field_string(json, "type", view->type);
    json_field_string(json, "param", problem->param);
    json_field_bool(json, "retryable", error_may_pass(problem));
    if (problem->retry_after_s > 0)
        json_field_int(json, "retry_after", problem->retry_after_s);
    else
        json_field_null(json, "retry_after");
    json_field_string(json, "request_id", request_id);
    write_details(json, problem, view->status);
    json_end_object(json);
}
