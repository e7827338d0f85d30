#include "http/routes.h"

#include <stdio.h>
#include <string.h>

#include "metrics/metrics.h"

enum { SEND_BODY = 128 << 10, SMALL_BODY = 64 << 10, COMPLETION_BODY = 0 };

#define SESSIONS "/api/v1/chat/sessions"
#define MESSAGES "/api/v1/chat/messages"

static const struct route routes[] = {
    {"POST", SESSIONS, api_create_session, BODY_OPTIONAL, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", SESSIONS, api_list_sessions, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", SESSIONS "/{session}", api_open_session, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"PATCH", SESSIONS "/{session}", api_update_session, BODY_OBJECT, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"DELETE", SESSIONS "/{session}", api_delete_session, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"POST", SESSIONS "/{session}/restore", api_restore_session, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", SESSIONS "/{session}/export", api_export_session, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"POST", SESSIONS "/{session}/messages", api_send_message, BODY_OBJECT, SEND_BODY, FOR_USERS, CHAT_FEATURE},
    {"POST", MESSAGES, api_send_first_message, BODY_OBJECT, SEND_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", MESSAGES "/{message}", api_get_message, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"POST", MESSAGES "/{message}/regenerate", api_regenerate_message, BODY_OPTIONAL, SMALL_BODY, FOR_USERS,
     CHAT_FEATURE},
    {"GET", MESSAGES "/{message}/stream", api_attach_stream, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"POST", MESSAGES "/{message}/stop", api_stop_message, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"PUT", MESSAGES "/{message}/feedback", api_set_feedback, BODY_OBJECT, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", "/api/v1/chat/quota", api_get_quota, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", "/api/v1/chat/features", api_get_features, BODY_NONE, SMALL_BODY, FOR_USERS, NO_FEATURE},
    {"GET", "/api/v1/chat/admin/usage", api_list_usage, BODY_NONE, SMALL_BODY, FOR_ADMINS, CHAT_FEATURE},
    {"GET", "/api/v1/chat/admin/engagement", api_get_engagement, BODY_NONE, SMALL_BODY, FOR_ADMINS, CHAT_FEATURE},
    {"POST", "/api/v1/chat/completions", api_create_completion, BODY_OBJECT, COMPLETION_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", "/api/v1/models", api_list_models, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"GET", "/api/v1/models/{name}", api_get_model, BODY_NONE, SMALL_BODY, FOR_USERS, CHAT_FEATURE},
    {"POST", "/api/v1/auth/session", api_sign_in, BODY_NONE, SMALL_BODY, BY_BEARER, NO_FEATURE},
    {"DELETE", "/api/v1/auth/session", api_sign_out, BODY_NONE, SMALL_BODY, FOR_USERS, NO_FEATURE},
    {"GET", "/healthz", api_health, BODY_NONE, SMALL_BODY, FOR_ALL, NO_FEATURE},
    {"GET", "/readyz", api_ready, BODY_NONE, SMALL_BODY, FOR_ALL, NO_FEATURE},
    {"GET", "/metrics", api_metrics, BODY_NONE, SMALL_BODY, FOR_SCRAPERS, NO_FEATURE},
    {NULL, NULL, NULL, BODY_NONE, 0, FOR_USERS, NO_FEATURE},
};

_Static_assert(sizeof routes / sizeof routes[0] <= METRICS_ROUTES, "every row has its place in the metrics");

const struct route *route_table(void)
{
    return routes;
}

size_t route_body_limit(const struct route *route, const struct chat_policy *policy)
{
    return route->body_limit ? route->body_limit : (size_t)policy->completions_max_bytes;
}

/* Below these all that isn't there is chat's too: whoever may not use chat isn't told what there is. */
enum route_feature route_feature(const struct route *route, const char *path)
{
    static const char *const below[] = {"/api/v1/chat/", "/api/v1/models/"};
    if (route) return route->feature;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        if (strncmp(path, below[i], strlen(below[i])) == 0) return CHAT_FEATURE;
    return NO_FEATURE;
}

static size_t segment_len(const char *path)
{
    return strcspn(path, "/");
}

static void take_id(struct http_call *call, const char *text, size_t len, enum chat_error missing,
                    enum chat_error *id_error)
{
    *id_error = uuid_parse(text, len, call->id) ? CHAT_OK : missing;
}

/* Segment by segment; an id segment is whatever stands between two slashes, but not nothing. */
static bool matches(struct http_call *call, const char *pattern, const char *path, enum chat_error *id_error)
{
    *id_error = CHAT_OK;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t want = segment_len(pattern), have = segment_len(path);
        if (*pattern == '{') {
            if (have == 0) return false;
            if (strncmp(pattern, "{session}", want) == 0)
                take_id(call, path, have, CHAT_ERR_SESSION_NOT_FOUND, id_error);
            else if (strncmp(pattern, "{message}", want) == 0)
                take_id(call, path, have, CHAT_ERR_MESSAGE_NOT_FOUND, id_error);
            else
                call->name = arena_strndup(call->arena, path, have);
        } else if (want != have || strncmp(pattern, path, want) != 0)
            return false;
        pattern += want;
        path += have;
    }
    return !*pattern && !*path;
}

static void add_method(char allow[ALLOW_SIZE], const char *method)
{
    size_t len = strlen(allow);
    snprintf(allow + len, ALLOW_SIZE - len, "%s%s%s", len ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

enum route_match route_find(struct http_call *call, const struct route **route, enum chat_error *id_error,
                            char allow[ALLOW_SIZE])
{
    const char *method = call->request->method;
    if (strcmp(method, "HEAD") == 0) method = "GET";
    allow[0] = 0;
    for (const struct route *row = routes; row->method; row++) {
        if (!matches(call, row->path, call->request->path, id_error)) continue;
        *route = row;
        if (strcmp(method, row->method) == 0) return ROUTE_FOUND;
        add_method(allow, row->method);
    }
    return allow[0] ? ROUTE_WRONG_METHOD : ROUTE_NOT_FOUND;
}
