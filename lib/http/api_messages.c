#include <stdlib.h>

#include "http/answer_stream.h"
#include "http/api.h"
#include "http/late.h"
#include "http/repeat.h"
#include "http/views.h"
#include "usecases/regenerate_message.h"
#include "usecases/send_message.h"
#include "usecases/set_feedback.h"
#include "usecases/stop_message.h"

/* ---- asking for an answer ---- */

/* How the answer is wanted: as it comes or whole, and of which model (NULL: it isn't said). */
static bool read_wish(struct http_call *call, bool *stream, const char **model)
{
    size_t model_len;
    bool fine = call_body_bool(call, "stream", true, stream);
    return call_body_string(call, "model", model, &model_len) && fine;
}

static enum chat_error hand_over(struct http_call *call, struct ready_answer *ready, const struct repeat_form *form)
{
    struct answer_stream_start start = {
        .session = &ready->session,
        .question = &ready->question,
        .answer = &ready->answer,
        .quota = &ready->quota,
        .counted = true,
        .show_session = form->show_session,
    };
    call_keep_key(call);
    struct answer_listener *listener =
        form->events ? answer_stream_events(call, &start) : answer_stream_json(call, &start);
    if (!listener) abort(); /* out of memory: the row is found and ended as interrupted */
    ready->spec.request_id = call->request->request_id;
    ready->spec.trace = call->trace;
    answers_start(call->ports->answers, &ready->spec, listener);
    return CHAT_OK;
}

/* Has the answer ready, under this id and the call's Idempotency-Key. `wanted` is the use case's input, whose last
 * fields it fills in. Errors as the use case's, in the call. */
typedef enum chat_error make_answer(struct http_call *call, void *wanted, const char *answer_id,
                                    struct ready_answer *out);

/* Once, however often the request comes: makes the answer, and gives the connection to it. */
static enum chat_error answer_once(struct http_call *call, const char *const *same, size_t count,
                                   const struct repeat_form *form, make_answer *make, void *wanted)
{
    char answer_id[UUID_TEXT_SIZE];
    bool repeated;
    enum chat_error error = repeat_answer(call, same, count, form, answer_id, &repeated);
    if (error != CHAT_OK || repeated) return error;
    struct ready_answer ready;
    error = make(call, wanted, answer_id, &ready);
    return error == CHAT_OK ? hand_over(call, &ready, form) : error;
}

/* ---- sending ---- */

static enum chat_error make_sent(struct http_call *call, void *wanted, const char *answer_id, struct ready_answer *out)
{
    struct send_message *in = wanted;
    in->answer_id = answer_id;
    in->idempotency_key = call->claim.key;
    in->idempotency_fingerprint = call->claim.fingerprint;
    return send_message(call->ports, in, call->arena, &call->problem, out);
}

static enum chat_error send(struct http_call *call, const char *session_id)
{
    static const char *const fields[] = {"content", "stream", "model", "replaces", NULL};
    static const char *const first_fields[] = {"content", "stream", "model", NULL};
    struct send_message in = {.caller = &call->caller, .session_id = session_id};
    struct repeat_form form = {.show_session = session_id == NULL};
    char replaces[UUID_TEXT_SIZE] = "";
    bool fine = call_body_only(call, session_id ? fields : first_fields);
    fine = call_body_string(call, "content", &in.content, &in.content_len) && fine;
    fine = read_wish(call, &form.events, &in.model) && fine;
    if (session_id) fine = call_body_uuid(call, "replaces", replaces) && fine;
    if (fine && !in.content) {
        problem_field(&call->problem, "content", "is required: the text of the message");
        fine = false;
    }
    if (!fine) return call->problem.error;
    if (replaces[0]) in.replaces_id = replaces;
    enum chat_error error = send_message_check(call->ports->policy, &in, &call->problem);
    if (error != CHAT_OK) return error;
    const char *const same[] = {"send", session_id, in.content, in.model, in.replaces_id};
    return answer_once(call, same, sizeof same / sizeof *same, &form, make_sent, &in);
}

enum chat_error api_send_message(struct http_call *call)
{
    return send(call, call->id);
}

enum chat_error api_send_first_message(struct http_call *call)
{
    return send(call, NULL);
}

/* ---- regenerating ---- */

static enum chat_error make_anew(struct http_call *call, void *wanted, const char *answer_id, struct ready_answer *out)
{
    struct regenerate_message *in = wanted;
    in->answer_id = answer_id;
    in->idempotency_key = call->claim.key;
    in->idempotency_fingerprint = call->claim.fingerprint;
    return regenerate_message(call->ports, in, call->arena, &call->problem, out);
}

enum chat_error api_regenerate_message(struct http_call *call)
{
    static const char *const fields[] = {"stream", "model", NULL};
    struct regenerate_message in = {.caller = &call->caller, .message_id = call->id};
    struct repeat_form form = {0};
    bool fine = call_body_only(call, fields);
    fine = read_wish(call, &form.events, &in.model) && fine;
    if (!fine) return call->problem.error;
    enum chat_error error = regenerate_message_check(call->ports->policy, &in, &call->problem);
    if (error != CHAT_OK) return error;
    const char *const same[] = {"regenerate", call->id, in.model};
    return answer_once(call, same, sizeof same / sizeof *same, &form, make_anew, &in);
}

/* ---- one message ---- */

static enum chat_error send_one(struct http_call *call, const struct message *message)
{
    struct json_writer json = call_json(call);
    view_message(&json, message, MESSAGE_WHOLE);
    return call_send_json(call, 200);
}

enum chat_error api_get_message(struct http_call *call)
{
    struct message_repo *messages = call->ports->messages;
    struct message message;
    enum chat_error error = message_repo_get(messages, call->caller.user_id, call->id, call->arena, &message);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    return send_one(call, &message);
}

/* By a job, until it is settled. */
static enum chat_error look_at_stop(struct http_call *call, void *context, int64_t *wait_ms)
{
    struct message message;
    enum chat_error error = stop_message(call->ports, &call->caller, call->id, context, call->arena, &message, wait_ms);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    return *wait_ms ? CHAT_OK : send_one(call, &message);
}

/* The stop is asked for here; that it is settled is waited for without a thread. */
enum chat_error api_stop_message(struct http_call *call)
{
    struct stopping stopping = {0};
    struct message message;
    int64_t wait_ms;
    enum chat_error error =
        stop_message(call->ports, &call->caller, call->id, &stopping, call->arena, &message, &wait_ms);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    struct late *late;
    if (!wait_ms || late_take(call, &late) != CHAT_OK) return send_one(call, &message); /* no place: as it is now */
    struct stopping *later = arena_alloc(late_strings(late), sizeof *later);
    *later = stopping;
    late_start(late, call->ports, look_at_stop, later, wait_ms);
    return CHAT_OK;
}

enum chat_error api_set_feedback(struct http_call *call)
{
    static const char *const fields[] = {"rating", "comment", NULL};
    struct set_feedback in = {.caller = &call->caller, .message_id = call->id};
    size_t rating_len;
    bool fine = call_body_only(call, fields);
    fine = call_body_string(call, "rating", &in.rating, &rating_len) && fine;
    fine = call_body_string(call, "comment", &in.comment, &in.comment_len) && fine;
    if (!fine) return call->problem.error;
    struct message message;
    enum chat_error error = set_feedback(call->ports, &in, call->arena, &call->problem, &message);
    return error == CHAT_OK ? send_one(call, &message) : error;
}
