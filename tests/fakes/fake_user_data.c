#include "tests/fakes/fake_user_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_user_data *of(struct user_data *data)
{
    return (struct fake_user_data *)data;
}

static bool fails(const struct fake_user_data *self, enum chat_error error, int call)
{
    return error != CHAT_OK && call > self->fail_from;
}

static void id_of(int number, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "0190a1b2-0000-7000-8000-%012d", number);
}

static void note_limit(struct fake_user_data *self, int limit)
{
    if (limit > self->most_asked) self->most_asked = limit;
}

/* Numbers 1 to `deleted`. */
static enum chat_error deleted(struct user_data *data, const char *user_id, const char *after_id, int limit,
                               struct arena *arena, struct deleted_session **out, size_t *count)
{
    struct fake_user_data *self = of(data);
    int first = after_id[0] ? atoi(after_id + UUID_TEXT_SIZE - 13) + 1 : 1;
    note_limit(self, limit);
    *count = 0;
    if (fails(self, self->deleted_error, ++self->deleted_calls)) return self->deleted_error;
    *out = arena_alloc(arena, (size_t)limit * sizeof **out);
    if (strcmp(user_id, self->user_id) != 0) return CHAT_OK;
    for (int i = first; i <= self->deleted && *count < (size_t)limit; i++) {
        struct deleted_session *session = &(*out)[(*count)++];
        *session = (struct deleted_session){.session = {.title = "deleted", .model = "llama"}, .deleted_at_ms = i};
        id_of(i, session->session.id);
    }
    return CHAT_OK;
}

static enum chat_error messages(struct user_data *data, const char *user_id, const char *session_id, int64_t after,
                                int limit, struct arena *arena, struct stored_message **out, size_t *count)
{
    struct fake_user_data *self = of(data);
    (void)session_id;
    note_limit(self, limit);
    *count = 0;
    if (fails(self, self->messages_error, ++self->messages_calls)) return self->messages_error;
    *out = arena_alloc(arena, (size_t)limit * sizeof **out);
    if (strcmp(user_id, self->user_id) != 0) return CHAT_OK;
    for (int64_t seq = after + 1; seq <= self->messages_each && *count < (size_t)limit; seq++)
        (*out)[(*count)++] = (struct stored_message){.message = {.seq = seq, .role = ROLE_USER, .content = "text"}};
    return CHAT_OK;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static enum chat_error erase(struct user_data *data, const char *user_id, int limit, struct user_data_counts *gone)
{
    struct fake_user_data *self = of(data);
    note_limit(self, limit);
    *gone = (struct user_data_counts){0};
    if (fails(self, self->erase_error, ++self->erase_calls)) return self->erase_error;
    if (strcmp(user_id, self->user_id) != 0) return CHAT_OK;
    if (self->erase_calls > self->written_calls) self->written = 0;
    int sessions = smaller(limit, self->deleted - self->written), rows = smaller(limit, self->usage_rows);
    *gone = (struct user_data_counts){sessions, (int64_t)sessions * self->messages_each, rows, 0};
    self->deleted -= sessions;
    self->usage_rows -= rows;
    return CHAT_OK;
}

static enum chat_error count(struct user_data *data, const char *user_id, struct user_data_counts *out)
{
    struct fake_user_data *self = of(data);
    bool theirs = strcmp(user_id, self->user_id) == 0;
    *out = (struct user_data_counts){0};
    if (fails(self, self->count_error, ++self->count_calls)) return self->count_error;
    if (theirs) *out = (struct user_data_counts){.sessions = self->deleted, .usage_rows = self->usage_rows};
    return CHAT_OK;
}

static enum chat_error erase_keys(struct user_keys *keys, const char *user_id, int64_t *erased)
{
    struct fake_user_data *self = (struct fake_user_data *)((char *)keys - offsetof(struct fake_user_data, keys));
    *erased = 0;
    if (fails(self, self->keys_error, ++self->keys_calls)) return self->keys_error;
    if (strcmp(user_id, self->user_id) == 0) *erased = self->keys_calls == 1 ? self->redis_keys : self->keys_return;
    return CHAT_OK;
}

void fake_user_data_init(struct fake_user_data *self, const char *user_id)
{
    static const struct user_data_ops data_ops = {
        .deleted = deleted, .messages = messages, .erase = erase, .count = count};
    static const struct user_keys_ops keys_ops = {.erase = erase_keys};
    *self = (struct fake_user_data){.data = {&data_ops}, .keys = {&keys_ops}, .user_id = user_id};
}
