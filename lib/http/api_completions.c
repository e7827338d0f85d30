/* OpenAI's chat completions: the body goes to the provider as it came, with missing fields added. */
#include <stdlib.h>

#include "http/api.h"
#include "http/completion_body.h"
#include "http/completion_stream.h"
#include "usecases/take_place.h"

enum chat_error api_create_completion(struct http_call *call)
{
    const struct chat_policy *policy = call->ports->policy;
    struct completion_spec spec = {.request_id = call->request->request_id, .trace = call->trace};
    struct completion_wish wish;
    if (!completion_body_read(call, &wish)) return call->problem.error;
    enum chat_error error = policy_check_model(policy, wish.model, &call->problem);
    if (error != CHAT_OK) return error;
    spec.model = wish.model ? wish.model : policy->default_model;
    spec.stream = wish.stream;
    spec.usage = wish.usage;
    spec.body = completion_body_for_provider(call, &wish, &spec.body_len);
    if (!spec.body) return call->problem.error;

    struct place place = {0};
    char id[UUID_TEXT_SIZE]; /* names the lease */
    uuid_v7(clock_wall_ms(call->ports->clock), id);
    const struct wanted_model wanted = {.name = spec.model, .units = wish.count};
    error = take_place(call->ports, &call->caller, &wanted, id, &call->problem, &place);
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
