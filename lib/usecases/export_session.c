#include "usecases/export_session.h"

#include <string.h>

enum chat_error export_session_open(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                                    struct arena *arena, struct session_export *out, struct session *session)
{
    struct message_repo *messages = ports->messages;
    struct message_page newest;
    enum chat_error error = message_repo_page(messages, caller->user_id, session_id, 0, 1, arena, &newest);
    if (error != CHAT_OK) return error;
    *out = (struct session_export){.last = newest.count ? newest.items[0].seq : 0, .over = newest.count == 0};
    memcpy(out->user_id, caller->user_id, USER_ID_SIZE);
    memcpy(out->session_id, newest.session.id, UUID_TEXT_SIZE);
    *session = newest.session;
    return CHAT_OK;
}

enum chat_error export_session_next(const struct chat_ports *ports, struct session_export *self,
                                    struct export_sink *sink)
{
    struct message_repo *messages = ports->messages;
    struct message_page page = {0};
    struct arena arena;
    if (self->over) return CHAT_OK;
    arena_init(&arena);
    enum chat_error error =
        message_repo_after(messages, self->user_id, self->session_id, self->after, EXPORT_PAGE_MESSAGES, &arena, &page);
    for (size_t i = 0; i < page.count && page.items[i].seq <= self->last; i++) {
        sink->message(sink, &page.items[i]);
        self->after = page.items[i].seq;
    }
    if (error == CHAT_OK)
        self->over = !page.has_more || self->after >= self->last || page.items[page.count - 1].seq > self->last;
    arena_fini(&arena);
    return error;
}
