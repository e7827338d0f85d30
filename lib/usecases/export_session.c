#include "usecases/export_session.h"

/* Numbers in a session rise, so the page before seq n + EXPORT_PAGE_MESSAGES holds all from n on; where numbers are
 * missing it reaches further back, over what was given already. */
static enum chat_error give_page(struct message_repo *messages, const char *user_id, const char *session_id,
                                 int64_t from, int64_t last, struct arena *arena, struct export_sink *sink, bool *more)
{
    struct message_page page;
    enum chat_error error = messages->ops->page(messages, user_id, session_id, from + EXPORT_PAGE_MESSAGES,
                                                EXPORT_PAGE_MESSAGES, arena, &page);
    if (error != CHAT_OK) return error;
    for (size_t i = 0; i < page.count && *more; i++) {
        const struct message *message = &page.items[i];
        if (message->seq < from || message->superseded_by[0]) continue;
        *more = message->seq <= last && sink->message(sink, message);
    }
    return CHAT_OK;
}

enum chat_error export_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                               struct arena *arena, struct export_sink *sink)
{
    struct message_repo *messages = ports->messages;
    struct message_page newest;
    enum chat_error error = messages->ops->page(messages, caller->user_id, session_id, 0, 1, arena, &newest);
    if (error != CHAT_OK) return error;
    sink->session(sink, &newest.session);
    int64_t last = newest.count ? newest.items[0].seq : 0;
    struct arena page_arena;
    bool more = true;
    arena_init(&page_arena);
    for (int64_t from = 1; error == CHAT_OK && more && from <= last; from += EXPORT_PAGE_MESSAGES) {
        error = give_page(messages, caller->user_id, session_id, from, last, &page_arena, sink, &more);
        arena_reset(&page_arena);
    }
    arena_fini(&page_arena);
    return error;
}
