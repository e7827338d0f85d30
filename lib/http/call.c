#include "http/call.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "usecases/list_sessions.h"

const char *call_header(const struct http_call *call, const char *name)
{
    const char *value = request_param(call->request, name);
    return value && *value ? value : NULL;
}

void http_add_header(struct http_response *response, const char *name, const char *value)
{
    if (response->header_count == HTTP_MAX_HEADERS || strpbrk(value, "\r\n")) return;
    response->headers[response->header_count++] = (struct http_header){name, value};
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "Status";
}

/* ---- query ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static char *percent_decode(struct arena *arena, const char *text, size_t len)
{
    char *out = arena_alloc(arena, len + 1);
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '+')
            out[written++] = ' ';
        else if (text[i] != '%')
            out[written++] = text[i];
        else {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1, low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) return NULL;
            out[written++] = (char)(high << 4 | low);
            i += 2;
        }
    }
    return out;
}

const char *call_query(const struct http_call *call, const char *name, int *count)
{
    const char *found = NULL;
    size_t name_len = strlen(name);
    *count = 0;
    for (const char *at = call->request->query; *at;) {
        size_t len = strcspn(at, "&"), own = strcspn(at, "&=");
        const char *its_name = memchr(at, '%', own) ? percent_decode(call->arena, at, own) : NULL;
        if (its_name ? strcmp(its_name, name) == 0 : own == name_len && strncmp(at, name, own) == 0) {
            size_t skip = own < len ? own + 1 : len;
            found = percent_decode(call->arena, at + skip, len - skip);
            if (!found || !utf8_valid(found, strlen(found))) {
                *count = -1;
                return NULL;
            }
            ++*count;
        }
        at += len;
        if (*at == '&') at++;
    }
    return found;
}

bool call_query_limit(struct http_call *call, int fallback, int *limit)
{
    int count;
    const char *text = call_query(call, "limit", &count);
    *limit = fallback;
    if (count == 0) return true;
    size_t len = text ? strlen(text) : 0;
    bool fine = count == 1 && len >= 1 && len <= 3 && strspn(text, "0123456789") == len && text[0] != '0';
    if (fine) *limit = atoi(text);
    if (fine && *limit >= PAGE_LIMIT_MIN && *limit <= PAGE_LIMIT_MAX) return true;
    problem_field(&call->problem, "limit", "takes one whole number from 1 to 100");
    return false;
}

/* ---- body ---- */

static bool wrong(struct http_call *call, const char *field, const char *message)
{
    problem_field(&call->problem, field, message);
    return false;
}

bool call_body_string(struct http_call *call, const char *field, const char **out, size_t *len)
{
    const struct json *value = json_get(call->body, field);
    *out = NULL;
    *len = 0;
    if (!value || json_type(value) == JSON_NULL) return true;
    *out = json_string(value, len);
    return *out ? true : wrong(call, field, "takes a string");
}

bool call_body_bool(struct http_call *call, const char *field, bool fallback, bool *out)
{
    const struct json *value = json_get(call->body, field);
    *out = fallback;
    if (!value) return true;
    return json_bool(value, out) ? true : wrong(call, field, "takes true or false");
}

bool call_body_uuid(struct http_call *call, const char *field, char out[UUID_TEXT_SIZE])
{
    const char *text;
    size_t len;
    out[0] = 0;
    if (!call_body_string(call, field, &text, &len)) return false;
    if (!text || uuid_parse(text, len, out)) return true;
    return wrong(call, field, "takes a message id (a UUID)");
}

bool call_body_only(struct http_call *call, const char *const *fields)
{
    bool only = true;
    for (const struct json *child = json_first(call->body); child; child = json_next(child)) {
        size_t i = 0;
        while (fields[i] && strcmp(fields[i], json_key(child)) != 0) i++;
        if (!fields[i])
            only = wrong(call, arena_strdup(call->arena, json_key(child)), "is not a field of this request");
    }
    return only;
}

/* ---- response ---- */

struct json_writer call_json(struct http_call *call)
{
    struct json_writer json;
    buf_reset(&call->out);
    json_writer_init(&json, &call->out);
    return json;
}

enum chat_error call_send_json(struct http_call *call, int status)
{
    return call_send(call, status, "application/json; charset=utf-8");
}

enum chat_error call_send(struct http_call *call, int status, const char *content_type)
{
    if (call->out.failed) return problem_set(&call->problem, CHAT_ERR_INTERNAL, NULL);
    call->response.status = status;
    http_add_header(&call->response, "Content-Type", content_type);
    call->response.body = call->out.data;
    call->response.body_len = call->out.len;
    return CHAT_OK;
}

void http_add_quota_headers(struct http_response *response, const struct quota *quota, struct arena *strings)
{
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"X-RateLimit-Limit", quota->rate_limit},
        {"X-RateLimit-Remaining", quota->rate_remaining},
        {"X-RateLimit-Reset", quota->rate_reset_s},
        {"X-Daily-Quota-Limit", quota->daily_limit},
        {"X-Daily-Quota-Remaining", quota->daily_remaining},
        {"X-Daily-Quota-Reset", quota->daily_reset_s},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        http_add_header(response, rows[i].name,
                        rows[i].value == QUOTA_UNLIMITED ? "unlimited"
                                                         : arena_printf(strings, "%lld", (long long)rows[i].value));
}

/* ---- its Idempotency-Key ---- */

void call_keep_key(struct http_call *call)
{
    struct idempotency *keys = call->ports->idempotency;
    if (!call->claim.key) return;
    if (idempotency_keep(keys, &call->claim) != CHAT_OK) log_write(LOG_WARN, "idempotency_key_not_kept");
}

void call_free_key(struct http_call *call)
{
    struct idempotency *keys = call->ports->idempotency;
    if (!call->claim.key) return;
    if (idempotency_give_up(keys, &call->claim) != CHAT_OK) log_write(LOG_WARN, "idempotency_key_not_freed");
}
