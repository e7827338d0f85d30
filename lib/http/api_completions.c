/* OpenAI's chat completions: the body goes to the provider as it came, with missing fields added. */
#include <stdlib.h>

#include "http/api.h"
#include "http/completion_body.h"
#include "http/completion_stream.h"
#include "usecases/open_completion.h"

enum chat_error api_create_completion(struct http_call *call)
{
    const struct chat_policy *policy = call->ports->policy;
    struct completion_spec spec = {.request_id = call->request->request_id, .trace = call->trace};
    struct completion_wish wish;
    if (!completion_body_read(call, &wish)) return call->problem.error;
    enum chat_error error = open_completion_model(policy, wish.model, &call->problem, &spec.model);
    if (error != CHAT_OK) return error;
    spec.stream = wish.stream;
    spec.usage = wish.usage;
    spec.body = completion_body_for_provider(call, &wish, &spec.body_len);
    if (!spec.body) return call->problem.error;

    struct quota quota;
    error = open_completion(call->ports, &call->caller, wish.count, &spec, &quota, &call->problem);
    if (error != CHAT_OK) {
        free(spec.body);
        return error;
    }
    struct completion_client *client = completion_stream(call, spec.stream, &quota);
    if (!client) abort(); /* out of memory: the lease runs out by itself */
    answers_complete(call->ports->answers, &spec, client);
    return CHAT_OK;
}
