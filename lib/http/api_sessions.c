#include <stdlib.h>
#include <string.h>

#include "http/api.h"
#include "http/cursor.h"
#include "http/repeat.h"
#include "http/export_stream.h"
#include "http/views.h"
#include "usecases/create_session.h"
#include "usecases/delete_session.h"
#include "usecases/list_sessions.h"
#include "usecases/restore_session.h"
#include "usecases/update_session.h"

enum { LIST_LIMIT_DEFAULT = 20, MESSAGES_LIMIT_DEFAULT = 50, EXPORT_RETRY_AFTER_S = 5 };

static enum chat_error send_made(struct http_call *call, const struct session *session)
{
    struct json_writer json = call_json(call);
    view_session(&json, session);
    http_add_header(&call->response, "Location", arena_printf(call->arena, "/api/v1/chat/sessions/%s", session->id));
    return call_send_json(call, 201);
}

enum chat_error api_create_session(struct http_call *call)
{
    static const char *const fields[] = {"title", "model", NULL};
    struct create_session in = {.caller = &call->caller};
    size_t model_len;
    bool fine = call_body_only(call, fields);
    fine = call_body_string(call, "title", &in.title, &in.title_len) && fine;
    fine = call_body_string(call, "model", &in.model, &model_len) && fine;
    if (!fine) return call->problem.error;
    enum chat_error error = create_session_check(call->ports->policy, &in, &call->problem);
    if (error != CHAT_OK) return error;
    const char *const same[] = {"create_session", in.title, in.model};
    char session_id[UUID_TEXT_SIZE];
    struct session session;
    bool repeated;
    error = repeat_session(call, same, sizeof same / sizeof *same, send_made, session_id, &repeated);
    if (error != CHAT_OK || repeated) return error;
    in.session_id = session_id;
    error = create_session(call->ports, &in, call->arena, &call->problem, &session);
    if (error != CHAT_OK) return error;
    call_keep_key(call);
    return send_made(call, &session);
}

static enum chat_error bad_parameter(struct http_call *call, const char *name, const char *message)
{
    call->problem.param = name;
    return problem_set(&call->problem, CHAT_ERR_INVALID_REQUEST, message);
}

static enum chat_error read_list_query(struct http_call *call, struct session_query *query)
{
    int count;
    if (!call_query_limit(call, LIST_LIMIT_DEFAULT, &query->limit)) return call->problem.error;
    const char *sort = call_query(call, "sort", &count);
    if (count == 1 && sort && strcmp(sort, "updated_at") == 0)
        query->sort = SORT_UPDATED_AT;
    else if (count && (count != 1 || !sort || strcmp(sort, "created_at") != 0))
        return problem_field(&call->problem, "sort", "takes created_at or updated_at");
    query->search = call_query(call, "q", &count);
    if (count < 0) return bad_parameter(call, "q", "`q` is not valid percent-encoded UTF-8.");
    const char *cursor = call_query(call, "cursor", &count);
    query->has_after = count != 0;
    if (count && (!cursor || count > 1 || !cursor_decode(cursor, query->sort, &query->after)))
        return bad_parameter(call, "cursor", "`cursor` must be a `next_cursor` of this list, unchanged.");
    return CHAT_OK;
}

enum chat_error api_list_sessions(struct http_call *call)
{
    struct session_query query = {.sort = SORT_CREATED_AT};
    enum chat_error error = read_list_query(call, &query);
    if (error != CHAT_OK) return error;
    struct session_page page;
    error = list_sessions(call->ports, &call->caller, &query, call->arena, &call->problem, &page);
    if (error != CHAT_OK) return error;
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_put_key(&json, "items");
    json_begin_array(&json);
    for (size_t i = 0; i < page.count; i++)
        view_session_item(&json, &page.items[i], page.matches ? &page.matches[i] : NULL);
    json_end_array(&json);
    json_field_string(&json, "next_cursor", page.has_more ? cursor_encode(query.sort, &page.last, call->arena) : NULL);
    json_end_object(&json);
    return call_send_json(call, 200);
}

enum chat_error api_open_session(struct http_call *call)
{
    int limit, count;
    int64_t before = 0;
    if (!call_query_limit(call, MESSAGES_LIMIT_DEFAULT, &limit)) return call->problem.error;
    const char *text = call_query(call, "before", &count);
    if (count) {
        size_t len = text ? strlen(text) : 0;
        if (count != 1 || len < 1 || len > 18 || strspn(text, "0123456789") != len || (before = atoll(text)) < 1)
            return bad_parameter(call, "before", "`before` must be a `next_before` of this session, unchanged.");
    }
    struct message_repo *messages = call->ports->messages;
    struct message_page page;
    enum chat_error error =
        message_repo_page(messages, call->caller.user_id, call->id, before, limit, call->arena, &page);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    view_session_fields(&json, &page.session);
    json_put_key(&json, "messages");
    json_begin_array(&json);
    for (size_t i = 0; i < page.count; i++) view_message(&json, &page.items[i], MESSAGE_WHOLE);
    json_end_array(&json);
    json_field_string(&json, "next_before",
                      page.has_more && page.count ? arena_printf(call->arena, "%lld", (long long)page.items[0].seq)
                                                  : NULL);
    json_field_string(&json, "active_message_id", page.active_message_id[0] ? page.active_message_id : NULL);
    json_end_object(&json);
    return call_send_json(call, 200);
}

static enum chat_error send_session(struct http_call *call, const struct session *session)
{
    struct json_writer json = call_json(call);
    view_session(&json, session);
    return call_send_json(call, 200);
}

/* -1: not given. */
static bool body_flag(struct http_call *call, const char *field, int *out)
{
    bool value, fine = call_body_bool(call, field, false, &value);
    *out = json_get(call->body, field) ? value : -1;
    return fine;
}

enum chat_error api_update_session(struct http_call *call)
{
    static const char *const fields[] = {"title", "pinned", "archived", NULL};
    struct update_session in = {.caller = &call->caller, .session_id = call->id};
    bool fine = call_body_only(call, fields);
    fine = call_body_string(call, "title", &in.title, &in.title_len) && fine;
    if (fine && !in.title && json_get(call->body, "title")) {
        problem_field(&call->problem, "title", "takes a string");
        fine = false;
    }
    fine = body_flag(call, "pinned", &in.pinned) && fine;
    fine = body_flag(call, "archived", &in.archived) && fine;
    if (!fine) return call->problem.error;
    struct session session;
    enum chat_error error = update_session(call->ports, &in, call->arena, &call->problem, &session);
    return error == CHAT_OK ? send_session(call, &session) : error;
}

enum chat_error api_delete_session(struct http_call *call)
{
    enum chat_error error = delete_session(call->ports, &call->caller, call->id);
    if (error == CHAT_OK) call->response.status = 204;
    return problem_set(&call->problem, error, NULL);
}

enum chat_error api_restore_session(struct http_call *call)
{
    struct session session;
    enum chat_error error = restore_session(call->ports, &call->caller, call->id, call->arena, &session);
    return error == CHAT_OK ? send_session(call, &session) : problem_set(&call->problem, error, NULL);
}

/* ---- export ---- */

static enum chat_error read_format(struct http_call *call, enum export_format *out)
{
    int count;
    const char *format = call_query(call, "format", &count);
    *out = format && strcmp(format, "json") == 0 ? EXPORT_JSON : EXPORT_MARKDOWN;
    if (count == 0 || (count == 1 && format && (*out == EXPORT_JSON || strcmp(format, "markdown") == 0)))
        return CHAT_OK;
    return problem_field(&call->problem, "format", "takes markdown or json");
}

static enum chat_error no_place(struct http_call *call, enum chat_error error)
{
    call->problem.retry_after_s = EXPORT_RETRY_AFTER_S;
    if (error == CHAT_ERR_TOO_MANY_STREAMS)
        return problem_set(&call->problem, error, "Another export of yours is still under way. Wait for it to end.");
    return problem_set(&call->problem, error, NULL);
}

enum chat_error api_export_session(struct http_call *call)
{
    struct answers *answers = call->ports->answers;
    struct session_export at;
    struct session session;
    enum export_format format;
    enum chat_error error = read_format(call, &format);
    if (error != CHAT_OK) return error;
    error = export_session_open(call->ports, &call->caller, call->id, call->arena, &at, &session);
    if (error != CHAT_OK) return problem_set(&call->problem, error, NULL);
    if (strcmp(call->request->method, "HEAD") == 0) {
        export_stream_headers(&call->response, &session, format, call->arena);
        call->response.status = 200;
        return CHAT_OK;
    }
    error = answers_reserve_long(answers, call->caller.user_id);
    if (error != CHAT_OK) return no_place(call, error);
    struct stepped *reply = export_stream(call, &at, &session, format);
    if (!reply) {
        answers_unreserve_long(answers, call->caller.user_id);
        return no_place(call, CHAT_ERR_OVERLOADED);
    }
    answers_step(answers, call->caller.user_id, reply, 0);
    return CHAT_OK;
}
