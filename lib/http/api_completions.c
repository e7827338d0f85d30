/* OpenAI's chat completions: the body goes to the provider as it came, but for what is missing in it. */
#include <stdlib.h>
#include <string.h>

#include "http/api.h"
#include "http/completion_stream.h"
#include "usecases/take_place.h"

enum { BODY_MAX_BYTES = 2 << 20 };

static bool check_messages(struct http_call *call)
{
    const struct json *messages = json_get(call->body, "messages");
    if (messages && json_type(messages) == JSON_ARRAY && json_first(messages)) return true;
    problem_field(&call->problem, "messages", "takes a list of at least one message");
    return false;
}

/* What stands behind the opening brace of the body, with our own fields put before it, and no more tokens asked for
 * than any answer may have. NULL: a key that counts here is spelled with escapes. */
static char *complete_body(struct http_call *call, const char *model, bool add_usage, size_t *len)
{
    const struct provider *provider = call->ports->provider;
    const char *brace = memchr(call->body_text, '{', call->body_len);
    size_t rest = call->body_len - (size_t)(brace + 1 - call->body_text);
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    buf_append_char(&body, '{');
    if (model) {
        struct json_writer json;
        json_writer_init(&json, &body);
        buf_append_str(&body, "\"model\":");
        json_put_string(&json, model);
        buf_append_char(&body, ',');
    }
    if (add_usage) buf_append_str(&body, "\"stream_options\":{\"include_usage\":true},");
    buf_append(&body, brace + 1, rest);
    struct buf bounded;
    buf_init(&bounded, BODY_MAX_BYTES);
    if (body.failed) abort(); /* out of memory */
    bool fine = provider->ops->bound_tokens(provider, body.data, body.len, call->ports->policy->max_tokens, &bounded);
    if (bounded.failed) abort();
    buf_fini(&body);
    if (fine) return buf_take(&bounded, len);
    buf_fini(&bounded);
    return NULL;
}

enum chat_error api_create_completion(struct http_call *call)
{
    const struct chat_policy *policy = call->ports->policy;
    struct completion_spec spec = {.request_id = call->request->request_id, .trace = call->trace};
    const char *model;
    size_t model_len;
    const struct json *stream = json_get(call->body, "stream");
    bool fine = call_body_string(call, "model", &model, &model_len);
    if (stream && json_type(stream) != JSON_NULL) fine = call_body_bool(call, "stream", false, &spec.stream) && fine;
    if (!model && json_get(call->body, "model")) {
        problem_field(&call->problem, "model", "takes the name of a model, or isn't there");
        fine = false;
    }
    fine = check_messages(call) && fine;
    if (!fine) return call->problem.error;
    enum chat_error error = policy_check_model(policy, model, &call->problem);
    if (error != CHAT_OK) return error;
    spec.model = model ? model : policy->default_model;
    spec.drop_usage = spec.stream && !json_get(call->body, "stream_options");

    spec.body = complete_body(call, model ? NULL : spec.model, spec.drop_usage, &spec.body_len);
    if (!spec.body)
        return problem_field(&call->problem, "body",
                             "takes the names of `model`, `stream_options` and the token limits "
                             "without escapes");

    struct place place = {0};
    char id[UUID_TEXT_SIZE]; /* names the lease */
    uuid_v7(clock_wall_ms(call->ports->clock), id);
    error = take_place(call->ports, &call->caller, id, &call->problem, &place);
    if (error != CHAT_OK) {
        free(spec.body);
        return error;
    }
    spec.ticket = place.ticket;
    spec.breaker = place.breaker;
    struct completion_client *client = completion_stream(call, spec.stream, &place.quota);
    if (!client) abort(); /* out of memory: the lease runs out by itself */
    call->ports->answers->ops->complete(call->ports->answers, &spec, client);
    return CHAT_OK;
}
