/* Attaching to an answer that is there already: one being written, or one that is over. */
#include <stdlib.h>
#include <string.h>

#include "domain/answer.h"
#include "http/api.h"
#include "http/attach.h"

enum { ATTACH_RETRY_AFTER_S = 2 };

static bool parse_digits(const char **at, size_t *out)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 12) return false;
    *out = (size_t)strtoull(*at, NULL, 10);
    *at += digits;
    return true;
}

/* Reads `Last-Event-ID`, or if there is none ?last_event_id=, once. An empty one is none. false: malformed. */
static bool read_resume_point(struct http_call *call, struct resume_point *out)
{
    int count = 0;
    const char *text = call_header(call, "HTTP_LAST_EVENT_ID");
    if (!text) text = call_query(call, "last_event_id", &count);
    *out = (struct resume_point){0};
    if (count < 0 || count > 1) return false;
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

/* For when the counters can't be read: the limits as they are set, and nothing used. */
static struct quota quota_unknown(const struct http_call *call)
{
    const struct chat_policy *policy = call->ports->policy;
    return quota_of(clock_wall_ms(call->ports->clock), policy->rate_limit_per_minute, 0, policy->daily_message_quota, 0,
                    call->caller.is_admin);
}

static enum chat_error load_start(struct http_call *call, const struct message *message, struct message *question,
                                  struct message *answer, struct session *session, struct quota *quota,
                                  struct answer_stream_start *start)
{
    const struct chat_ports *ports = call->ports;
    const char *user_id = call->caller.user_id;
    enum chat_error error = session_repo_get(ports->sessions, user_id, message->session_id, call->arena, session);
    if (error == CHAT_OK && message->parent_id[0]) {
        error = message_repo_get(ports->messages, user_id, message->parent_id, call->arena, question);
        start->question = question;
    }
    if (error != CHAT_OK) return error;
    error = admission_peek(ports->admission, &call->caller, quota);
    if (error != CHAT_OK) *quota = quota_unknown(call);
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

/* Makes a listener of this request's connection, which it takes. Errors: CHAT_ERR_OVERLOADED. */
static enum chat_error make_listener(struct http_call *call, const struct attach_form *form,
                                     const struct answer_stream_start *start, struct answer_listener **out)
{
    *out = form->as_json ? answer_stream_json(call, start) : answer_stream_events(call, start);
    return *out ? CHAT_OK : CHAT_ERR_OVERLOADED;
}

/* Takes the place before the connection, so that a refusal is still a status. The relay shows the answer, running or
 * over: no request thread waits for a client that reads slowly. */
static enum chat_error hand_over(struct http_call *call, const struct answer_attach *attach,
                                 const struct attach_form *form, const struct answer_stream_start *start)
{
    struct answers *answers = call->ports->answers;
    struct answer_listener *listener;
    enum chat_error error = call->has_reader ? CHAT_OK : answers_reserve_reader(answers, call->caller.user_id);
    if (error != CHAT_OK) return error;
    error = make_listener(call, form, start, &listener);
    if (error == CHAT_OK)
        answers_attach(answers, attach, listener);
    else if (!call->has_reader)
        answers_unreserve_reader(answers, call->caller.user_id);
    return error;
}

enum chat_error attach_to_answer(struct http_call *call, const struct message *message, const struct attach_form *form)
{
    struct message question, answer;
    struct session session;
    struct quota quota;
    const struct resume_point *at = &form->at;
    bool live = message->status == MESSAGE_STREAMING;
    struct answer_stream_start start = {.resume = at->given,
                                        .reasoning_at = at->reasoning_at,
                                        .content_at = at->content_at,
                                        .show_session = form->show_session,
                                        .counted = form->counted};
    enum chat_error error = load_start(call, message, &question, &answer, &session, &quota, &start);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    if (!live && !within_text(message, at)) start.resume = false;
    if (!start.resume) start.reasoning_at = start.content_at = 0;
    struct answer_attach attach = {.caller = &call->caller,
                                   .answer = message,
                                   .session = &session,
                                   .quota = &quota,
                                   .request_id = call->request->request_id};
    error = hand_over(call, &attach, form, &start);
    if (error != CHAT_OK) call->problem.retry_after_s = ATTACH_RETRY_AFTER_S;
    call->problem.has_quota = form->counted;
    call->problem.quota = quota;
    return problem_set(&call->problem, error, NULL);
}

enum chat_error api_attach_stream(struct http_call *call)
{
    struct message_repo *messages = call->ports->messages;
    struct message message;
    struct attach_form form = {0};
    if (!read_resume_point(call, &form.at))
        return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST, "`Last-Event-ID` must be an id of this stream.");
    enum chat_error error = message_repo_get(messages, call->caller.user_id, call->id, call->arena, &message);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    if (message.role != ROLE_ASSISTANT) {
        problem_field(&call->problem, "id", "takes the id of an answer");
        return problem_set(&call->problem, CHAT_ERR_VALIDATION_FAILED, "Only an answer has a stream.");
    }
    if (form.at.ended) {
        call->response.status = 204;
        return CHAT_OK;
    }
    if (strcmp(call->request->method, "HEAD") == 0) { /* as GET, without the stream */
        http_add_header(&call->response, "Content-Type", "text/event-stream");
        http_add_header(&call->response, "X-Accel-Buffering", "no");
        call->response.status = 200;
        return CHAT_OK;
    }
    return attach_to_answer(call, &message, &form);
}
