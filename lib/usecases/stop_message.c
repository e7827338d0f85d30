#include "usecases/stop_message.h"

#include "usecases/stop_answer.h"

enum { LOOK_AGAIN_MS = 20, ASK_AGAIN_MS = 200 };

enum chat_error stop_message(const struct chat_ports *ports, const struct caller *caller, const char *message_id,
                             struct arena *arena, struct message *out)
{
    struct message_repo *messages = ports->messages;
    int64_t until_ms = clock_mono_ms(ports->clock) + STOP_WAIT_MS, ask_ms = 0;
    enum chat_error error = messages->ops->get(messages, caller->user_id, message_id, arena, out);
    /* another process may write it, and may not be known as its writer yet */
    while (error == CHAT_OK && out->status == MESSAGE_STREAMING && clock_mono_ms(ports->clock) < until_ms) {
        enum stop_asked asked = STOP_NOBODY;
        if (clock_mono_ms(ports->clock) >= ask_ms) asked = stop_answer(ports, message_id, STOP_WAIT_MS);
        if (asked == STOP_PASSED_ON) ask_ms = clock_mono_ms(ports->clock) + ASK_AGAIN_MS;
        if (asked != STOP_WAS_HERE) clock_sleep_ms(ports->clock, LOOK_AGAIN_MS);
        error = messages->ops->get(messages, caller->user_id, message_id, arena, out);
    }
    return error;
}
