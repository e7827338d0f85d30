#include <stdlib.h>
#include <string.h>

#include "domain/answer.h"
#include "http/answer_stream.h"
#include "http/api.h"
#include "http/views.h"
#include "usecases/regenerate_message.h"
#include "usecases/send_message.h"
#include "usecases/set_feedback.h"
#include "usecases/stop_message.h"

/* ---- sending ---- */

static enum chat_error hand_over(struct http_call *call, struct ready_answer *ready, bool stream, bool new_session)
{
    struct answer_stream_start start = {
        .session = &ready->session,
        .question = &ready->question,
        .answer = &ready->answer,
        .quota = &ready->quota,
        .counted = true,
        .show_session = new_session,
    };
    struct answer_listener *listener = stream ? answer_stream_events(call, &start) : answer_stream_json(call, &start);
    if (!listener) abort(); /* out of memory: the row is found and ended as interrupted */
    ready->spec.request_id = call->request->request_id;
    call->ports->answers->ops->start(call->ports->answers, &ready->spec, listener);
    return CHAT_OK;
}

static enum chat_error send(struct http_call *call, const char *session_id)
{
    static const char *const fields[] = {"content", "stream", "model", "replaces", NULL};
    static const char *const first_fields[] = {"content", "stream", "model", NULL};
    struct send_message in = {.caller = &call->caller, .session_id = session_id};
    char replaces[UUID_TEXT_SIZE] = "";
    size_t model_len;
    bool stream;
    bool fine = call_body_only(call, session_id ? fields : first_fields);
    fine = call_body_string(call, "content", &in.content, &in.content_len) && fine;
    fine = call_body_bool(call, "stream", true, &stream) && fine;
    fine = call_body_string(call, "model", &in.model, &model_len) && fine;
    if (session_id) fine = call_body_uuid(call, "replaces", replaces) && fine;
    if (fine && !in.content) {
        problem_field(&call->problem, "content", "is required: the text of the message");
        fine = false;
    }
    if (!fine) return call->problem.error;
    if (replaces[0]) in.replaces_id = replaces;
    struct ready_answer ready;
    enum chat_error error = send_message(call->ports, &in, call->arena, &call->problem, &ready);
    if (error != CHAT_OK) return error;
    return hand_over(call, &ready, stream, session_id == NULL);
}

enum chat_error api_send_message(struct http_call *call)
{
    return send(call, call->id);
}

enum chat_error api_send_first_message(struct http_call *call)
{
    return send(call, NULL);
}

enum chat_error api_regenerate_message(struct http_call *call)
{
    static const char *const fields[] = {"stream", "model", NULL};
    struct regenerate_message in = {.caller = &call->caller, .message_id = call->id};
    size_t model_len;
    bool stream;
    bool fine = call_body_only(call, fields);
    fine = call_body_bool(call, "stream", true, &stream) && fine;
    fine = call_body_string(call, "model", &in.model, &model_len) && fine;
    if (!fine) return call->problem.error;
    struct ready_answer ready;
    enum chat_error error = regenerate_message(call->ports, &in, call->arena, &call->problem, &ready);
    if (error != CHAT_OK) return error;
    return hand_over(call, &ready, stream, false);
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
    enum chat_error error = messages->ops->get(messages, call->caller.user_id, call->id, call->arena, &message);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    return send_one(call, &message);
}

enum chat_error api_stop_message(struct http_call *call)
{
    struct message message;
    enum chat_error error = stop_message(call->ports, &call->caller, call->id, call->arena, &message);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    return send_one(call, &message);
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

/* ---- attaching ---- */

struct resume_point {
    bool given, ended;
    size_t reasoning_at, content_at;
};

static bool parse_digits(const char **at, size_t *out)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 12) return false;
    *out = (size_t)strtoull(*at, NULL, 10);
    *at += digits;
    return true;
}

/* `Last-Event-ID`, or ?last_event_id=. Empty is none. false: malformed. */
static bool read_resume_point(struct http_call *call, struct resume_point *out)
{
    int count;
    const char *text = call_header(call, "HTTP_LAST_EVENT_ID");
    if (!text || !*text) text = call_query(call, "last_event_id", &count);
    *out = (struct resume_point){0};
    if (!text || !*text) return true;
    out->given = true;
    if (strcmp(text, "end") == 0) {
        out->ended = true;
        return true;
    }
    if (!parse_digits(&text, &out->reasoning_at) || *text++ != '.') return false;
    return parse_digits(&text, &out->content_at) && !*text;
}

static bool within_text(const struct message *message, const struct resume_point *at)
{
    return at->reasoning_at <= message->reasoning_len && at->content_at <= message->content_len;
}

static enum chat_error load_start(struct http_call *call, const struct message *message, struct message *question,
                                  struct message *answer, struct session *session, struct quota *quota,
                                  struct answer_stream_start *start)
{
    const struct chat_ports *ports = call->ports;
    const char *user_id = call->caller.user_id;
    enum chat_error error =
        ports->sessions->ops->get(ports->sessions, user_id, message->session_id, call->arena, session);
    if (error == CHAT_OK && message->parent_id[0]) {
        error = ports->messages->ops->get(ports->messages, user_id, message->parent_id, call->arena, question);
        start->question = question;
    }
    if (error != CHAT_OK) return error;
    error = ports->admission->ops->peek(ports->admission, &call->caller, quota);
    if (error != CHAT_OK) *quota = quota_of(clock_wall_ms(ports->clock), 0, 0, 0, 0, call->caller.is_admin);
    *answer = *message; /* all text comes in the events that follow */
    answer->content = "";
    answer->content_len = 0;
    answer->reasoning = NULL;
    answer->reasoning_len = 0;
    start->session = session;
    start->answer = answer;
    start->quota = quota;
    return CHAT_OK;
}

enum chat_error api_attach_stream(struct http_call *call)
{
    struct message_repo *messages = call->ports->messages;
    struct message message, question, answer;
    struct session session;
    struct quota quota;
    struct resume_point at;
    if (!read_resume_point(call, &at))
        return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST, "`Last-Event-ID` must be an id of this stream.");
    enum chat_error error = messages->ops->get(messages, call->caller.user_id, call->id, call->arena, &message);
    if (error == CHAT_OK && message.role != ROLE_ASSISTANT) error = CHAT_ERR_MESSAGE_NOT_FOUND;
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    if (at.ended) {
        call->response.status = 204;
        return CHAT_OK;
    }
    struct answer_stream_start start = {
        .resume = at.given, .reasoning_at = at.reasoning_at, .content_at = at.content_at};
    error = load_start(call, &message, &question, &answer, &session, &quota, &start);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    if (message.status != MESSAGE_STREAMING && !within_text(&message, &at)) start.resume = false;
    if (!start.resume) start.reasoning_at = start.content_at = 0;

    struct answer_listener *listener = answer_stream_events(call, &start);
    if (!listener) return problem_set(&call->problem, CHAT_ERR_OVERLOADED, NULL);
    if (message.status == MESSAGE_STREAMING) {
        struct answer_attach attach = {.caller = &call->caller,
                                       .answer = &message,
                                       .session = &session,
                                       .quota = &quota,
                                       .request_id = call->request->request_id};
        /* no place left: the client sees an end without a closing event, and comes again */
        if (!call->ports->answers->ops->attach(call->ports->answers, &attach, listener)) listener->ops->close(listener);
        return CHAT_OK;
    }
    struct answer_text text = {message.reasoning, message.reasoning_len, message.content, message.content_len};
    struct answer_final final = {.error = answer_error(message.status),
                                 .any_text = true,
                                 .message = &message,
                                 .session = &session,
                                 .quota = &quota};
    answer_stream_replay(listener, &text, &final, &call->out);
    return CHAT_OK;
}
