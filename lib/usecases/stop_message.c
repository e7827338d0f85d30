#include "usecases/stop_message.h"

enum chat_error stop_message(const struct chat_ports *ports, const struct caller *caller, const char *message_id,
                             struct arena *arena, struct message *out)
{
    struct message_repo *messages = ports->messages;
    enum chat_error error = messages->ops->get(messages, caller->user_id, message_id, arena, out);
    if (error != CHAT_OK || out->status != MESSAGE_STREAMING) return error;
    ports->answers->ops->stop(ports->answers, message_id, STOP_WAIT_MS);
    return messages->ops->get(messages, caller->user_id, message_id, arena, out);
}
