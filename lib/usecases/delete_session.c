#include "usecases/delete_session.h"

#include "usecases/stop_answer.h"

enum { NEWLY_BEGUN_MS = 500, ASK_AGAIN_MS = 50 };

enum chat_error delete_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id)
{
    char active_answer[UUID_TEXT_SIZE];
    enum chat_error error =
        session_repo_remove(ports->sessions, caller->user_id, session_id, clock_wall_ms(ports->clock), active_answer);
    if (error != CHAT_OK || !active_answer[0]) return error;
    /* one that began a moment ago may not be known to the log yet */
    int64_t until_ms = clock_mono_ms(ports->clock) + NEWLY_BEGUN_MS;
    while (stop_answer(ports, active_answer) == STOP_NOBODY && clock_mono_ms(ports->clock) < until_ms)
        clock_sleep_ms(ports->clock, ASK_AGAIN_MS);
    return CHAT_OK;
}
