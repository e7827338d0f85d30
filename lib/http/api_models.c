/* The models offered here, in OpenAI's shape. */
#include <string.h>

#include "http/api.h"

static void write_model(struct json_writer *json, const char *name)
{
    json_begin_object(json);
    json_field_string(json, "id", name);
    json_field_string(json, "object", "model");
    json_field_int(json, "created", 0); /* not known; OpenAI's clients want a number */
    json_field_string(json, "owned_by", "sambanova");
    json_end_object(json);
}

enum chat_error api_list_models(struct http_call *call)
{
    const struct chat_policy *policy = call->ports->policy;
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_field_string(&json, "object", "list");
    json_put_key(&json, "data");
    json_begin_array(&json);
    for (size_t i = 0; i < policy->model_count; i++) write_model(&json, policy->models[i]);
    json_end_array(&json);
    json_end_object(&json);
    return call_send_json(call, 200);
}

enum chat_error api_get_model(struct http_call *call)
{
    if (!policy_offers_model(call->ports->policy, call->name))
        return problem_set(&call->problem, CHAT_ERR_MODEL_NOT_FOUND, NULL);
    struct json_writer json = call_json(call);
    write_model(&json, call->name);
    return call_send_json(call, 200);
}
