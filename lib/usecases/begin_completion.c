#include "usecases/begin_completion.h"

enum chat_error begin_completion(const struct chat_ports *ports, const struct caller *caller, struct problem *problem,
                                 struct place *out)
{
    char id[UUID_TEXT_SIZE]; /* names the lease */
    uuid_v7(clock_wall_ms(ports->clock), id);
    return take_place(ports, caller, id, problem, out);
}
