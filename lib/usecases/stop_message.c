#include "usecases/stop_message.h"

#include "usecases/stop_answer.h"

enum { LOOK_FIRST_MS = 5, LOOK_MOST_MS = 100, ASK_AGAIN_MS = 200 };

/* Another process may write it, and may not be known as its writer yet; the next look asks for the stop again. */
static void ask(const struct chat_ports *ports, const char *message_id, struct stopping *stopping, int64_t now_ms)
{
    if (now_ms < stopping->ask_at_ms) return;
    enum stop_asked asked = stop_answer(ports, message_id);
    if (asked == STOP_PASSED_ON) stopping->ask_at_ms = now_ms + ASK_AGAIN_MS;
    if (asked == STOP_WAS_HERE) stopping->ask_at_ms = stopping->until_ms;
}

enum chat_error stop_message(const struct chat_ports *ports, const struct caller *caller, const char *message_id,
                             struct stopping *stopping, struct arena *arena, struct message *out, int64_t *wait_ms)
{
    int64_t now_ms = clock_mono_ms(ports->clock);
    if (!stopping->until_ms) *stopping = (struct stopping){.until_ms = now_ms + STOP_WAIT_MS, .wait_ms = LOOK_FIRST_MS};
    *wait_ms = 0;
    enum chat_error error = message_repo_get(ports->messages, caller->user_id, message_id, arena, out);
    if (error != CHAT_OK || out->status != MESSAGE_STREAMING || now_ms >= stopping->until_ms) return error;
    ask(ports, message_id, stopping, now_ms);
    *wait_ms = stopping->wait_ms;
    stopping->wait_ms = *wait_ms * 2 < LOOK_MOST_MS ? *wait_ms * 2 : LOOK_MOST_MS;
    return CHAT_OK;
}
