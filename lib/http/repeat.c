#include "http/repeat.h"

#include <string.h>

#include "base/log.h"
#include "http/attach.h"

enum { WAIT_FOR_FIRST_MS = 3000, LOOK_AGAIN_MS = 20 };

/* *key is NULL where none was sent. An empty one is a client's mistake, not none. */
static enum chat_error read_key(struct http_call *call, const char **key)
{
    *key = call->request->ops->param(call->request, "HTTP_IDEMPOTENCY_KEY");
    if (!*key || idempotency_key_valid(*key)) return CHAT_OK;
    call->problem.param = "Idempotency-Key";
    return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST,
                       "`Idempotency-Key` takes 1 to 128 visible ASCII characters.");
}

/* Whether what the first request makes is there; CHAT_OK, a not-found, or an outage. */
typedef enum chat_error find_first(struct http_call *call, const char *id, void *out);

static enum chat_error find_answer(struct http_call *call, const char *id, void *out)
{
    struct message_repo *messages = call->ports->messages;
    return messages->ops->get(messages, call->caller.user_id, id, call->arena, out);
}

static enum chat_error find_session(struct http_call *call, const char *id, void *out)
{
    struct session_repo *sessions = call->ports->sessions;
    return sessions->ops->get(sessions, call->caller.user_id, id, call->arena, out);
}

/* Takes the key, or waits for what its holder makes: until that is there, or the holder was refused and the key is free
 * again. *repeated = false: ours. */
static enum chat_error take_or_find(struct http_call *call, const char *key, const char *fingerprint,
                                    const char *our_id, find_first *find, void *out, bool *repeated)
{
    struct idempotency *keys = call->ports->idempotency;
    const struct clock *clock = call->ports->clock;
    int64_t until_ms = clock_mono_ms(clock) + WAIT_FOR_FIRST_MS;
    for (;;) {
        enum key_state state;
        char first_id[UUID_TEXT_SIZE];
        enum chat_error error = keys->ops->take(keys, call->caller.user_id, key, fingerprint, our_id, &state, first_id);
        if (error != CHAT_OK) return error;
        *repeated = state == KEY_SAME;
        if (state == KEY_TAKEN) return CHAT_OK;
        if (state == KEY_OTHER) return CHAT_ERR_IDEMPOTENCY_MISMATCH;
        error = find(call, first_id, out);
        bool missing = error == CHAT_ERR_MESSAGE_NOT_FOUND || error == CHAT_ERR_SESSION_NOT_FOUND;
        if (!missing || clock_mono_ms(clock) >= until_ms) return error;
        clock_sleep_ms(clock, LOOK_AGAIN_MS);
    }
}

static enum chat_error first_or_repeat(struct http_call *call, const char *const *same, size_t count, find_first *find,
                                       void *out, char our_id[UUID_TEXT_SIZE], bool *repeated)
{
    char fingerprint[FINGERPRINT_SIZE];
    const char *key;
    *repeated = false;
    uuid_v7(clock_wall_ms(call->ports->clock), our_id);
    enum chat_error error = read_key(call, &key);
    if (error != CHAT_OK || !key) return error;
    idempotency_fingerprint(same, count, fingerprint);
    key = arena_strdup(call->arena, key); /* the request's own goes with its connection */
    error = take_or_find(call, key, fingerprint, our_id, find, out, repeated);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    if (!*repeated) {
        call->taken_key = key;
        call->taken_fingerprint = arena_strdup(call->arena, fingerprint);
        memcpy(call->taken_key_id, our_id, UUID_TEXT_SIZE);
    }
    return CHAT_OK;
}

enum chat_error repeat_answer(struct http_call *call, const char *const *same, size_t count,
                              const struct repeat_form *form, char answer_id[UUID_TEXT_SIZE], bool *repeated)
{
    struct message first;
    enum chat_error error = first_or_repeat(call, same, count, find_answer, &first, answer_id, repeated);
    if (error != CHAT_OK || !*repeated) return error;
    struct attach_form attach = {.as_json = !form->events, .show_session = form->show_session, .counted = true};
    return attach_to_answer(call, &first, &attach);
}

enum chat_error repeat_session(struct http_call *call, const char *const *same, size_t count,
                               char session_id[UUID_TEXT_SIZE], bool *repeated, struct session *first)
{
    return first_or_repeat(call, same, count, find_session, first, session_id, repeated);
}

void repeat_give_up(struct http_call *call)
{
    struct idempotency *keys = call->ports->idempotency;
    if (!call->taken_key) return;
    if (keys->ops->give_up(keys, call->caller.user_id, call->taken_key, call->taken_key_id) != CHAT_OK)
        log_write(LOG_WARN, "idempotency_key_not_freed");
}
