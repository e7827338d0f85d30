#include "usecases/erase_user.h"

#include <stdio.h>

#include "usecases/delete_session.h"

enum { ERASE_BATCH = 50 };

/* A delete stops an answer, and keeps the next from beginning. */
static enum chat_error delete_all(const struct chat_ports *ports, const char *user_id)
{
    struct session_query query = {.user_id = user_id, .sort = SORT_CREATED_AT, .limit = ERASE_BATCH};
    struct session_page page = {.has_more = true};
    struct caller caller = {0};
    struct arena arena;
    enum chat_error error = CHAT_OK;
    snprintf(caller.user_id, sizeof caller.user_id, "%s", user_id);
    arena_init(&arena);
    while (error == CHAT_OK && page.has_more) {
        arena_reset(&arena);
        error = session_repo_list(ports->sessions, &query, &arena, &page); /* those before are not in it */
        for (size_t i = 0; error == CHAT_OK && i < page.count; i++) {
            error = delete_session(ports, &caller, page.items[i].id);
            if (error == CHAT_ERR_SESSION_NOT_FOUND) error = CHAT_OK; /* the user was faster */
        }
    }
    arena_fini(&arena);
    return error;
}

static void add(struct user_data_counts *to, const struct user_data_counts *more)
{
    to->sessions += more->sessions;
    to->messages += more->messages;
    to->usage_rows += more->usage_rows;
    to->redis_keys += more->redis_keys;
}

static bool none(const struct user_data_counts *counts)
{
    return counts->sessions + counts->messages + counts->usage_rows + counts->redis_keys == 0;
}

static enum chat_error pass(const struct chat_ports *ports, struct user_data *data, struct user_keys *keys,
                            const char *user_id, struct user_data_counts *gone)
{
    struct user_data_counts batch;
    *gone = (struct user_data_counts){0};
    enum chat_error error = delete_all(ports, user_id);
    do {
        if (error == CHAT_OK) error = user_data_erase(data, user_id, ERASE_BATCH, &batch);
        if (error == CHAT_OK) add(gone, &batch);
    } while (error == CHAT_OK && !none(&batch));
    return error == CHAT_OK ? user_keys_erase(keys, user_id, &gone->redis_keys) : error;
}

enum chat_error erase_user(const struct chat_ports *ports, struct user_data *data, struct user_keys *keys,
                           const char *user_id, struct user_data_counts *gone, struct user_data_counts *left)
{
    struct user_data_counts found;
    *gone = *left = (struct user_data_counts){0};
    for (int i = 0; i < ERASE_PASSES; i++) {
        if (i) clock_sleep_ms(ports->clock, ERASE_PAUSE_MS);
        enum chat_error error = pass(ports, data, keys, user_id, &found);
        add(gone, &found); /* a pass that failed may have taken some */
        if (error == CHAT_OK) error = user_data_count(data, user_id, left);
        if (error != CHAT_OK) return error;
        left->redis_keys = found.redis_keys; /* of the last pass, some may be back */
        if (none(&found) && none(left)) break;
    }
    return CHAT_OK;
}
