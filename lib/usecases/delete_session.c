#include "usecases/delete_session.h"

#include "usecases/stop_answer.h"

enum chat_error delete_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id)
{
    char active_answer[UUID_TEXT_SIZE];
    enum chat_error error = ports->sessions->ops->remove(ports->sessions, caller->user_id, session_id,
                                                         clock_wall_ms(ports->clock), active_answer);
    if (error == CHAT_OK && active_answer[0]) stop_answer(ports, active_answer, 0);
    return error;
}
