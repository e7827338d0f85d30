#include "usecases/restore_session.h"

enum chat_error restore_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                                struct arena *arena, struct session *out)
{
    return session_repo_restore(ports->sessions, caller->user_id, session_id, arena, out);
}
