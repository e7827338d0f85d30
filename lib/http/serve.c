#include "http/serve.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "domain/feature.h"
#include "http/routes.h"
#include "http/step.h"
#include "metrics/metrics.h"
#include "usecases/take_place.h"

enum {
    LARGE_BODY = 128 << 10,        /* larger than any message: a completion with a picture */
    LARGE_AT_ONCE_MAX = 256 << 20, /* bytes of large bodies that are being read and checked, in this process */
};

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- who ---- */

static const char *bearer_token(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) return NULL;
    const char *token = authorization + sizeof scheme - 1;
    return token + strspn(token, " ");
}

static const char *cookie_token(struct http_call *call)
{
    static const char name[] = "__Host-chat_token=";
    const char *cookie = call_header(call, "HTTP_COOKIE");
    while (cookie && *cookie) {
        cookie += strspn(cookie, " ;");
        size_t len = strcspn(cookie, ";");
        if (starts_with(cookie, name)) {
            const char *value = cookie + sizeof name - 1;
            size_t value_len = len - (sizeof name - 1);
            while (value_len && value[value_len - 1] == ' ') value_len--;
            return arena_strndup(call->arena, value, value_len);
        }
        cookie += len;
    }
    return NULL;
}

static bool unsafe_method(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
}

/* Browsers send a cookie by themselves, so a request that relies on it must come from our own pages. */
static bool from_our_page(struct http_call *call)
{
    const char *origin = call_header(call, "HTTP_ORIGIN"), *host = call_header(call, "HTTP_HOST");
    const char *site = call_header(call, "HTTP_SEC_FETCH_SITE");
    if (origin && *origin && host && starts_with(origin, "https://") && strcasecmp(origin + 8, host) == 0) return true;
    bool foreign_origin = origin && *origin && strcmp(origin, "null") != 0;
    return !foreign_origin && site && strcmp(site, "same-origin") == 0;
}

static enum chat_error authenticate(struct http_call *call, bool bearer_only)
{
    const char *authorization = call_header(call, "HTTP_AUTHORIZATION");
    if (authorization && *authorization)
        call->token = bearer_token(authorization);
    else if (!bearer_only) {
        call->token = cookie_token(call);
        call->by_cookie = true;
    }
    NOT_ZEROED struct jwt_claims claims;
    if (!call->token) return CHAT_ERR_UNAUTHENTICATED;
    enum chat_error error = jwt_verify(call->app->jwt, call->ports->clock, call->token, strlen(call->token), &claims);
    if (error != CHAT_OK) return error;
    memcpy(call->caller.user_id, claims.subject, USER_ID_SIZE);
    call->caller.is_admin = claims.is_admin;
    if (claims.groups_len) { /* with the empty name that ends them */
        char *groups = arena_alloc(call->arena, claims.groups_len + 1);
        call->caller.groups = memcpy(groups, claims.groups, claims.groups_len + 1);
    }
    call->token_expires_at_s = claims.expires_at_s;
    if (call->by_cookie && unsafe_method(call->request->method) && !from_our_page(call)) return CHAT_ERR_FORBIDDEN;
    return CHAT_OK;
}

/* A forwarded request does not count as one from here: its client is somewhere else. */
static bool from_this_host(struct http_call *call)
{
    static const char *const for_whom[] = {
        "HTTP_X_FORWARDED_FOR",  "HTTP_FORWARDED",          "HTTP_X_REAL_IP", "HTTP_X_ORIGINAL_FORWARDED_FOR",
        "HTTP_CF_CONNECTING_IP", "HTTP_TRUE_CLIENT_IP",     "HTTP_CLIENT_IP", "HTTP_X_CLIENT_IP",
        "HTTP_FASTLY_CLIENT_IP", "HTTP_X_CLUSTER_CLIENT_IP"};
    const char *address = call_header(call, "REMOTE_ADDR");
    for (size_t i = 0; i < sizeof for_whom / sizeof *for_whom; i++)
        if (call_header(call, for_whom[i])) return false;
    return address && (starts_with(address, "127.") || strcmp(address, "::1") == 0);
}

static bool has_credentials(struct http_call *call)
{
    const char *authorization = call_header(call, "HTTP_AUTHORIZATION");
    return (authorization && *authorization) || cookie_token(call);
}

static bool needs_token(struct http_call *call, const struct route *route)
{
    if (!route) return true;
    if (route->access == FOR_SCRAPERS) return has_credentials(call) || !from_this_host(call);
    return route->access != FOR_ALL;
}

/* On or off for this user: the rollout as it is lived. */
static bool has_chat(struct http_call *call)
{
    bool allowed = feature_allows(call->ports->policy, &call->caller);
    metrics_add(&metrics->counters.cohorts[call->caller.is_admin ? COHORT_ADMIN : allowed ? COHORT_ON : COHORT_OFF], 1);
    return allowed;
}

/* ---- what ---- */

static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    if (strncasecmp(type, json, sizeof json - 1) != 0) return false;
    const char *rest = type + sizeof json - 1;
    rest += strspn(rest, " \t");
    return *rest == 0 || *rest == ';';
}

/* The length that the client announced, or that nginx counted. */
static size_t announced_length(struct http_call *call)
{
    const char *text = call_header(call, "CONTENT_LENGTH");
    return text ? (size_t)strtoull(text, NULL, 10) : 0;
}

/* Reads a body and keeps nothing of it: an unread one would reset the connection. */
static enum chat_error refuse(struct http_call *call, enum chat_error error)
{
    const char *text;
    size_t len;
    if (request_read_body(call->request, 0, call->arena, &text, &len) == CHAT_ERR_INVALID_REQUEST)
        log_write(LOG_DEBUG, "body_unread");
    return error;
}

static enum chat_error read_whole(struct http_call *call, const struct route *route, const char **text, size_t *len)
{
    size_t limit = route_body_limit(route, call->ports->policy);
    enum chat_error error = request_read_body(call->request, limit, call->arena, text, len);
    if (error == CHAT_ERR_PAYLOAD_TOO_LARGE) call->problem.max_bytes = limit;
    return error;
}

static enum chat_error read_body(struct http_call *call, const struct route *route, struct json_doc **doc)
{
    const char *text, *reason;
    size_t len;
    enum chat_error error = read_whole(call, route, &text, &len);
    if (error != CHAT_OK) return error;
    if (route->body == BODY_NONE) return CHAT_OK;
    const char *type = call_header(call, "CONTENT_TYPE");
    if (len == 0 && route->body == BODY_OPTIONAL) {
        text = "{}";
        len = 2;
    } else if (!type || !is_json_type(type))
        return CHAT_ERR_UNSUPPORTED_MEDIA_TYPE;
    error = (len > LARGE_BODY ? json_parse_outline : json_parse)(text, len, doc, &reason);
    if (error != CHAT_OK)
        return problem_set(&call->problem, error, arena_printf(call->arena, "The body is not valid JSON: %s.", reason));
    call->body = json_root(*doc);
    call->body_text = text;
    call->body_len = len;
    if (json_type(call->body) == JSON_OBJECT) return CHAT_OK;
    problem_field(&call->problem, "body", "takes a JSON object");
    return problem_set(&call->problem, CHAT_ERR_VALIDATION_FAILED, "The body must be a JSON object.");
}

static enum chat_error handle_body(struct http_call *call, const struct route *route)
{
    struct json_doc *doc = NULL;
    enum chat_error error = read_body(call, route, &doc);
    if (error == CHAT_OK) error = route->handler(call);
    json_free(doc);
    return error;
}

/* Called before any of a large body is kept. A user over a limit pays for sending it, and nobody for reading it. It
 * also bounds the memory of all bodies. */
static enum chat_error handle(struct http_call *call, const struct route *route)
{
    static atomic_size_t at_once;
    size_t len = announced_length(call);
    if (len <= LARGE_BODY || len > route_body_limit(route, call->ports->policy)) return handle_body(call, route);
    enum chat_error error = look_for_place(call->ports, &call->caller, &call->problem);
    if (error != CHAT_OK) return refuse(call, error);
    if (atomic_fetch_add(&at_once, len) + len > LARGE_AT_ONCE_MAX) {
        call->problem.retry_after_s = 1;
        error = refuse(call, CHAT_ERR_OVERLOADED);
    } else
        error = handle_body(call, route);
    atomic_fetch_sub(&at_once, len);
    return error;
}

/* An SDK asks for the Responses API unless it is told otherwise; the message tells its user. */
static enum chat_error not_found(struct http_call *call)
{
    static const char responses[] = "/api/v1/responses";
    const char *rest = call->request->path + sizeof responses - 1;
    bool wanted = starts_with(call->request->path, responses) && (*rest == 0 || *rest == '/');
    return problem_set(&call->problem, CHAT_ERR_NOT_FOUND,
                       wanted ? "The Responses API is not offered here: use /api/v1/chat/completions, which is "
                                "`.chat(model)` in the AI SDK and `chat.completions` in OpenAI's."
                              : NULL);
}

static enum chat_error gate(struct http_call *call)
{
    enum chat_error error = authenticate(call, false);
    call->response.status = 204;
    return error;
}

static enum chat_error serve(struct http_call *call)
{
    const char *path = call->request->path;
    if (call_header(call, "X_INTERNAL")) return gate(call);

    const struct route *route = NULL;
    enum chat_error id_error;
    char allow[ALLOW_SIZE];
    enum route_match match = route_find(call, &route, &id_error, allow);
    bool found = match == ROUTE_FOUND;
    if (found) call->route = (int)(route - route_table());
    if (needs_token(call, route)) {
        enum chat_error error = authenticate(call, found && route->access == BY_BEARER);
        bool for_admins = found && (route->access == FOR_ADMINS || route->access == FOR_SCRAPERS);
        if (error == CHAT_OK && route_feature(route, path) == CHAT_FEATURE && !has_chat(call))
            error = CHAT_ERR_FEATURE_DISABLED;
        if (error == CHAT_OK && for_admins && !call->caller.is_admin) error = CHAT_ERR_FORBIDDEN;
        if (error != CHAT_OK) return refuse(call, error);
    }
    if (match == ROUTE_NOT_FOUND) return refuse(call, not_found(call));
    if (match == ROUTE_WRONG_METHOD) {
        http_add_header(&call->response, "Allow", arena_strdup(call->arena, allow));
        return refuse(call, CHAT_ERR_METHOD_NOT_ALLOWED);
    }
    if (id_error != CHAT_OK) return refuse(call, id_error);
    return handle(call, route);
}

void http_serve(const struct http_app *app, const struct chat_ports *ports, void *stores, struct http_request *request,
                struct arena *arena)
{
    struct http_call call = {.app = app, .ports = ports, .stores = stores, .request = request, .arena = arena};
    call.started_ms = clock_mono_ms(ports->clock);
    call.route = -1;
    trace_take(&call.trace, call_header(&call, "HTTP_TRACEPARENT"), request->request_id);
    step_open(&call);
    step_close(&call, serve(&call), true);
}
