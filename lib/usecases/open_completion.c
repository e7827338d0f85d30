#include "usecases/open_completion.h"

#include "usecases/take_place.h"

enum chat_error open_completion_model(const struct chat_policy *policy, const char *wished, struct problem *problem,
                                      const char **model)
{
    *model = wished ? wished : policy->default_model;
    return policy_check_model(policy, wished, problem);
}

enum chat_error open_completion(const struct chat_ports *ports, const struct caller *caller, int units,
                                struct completion_spec *spec, struct quota *quota, struct problem *problem)
{
    const struct wanted_model wanted = {.name = spec->model, .units = units};
    struct place place = {0};
    char id[UUID_TEXT_SIZE]; /* names the lease */
    uuid_v7(clock_wall_ms(ports->clock), id);
    enum chat_error error = take_place(ports, caller, &wanted, id, problem, &place);
    if (error != CHAT_OK) return error;
    spec->ticket = place.ticket;
    spec->breaker = place.breaker;
    *quota = place.quota;
    return CHAT_OK;
}
