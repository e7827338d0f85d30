#include <string.h>

#include "http/api.h"
#include "http/views.h"
#include "domain/feature.h"

#define COOKIE "__Host-chat_token"

/* Browsers drop a cookie whose name and value are longer together. */
enum { COOKIE_TOKEN_MAX = 4096 - sizeof COOKIE };

enum chat_error api_get_quota(struct http_call *call)
{
    struct admission *admission = call->ports->admission;
    struct quota quota;
    enum chat_error error = admission_peek(admission, &call->caller, &quota);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    struct json_writer json = call_json(call);
    view_quota(&json, &quota);
    return call_send_json(call, 200);
}

static void write_limits(struct json_writer *json, const struct chat_policy *policy)
{
    json_put_key(json, "limits");
    json_begin_object(json);
    json_field_int(json, "max_message_length", policy->max_message_length);
    json_field_int(json, "max_title_length", SESSION_TITLE_MAX);
    if (policy->max_concurrent_streams == QUOTA_UNLIMITED)
        json_field_null(json, "max_concurrent_streams");
    else
        json_field_int(json, "max_concurrent_streams", policy->max_concurrent_streams);
    json_field_int(json, "max_tokens", policy->max_tokens);
    json_field_int(json, "max_context_messages", policy->max_context_messages);
    json_end_object(json);
}

enum chat_error api_get_features(struct http_call *call)
{
    const struct chat_policy *policy = call->ports->policy;
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_field_bool(&json, "enabled", feature_allows(policy, &call->caller));
    json_put_key(&json, "user");
    json_begin_object(&json);
    json_field_string(&json, "id", call->caller.user_id);
    json_field_string(&json, "role", call->caller.is_admin ? "admin" : "user");
    json_end_object(&json);
    json_put_key(&json, "models");
    json_begin_array(&json);
    for (size_t i = 0; i < policy->model_count; i++) json_put_string(&json, policy->models[i]);
    json_end_array(&json);
    json_field_string(&json, "default_model", policy->default_model);
    write_limits(&json, policy);
    json_end_object(&json);
    return call_send_json(call, 200);
}

/* The cookie lives as long as the token. */
enum chat_error api_sign_in(struct http_call *call)
{
    int64_t left_s = call->token_expires_at_s - clock_wall_ms(call->ports->clock) / 1000;
    if (left_s < 1) left_s = 1;
    if (strlen(call->token) > COOKIE_TOKEN_MAX)
        return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST,
                           "This token is too long for a cookie: send it as `Authorization: Bearer …`.");
    http_add_header(&call->response, "Set-Cookie",
                    arena_printf(call->arena, COOKIE "=%s; Path=/; Max-Age=%lld; Secure; HttpOnly; SameSite=Strict",
                                 call->token, (long long)left_s));
    call->response.status = 204;
    return CHAT_OK;
}

enum chat_error api_sign_out(struct http_call *call)
{
    http_add_header(&call->response, "Set-Cookie", COOKIE "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    call->response.status = 204;
    return CHAT_OK;
}
