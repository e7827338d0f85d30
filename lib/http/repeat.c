#include "http/repeat.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/attach.h"
#include "http/late.h"

enum {
    LOOK_FIRST_MS = 25, /* then twice that, and so on */
    LOOK_MOST_MS = 1000,
    PENDING_MAX_MS = 15000, /* if the first has stored nothing by then, it never will: its worker died */
    COME_AGAIN_S = 1,
};

/* A request with a key, and how to show what its first one made. */
struct repeat {
    struct key_claim claim;
    struct repeat_form form;
    show_session *show; /* NULL: it makes an answer */
    int64_t until_ms;   /* while it waits */
    int looks;
};

/* Sets *key to NULL if none was sent. An empty key is a client's mistake, not an absent one. */
static enum chat_error read_key(struct http_call *call, const char **key)
{
    *key = request_param(call->request, "HTTP_IDEMPOTENCY_KEY");
    if (!*key || idempotency_key_valid(*key)) return CHAT_OK;
    call->problem.param = "Idempotency-Key";
    return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST,
                       "`Idempotency-Key` takes 1 to 128 visible ASCII characters.");
}

/* ---- what the first one made ---- */

static bool is_missing(enum chat_error error)
{
    return error == CHAT_ERR_MESSAGE_NOT_FOUND || error == CHAT_ERR_SESSION_NOT_FOUND;
}

static enum chat_error show_answer(struct http_call *call, const struct repeat *repeat, const char *id)
{
    struct message_repo *messages = call->ports->messages;
    struct message first;
    enum chat_error error = message_repo_get(messages, call->caller.user_id, id, call->arena, &first);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    struct attach_form attach = {
        .as_json = !repeat->form.events, .show_session = repeat->form.show_session, .counted = true};
    return attach_to_answer(call, &first, &attach);
}

static enum chat_error show_first(struct http_call *call, const struct repeat *repeat, const char *id)
{
    struct session_repo *sessions = call->ports->sessions;
    struct session first;
    if (!repeat->show) return show_answer(call, repeat, id);
    enum chat_error error = session_repo_get(sessions, call->caller.user_id, id, call->arena, &first);
    return error == CHAT_OK ? repeat->show(call, &first) : problem_set(&call->problem, error, NULL);
}

static enum chat_error in_progress(struct http_call *call)
{
    call->problem.retry_after_s = COME_AGAIN_S;
    return problem_set(&call->problem, CHAT_ERR_GENERATION_IN_PROGRESS,
                       "The first request with this Idempotency-Key is not done yet; send it again.");
}

static enum chat_error gone(struct http_call *call, const struct repeat *repeat, const char *id)
{
    memcpy(call->problem.was, id, UUID_TEXT_SIZE);
    return problem_set(&call->problem, repeat->show ? CHAT_ERR_SESSION_NOT_FOUND : CHAT_ERR_MESSAGE_NOT_FOUND,
                       "What the first request with this Idempotency-Key made was deleted.");
}

/* *wait: it may still be made. */
static enum chat_error answer_as(struct http_call *call, const struct repeat *repeat, enum key_state state,
                                 const char *first_id, bool *wait)
{
    *wait = false;
    if (state == KEY_OTHER) return problem_set(&call->problem, CHAT_ERR_IDEMPOTENCY_MISMATCH, NULL);
    if (state != KEY_PENDING && state != KEY_DONE)
        return in_progress(call); /* the first was refused, so this one goes on */
    enum chat_error error = show_first(call, repeat, first_id);
    if (!is_missing(error)) return error;
    if (state == KEY_DONE) return gone(call, repeat, first_id);
    *wait = true;
    return CHAT_OK;
}

/* ---- waiting for the first ---- */

static int64_t look_in_ms(struct repeat *repeat)
{
    int64_t wait_ms = (int64_t)LOOK_FIRST_MS << (repeat->looks < 8 ? repeat->looks : 8);
    repeat->looks++;
    return wait_ms < LOOK_MOST_MS ? wait_ms : LOOK_MOST_MS;
}

/* Runs as a job. If the first was refused, it has freed the key; the request that waited is told to be sent again, and
 * takes the key then. */
static enum chat_error look_again(struct http_call *call, void *context, int64_t *wait_ms)
{
    struct repeat *repeat = context;
    struct idempotency *keys = call->ports->idempotency;
    enum key_state state;
    char first_id[UUID_TEXT_SIZE];
    bool wait;
    enum chat_error error = idempotency_look(keys, &repeat->claim, &state, first_id);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    error = answer_as(call, repeat, state, first_id, &wait);
    if (!wait) return error;
    if (clock_mono_ms(call->ports->clock) >= repeat->until_ms) return in_progress(call);
    *wait_ms = look_in_ms(repeat);
    return CHAT_OK;
}

static enum chat_error wait_for_first(struct http_call *call, const struct repeat *repeat)
{
    struct late *late;
    struct admission *admission = call->ports->admission;
    enum chat_error error = late_take(call, &late);
    if (error != CHAT_OK) { /* the response to a counted request has the user's standing */
        call->problem.has_quota =
            !repeat->show && admission_peek(admission, &call->caller, &call->problem.quota) == CHAT_OK;
        return error;
    }
    struct arena *strings = late_strings(late);
    struct repeat *later = arena_alloc(strings, sizeof *later);
    *later = *repeat;
    later->claim.user_id = arena_strdup(strings, repeat->claim.user_id);
    later->claim.key = arena_strdup(strings, repeat->claim.key);
    later->claim.fingerprint = arena_strdup(strings, repeat->claim.fingerprint);
    later->claim.our_id = arena_strdup(strings, repeat->claim.our_id);
    later->until_ms = clock_mono_ms(call->ports->clock) + REPEAT_WAIT_MS;
    late_start(late, call->ports, look_again, later, look_in_ms(later));
    return CHAT_OK;
}

/* ---- at first ---- */

/* Whether its holder stored nothing, and has stopped working on it. */
static bool is_abandoned(const struct http_call *call, const char *first_id)
{
    return clock_wall_ms(call->ports->clock) - uuid_v7_ms(first_id) > PENDING_MAX_MS;
}

static enum chat_error take_key(struct http_call *call, const struct repeat *repeat, enum key_state *state,
                                char first_id[UUID_TEXT_SIZE])
{
    struct idempotency *keys = call->ports->idempotency;
    return problem_set(&call->problem, idempotency_take(keys, &repeat->claim, state, first_id), NULL);
}

static enum chat_error take_or_answer(struct http_call *call, const struct repeat *repeat, bool *repeated)
{
    struct idempotency *keys = call->ports->idempotency;
    enum key_state state;
    char first_id[UUID_TEXT_SIZE];
    bool wait;
    enum chat_error error = take_key(call, repeat, &state, first_id);
    *repeated = error == CHAT_OK && state != KEY_TAKEN;
    if (!*repeated) return error;
    error = answer_as(call, repeat, state, first_id, &wait);
    if (!wait) return error;
    if (!is_abandoned(call, first_id)) return wait_for_first(call, repeat);
    struct key_claim theirs = repeat->claim;
    theirs.our_id = first_id;
    error = idempotency_give_up(keys, &theirs);
    if (error == CHAT_OK) error = take_key(call, repeat, &state, first_id);
    *repeated = error == CHAT_OK && state != KEY_TAKEN;
    return *repeated ? in_progress(call) : problem_set(&call->problem, error, NULL); /* another was faster */
}

static enum chat_error first_or_repeat(struct http_call *call, const char *const *same, size_t count,
                                       struct repeat *repeat, char our_id[UUID_TEXT_SIZE], bool *repeated)
{
    char fingerprint[FINGERPRINT_SIZE];
    const char *key;
    *repeated = false;
    uuid_v7(clock_wall_ms(call->ports->clock), our_id);
    enum chat_error error = read_key(call, &key);
    if (error != CHAT_OK || !key) return error;
    idempotency_fingerprint(same, count, fingerprint);
    repeat->claim.user_id = call->caller.user_id;
    repeat->claim.key = arena_strdup(call->arena, key); /* the request's own goes with its connection */
    repeat->claim.fingerprint = arena_strdup(call->arena, fingerprint);
    repeat->claim.our_id = arena_strdup(call->arena, our_id);
    error = take_or_answer(call, repeat, repeated);
    if (error == CHAT_OK && !*repeated) call->claim = repeat->claim;
    return error;
}

enum chat_error repeat_answer(struct http_call *call, const char *const *same, size_t count,
                              const struct repeat_form *form, char answer_id[UUID_TEXT_SIZE], bool *repeated)
{
    struct repeat repeat = {.form = *form};
    return first_or_repeat(call, same, count, &repeat, answer_id, repeated);
}

enum chat_error repeat_session(struct http_call *call, const char *const *same, size_t count, show_session *show,
                               char session_id[UUID_TEXT_SIZE], bool *repeated)
{
    struct repeat repeat = {.show = show, .claim.brief = true};
    return first_or_repeat(call, same, count, &repeat, session_id, repeated);
}
