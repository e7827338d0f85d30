#include "http/completion_body.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { ADDED_MAX_BYTES = 4 << 10 }; /* to a body, by us */

/* ---- spelling ---- */

/* Returns the next character of a name, as a reader takes it that ignores case, '_' and '-'. Two letters have a third
 * case outside of ASCII. 0: the end. */
static char folded(const char **at)
{
    while (**at == '_' || **at == '-') ++*at;
    if (strncmp(*at, "\xe2\x84\xaa", 3) == 0) { /* U+212A, the sign for Kelvin */
        *at += 3;
        return 'k';
    }
    if (strncmp(*at, "\xc5\xbf", 2) == 0) { /* U+017F, the long s */
        *at += 2;
        return 's';
    }
    char c = **at;
    if (c) ++*at;
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool is_like(const char *name, const char *ours)
{
    char c;
    do {
        c = folded(&name);
        if (c != folded(&ours)) return false;
    } while (c);
    return true;
}

/* Notes each member whose name is one of ours (NULL-ended) in another spelling. */
static bool check_names(struct http_call *call, const struct json *object, const char *const *ours)
{
    bool fine = true;
    for (const struct json *child = json_first(object); child; child = json_next(child)) {
        const char *name = json_key(child);
        for (const char *const *each = ours; *each; each++) {
            if (strcmp(name, *each) == 0 || !is_like(name, *each)) continue;
            problem_field(&call->problem, arena_strdup(call->arena, name),
                          arena_printf(call->arena, "is spelled `%s`", *each));
            fine = false;
        }
    }
    return fine;
}

/* ---- fields ---- */

static bool wrong(struct http_call *call, const char *field, const char *message)
{
    problem_field(&call->problem, field, message);
    return false;
}

static bool is_there(const struct json *value)
{
    return value && json_type(value) != JSON_NULL;
}

/* Reads a whole number from 1 to `most`, however it is written. If it is absent or null, gives `fallback`. */
static bool read_count(struct http_call *call, const char *field, double most, int fallback, double *out)
{
    const struct json *value = json_get(call->body, field);
    *out = fallback;
    if (!is_there(value)) return true;
    if (json_number(value, out) && floor(*out) == *out && *out >= 1 && *out <= most) return true;
    return wrong(call, field,
                 isinf(most) ? "takes a whole number from 1 on"
                             : arena_printf(call->arena, "takes a whole number from 1 to %.0f", most));
}

static bool read_stream_options(struct http_call *call, bool *usage)
{
    static const char *const ours[] = {"include_usage", NULL};
    const struct json *options = json_get(call->body, "stream_options");
    *usage = false;
    if (!is_there(options)) return true;
    if (json_type(options) != JSON_OBJECT) return wrong(call, "stream_options", "takes an object");
    const struct json *asked = json_get(options, "include_usage");
    if (is_there(asked) && !json_bool(asked, usage))
        return wrong(call, "stream_options.include_usage", "takes true or false");
    return check_names(call, options, ours);
}

static bool check_messages(struct http_call *call)
{
    const struct json *messages = json_get(call->body, "messages");
    if (messages && json_type(messages) == JSON_ARRAY && json_first(messages)) return true;
    return wrong(call, "messages", "takes a list of at least one message");
}

static bool read_model(struct http_call *call, const char **model)
{
    size_t len;
    if (!call_body_string(call, "model", model, &len)) return false;
    if (*model || !json_get(call->body, "model")) return true;
    return wrong(call, "model", "takes the name of a model, or isn't there");
}

bool completion_body_read(struct http_call *call, struct completion_wish *out)
{
    static const char *const ours[] = {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", NULL};
    double count, ignored;
    bool fine = read_model(call, &out->model);
    out->stream = false;
    if (is_there(json_get(call->body, "stream"))) fine = call_body_bool(call, "stream", false, &out->stream) && fine;
    fine = read_stream_options(call, &out->usage) && fine;
    fine = read_count(call, "max_tokens", INFINITY, 1, &ignored) && fine;
    fine = read_count(call, "max_completion_tokens", INFINITY, 1, &ignored) && fine;
    fine = read_count(call, "n", call->ports->policy->completions_max_n, 1, &count) && fine;
    fine = check_messages(call) && fine;
    fine = check_names(call, call->body, ours) && fine;
    if (fine) out->count = (int)count;
    return fine;
}

char *completion_body_for_provider(struct http_call *call, const struct completion_wish *wish, size_t *len)
{
    const struct provider *provider = call->ports->provider;
    const struct chat_policy *policy = call->ports->policy;
    const struct completion_bounds bounds = {
        .model = wish->model ? NULL : policy->default_model, .max_tokens = policy->max_tokens, .stream = wish->stream};
    struct buf body;
    buf_init(&body, call->body_len + ADDED_MAX_BYTES);
    buf_reserve(&body, call->body_len + ADDED_MAX_BYTES); /* copied once: it may be 20 MiB */
    if (provider_bound(provider, call->body_text, call->body_len, &bounds, &body)) return buf_take(&body, len);
    if (body.failed) out_of_memory(call->body_len + ADDED_MAX_BYTES);
    buf_fini(&body);
    wrong(call, "body",
          "takes the names of `model`, `stream_options`, what is in it, and the token limits without escapes");
    return NULL;
}
