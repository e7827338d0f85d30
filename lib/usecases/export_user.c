#include "usecases/export_user.h"

#include <string.h>

#include "usecases/list_sessions.h"

static enum chat_error give_messages(struct user_data *data, const char *user_id, const char *session_id,
                                     struct user_export_sink *sink)
{
    struct arena arena;
    struct stored_message *messages;
    size_t count = PAGE_LIMIT_MAX;
    int64_t after = 0;
    enum chat_error error = CHAT_OK;
    arena_init(&arena);
    while (error == CHAT_OK && count == PAGE_LIMIT_MAX) {
        arena_reset(&arena);
        error = user_data_messages(data, user_id, session_id, after, PAGE_LIMIT_MAX, &arena, &messages, &count);
        for (size_t i = 0; error == CHAT_OK && i < count; i++) {
            sink->message(sink, &messages[i]);
            after = messages[i].message.seq;
        }
    }
    arena_fini(&arena);
    return error;
}

static enum chat_error give_session(struct user_data *data, const char *user_id, const struct session *session,
                                    int64_t deleted_at_ms, struct user_export_sink *sink)
{
    sink->session(sink, session, deleted_at_ms);
    enum chat_error error = give_messages(data, user_id, session->id, sink);
    sink->session_end(sink);
    return error;
}

static enum chat_error give_standing(const struct chat_ports *ports, struct user_data *data, const char *user_id,
                                     struct user_export_sink *sink)
{
    struct session_query query = {.user_id = user_id, .sort = SORT_CREATED_AT, .limit = PAGE_LIMIT_MAX};
    struct session_page page = {.has_more = true};
    struct arena arena;
    enum chat_error error = CHAT_OK;
    arena_init(&arena);
    while (error == CHAT_OK && page.has_more) {
        arena_reset(&arena);
        error = session_repo_list(ports->sessions, &query, &arena, &page);
        for (size_t i = 0; error == CHAT_OK && i < page.count; i++)
            error = give_session(data, user_id, &page.items[i], 0, sink);
        query.has_after = true;
        query.after = page.last;
    }
    arena_fini(&arena);
    return error;
}

static enum chat_error give_deleted(struct user_data *data, const char *user_id, struct user_export_sink *sink)
{
    char after_id[UUID_TEXT_SIZE] = "";
    struct deleted_session *sessions;
    size_t count = PAGE_LIMIT_MAX;
    struct arena arena;
    enum chat_error error = CHAT_OK;
    arena_init(&arena);
    while (error == CHAT_OK && count == PAGE_LIMIT_MAX) {
        arena_reset(&arena);
        error = user_data_deleted(data, user_id, after_id, PAGE_LIMIT_MAX, &arena, &sessions, &count);
        for (size_t i = 0; error == CHAT_OK && i < count; i++)
            error = give_session(data, user_id, &sessions[i].session, sessions[i].deleted_at_ms, sink);
        if (error == CHAT_OK && count) memcpy(after_id, sessions[count - 1].session.id, UUID_TEXT_SIZE);
    }
    arena_fini(&arena);
    return error;
}

static enum chat_error give_usage(const struct chat_ports *ports, const char *user_id, struct user_export_sink *sink)
{
    struct usage_query query = {.from = "1970-01-01",
                                .to = "9999-12-31",
                                .user_id = user_id,
                                .group = USAGE_BY_DAY | USAGE_BY_USER | USAGE_BY_MODEL,
                                .limit = PAGE_LIMIT_MAX};
    struct usage_page page = {.has_more = true};
    struct arena arena;
    enum chat_error error = CHAT_OK;
    arena_init(&arena);
    while (error == CHAT_OK && page.has_more) {
        arena_reset(&arena);
        error = usage_repo_list(ports->usage, &query, &arena, &page);
        for (size_t i = 0; error == CHAT_OK && i < page.count; i++) sink->usage(sink, &page.items[i]);
        query.has_after = true;
        if (error == CHAT_OK && page.count) query.after = page.items[page.count - 1].key;
    }
    arena_fini(&arena);
    return error;
}

enum chat_error export_user(const struct chat_ports *ports, struct user_data *data, const char *user_id,
                            struct user_export_sink *sink)
{
    enum chat_error error = give_standing(ports, data, user_id, sink);
    if (error == CHAT_OK) error = give_deleted(data, user_id, sink);
    return error == CHAT_OK ? give_usage(ports, user_id, sink) : error;
}
