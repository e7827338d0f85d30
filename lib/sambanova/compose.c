#include "sambanova/compose.h"

#include <string.h>

#include "base/json.h"

bool compose_request(const struct provider *self, const struct prompt *prompt, struct buf *out)
{
    struct json_writer writer;

    (void)self;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_field_string(&writer, "model", prompt->model);
    json_put_key(&writer, "messages");
    json_begin_array(&writer);
    for (size_t i = 0; i < prompt->turn_count; i++) {
        const struct turn *turn = &prompt->turns[i];

        json_begin_object(&writer);
        json_field_string(&writer, "role", message_role_name(turn->role));
        json_field_string_len(&writer, "content", turn->content, turn->content_len);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    if (prompt->max_tokens > 0) json_field_int(&writer, "max_tokens", prompt->max_tokens);
    json_field_bool(&writer, "stream", true);
    json_put_key(&writer, "stream_options");
    json_begin_object(&writer);
    json_field_bool(&writer, "include_usage", true);
    json_end_object(&writer);
    json_end_object(&writer);
    return !out->failed;
}

/* Behind the string that begins at `at`, its quotes included; `end` where it has none. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end) at++;
    return at < end ? at + 1 : end;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

/* The string that is the value of the top level's "model", quotes included; NULL: there is none. */
static const char *find_model(const char *body, const char *end, size_t *len)
{
    static const char key[] = "\"model\"";
    int depth = 0;
    for (const char *at = body; at < end; at++) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (*at != '"') continue;
        const char *string = at, *next = skip_string(at, end), *colon = skip_blanks(next, end);
        at = next - 1;
        bool is_key = depth == 1 && colon < end && *colon == ':';
        if (!is_key || next - string != sizeof key - 1 || memcmp(string, key, sizeof key - 1) != 0) continue;
        const char *value = skip_blanks(colon + 1, end);
        if (value == end || *value != '"') return NULL;
        *len = (size_t)(skip_string(value, end) - value);
        return value;
    }
    return NULL;
}

bool compose_set_model(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out)
{
    size_t old_len = 0;
    const char *old = find_model(body, body + len, &old_len);
    struct json_writer writer;

    (void)self;
    if (!old) return false;
    buf_append(out, body, (size_t)(old - body));
    json_writer_init(&writer, out);
    json_put_string(&writer, model);
    buf_append(out, old + old_len, (size_t)(body + len - old) - old_len);
    return !out->failed;
}
