#include "domain/context.h"

#include <string.h>

bool context_takes(const struct message *message)
{
    if (message->superseded_by[0] != '\0') return false;
    switch (message->status) {
    case MESSAGE_COMPLETE: return true;
    case MESSAGE_STOPPED:
    case MESSAGE_INTERRUPTED: return message->content_len > 0;
    case MESSAGE_STREAMING:
    case MESSAGE_FAILED: break;
    }
    return false;
}

struct prompt context_build(const struct message *history, size_t count, const char *system_prompt, int max_messages,
                            struct arena *arena)
{
    const bool has_system = system_prompt && system_prompt[0] != '\0';
    const size_t most = max_messages > 1 ? (size_t)max_messages : 1;
    struct turn *turns = arena_alloc(arena, (most + 1) * sizeof *turns);
    size_t first = most + 1; /* filled from the end: the newest that count are found first */

    for (size_t i = count; i-- > 0 && first > 1;) {
        const struct message *message = &history[i];

        if (i != count - 1 && !context_takes(message)) continue;
        turns[--first] = (struct turn){message->role, message->content, message->content_len};
    }
    while (first <= most && turns[first].role == ROLE_ASSISTANT) first++;
    if (has_system) turns[--first] = (struct turn){ROLE_SYSTEM, system_prompt, strlen(system_prompt)};
    return (struct prompt){.turns = turns + first, .turn_count = most + 1 - first};
}
