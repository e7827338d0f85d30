#include "sambanova/compose.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sambanova/chunk.h"

/* One message of the provider's: a turn and those that join it. Gives the index behind them. */
static size_t put_turn(struct json_writer *writer, const struct prompt *prompt, size_t at, size_t *shorter_at)
{
    json_begin_object(writer);
    json_field_string(writer, "role", message_role_name(prompt->turns[at].role));
    json_put_key(writer, "content");
    json_put_raw(writer, "\"", 1);
    do {
        const struct turn *turn = &prompt->turns[at];

        if (turn->joins) json_append_escaped(writer->out, "\n\n", 2);
        if (at == prompt->shorter_from) *shorter_at = writer->out->len;
        json_append_escaped(writer->out, turn->content, turn->content_len);
    } while (++at < prompt->turn_count && prompt->turns[at].joins);
    buf_append_char(writer->out, '"');
    json_end_object(writer);
    return at;
}

/* The shorter prompt begins within the string of a user's message, as the whole one does: between the two lies what is
 * left out. */
bool compose_request(const struct provider *self, const struct prompt *prompt, struct buf *out, struct body_cut *cut)
{
    static const char user[] = "{\"role\":\"user\",\"content\":\"";
    struct json_writer writer;
    size_t first = prompt->turn_count > 0 && prompt->turns[0].role == ROLE_SYSTEM, first_at = 0, shorter_at = 0;

    (void)self;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_field_string(&writer, "model", prompt->model);
    json_put_key(&writer, "messages");
    json_begin_array(&writer);
    for (size_t i = 0; i < prompt->turn_count;) {
        if (i == first) first_at = out->len + (i > 0) + sizeof user - 1;
        i = put_turn(&writer, prompt, i, &shorter_at);
    }
    json_end_array(&writer);
    if (prompt->max_tokens > 0) json_field_int(&writer, "max_tokens", prompt->max_tokens);
    json_field_bool(&writer, "stream", true);
    json_put_key(&writer, "stream_options");
    json_begin_object(&writer);
    json_field_bool(&writer, "include_usage", true);
    json_end_object(&writer);
    json_end_object(&writer);
    *cut = (struct body_cut){0};
    if (prompt->shorter_from > first) {
        *cut = (struct body_cut){.from_end = out->len - first_at, .to_end = out->len - shorter_at};
        snprintf(cut->starts_at, sizeof cut->starts_at, "%s", prompt->shorter_starts_at);
    }
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

/* The next key of the top level from `at` on, quotes included; NULL: no more. *depth begins at 0. */
static const char *next_key(const char *at, const char *end, int *depth, size_t *len)
{
    for (; at < end; at++) {
        if (*at == '{' || *at == '[') ++*depth;
        if (*at == '}' || *at == ']') --*depth;
        if (*at != '"') continue;
        const char *string = at, *next = skip_string(at, end), *colon = skip_blanks(next, end);
        *len = (size_t)(next - string);
        if (*depth == 1 && colon < end && *colon == ':') return string;
        at = next - 1;
    }
    return NULL;
}

/* Where the value of the top level's `key` (in quotes) begins; NULL: there is none. */
static const char *find_value(const char *body, const char *end, const char *key)
{
    size_t len, key_len = strlen(key);
    int depth = 0;
    for (const char *at = body; (at = next_key(at, end, &depth, &len)); at += len) {
        if (len != key_len || memcmp(at, key, key_len) != 0) continue;
        const char *value = skip_blanks(skip_blanks(at + len, end) + 1, end);
        return value < end ? value : NULL;
    }
    return NULL;
}

bool compose_set_model(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out)
{
    const char *old = find_value(body, body + len, "\"model\"");
    struct json_writer writer;

    (void)self;
    if (!old || *old != '"') return false;
    size_t old_len = (size_t)(skip_string(old, body + len) - old);
    buf_append(out, body, (size_t)(old - body));
    json_writer_init(&writer, out);
    json_put_string(&writer, model);
    buf_append(out, old + old_len, (size_t)(body + len - old) - old_len);
    return !out->failed;
}

/* A number over `most`, however it is written: 3000, 3e3, 3000.0; or null, which asks for as many as there may be.
 * *len: of its text. */
static bool is_over(const char *value, const char *end, int64_t most, size_t *len)
{
    char text[32];
    *len = 0;
    while (value + *len < end && strchr("+-.0123456789eE", value[*len])) ++*len;
    if (*len == 0 && end - value >= 4 && memcmp(value, "null", 4) == 0) *len = 4;
    if (*len == 0) return false;
    if (*value == 'n' || *len >= sizeof text) return true;
    memcpy(text, value, *len);
    text[*len] = '\0';
    return strtod(text, NULL) > (double)most;
}

/* Whether the key at `at`, spelled with escapes and in quotes, is one that we set or bound. */
static bool is_ours(const char *at, size_t len)
{
    static const char *const ours[] = {"model", "stream_options", "max_tokens", "max_completion_tokens"};
    enum { ESCAPED_MAX = 6 }; /* bytes of one character: \u006f */
    const struct chunk_text key = {.at = at + 1, .len = len - 2, .escaped = true};
    const char *name;
    size_t name_len;
    bool found = false;
    struct buf decoded;
    if (key.len > ESCAPED_MAX * strlen("max_completion_tokens")) return false;
    buf_init(&decoded, ESCAPED_MAX * sizeof "max_completion_tokens");
    bool fine = chunk_text_decode(&key, &decoded, &name, &name_len);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (name_len == strlen(ours[i]) && memcmp(name, ours[i], name_len) == 0) found = true;
    buf_fini(&decoded);
    return !fine || found;
}

/* "max_t\u006fkens" is max_tokens to the provider, and whoever spells it so has something to hide. In other names
 * escapes are what many writers of JSON put for all that is not ASCII. */
static bool hides_a_key(const char *body, const char *end)
{
    size_t len;
    int depth = 0;
    for (const char *at = body; (at = next_key(at, end, &depth, &len)); at += len)
        if (memchr(at, '\\', len) && is_ours(at, len)) return true;
    return false;
}

bool compose_bound_tokens(const struct provider *self, const char *body, size_t len, int64_t most, struct buf *out)
{
    static const char *const keys[] = {"\"max_tokens\"", "\"max_completion_tokens\""};
    const char *end = body + len, *at = body,
               *values[] = {find_value(body, end, keys[0]), find_value(body, end, keys[1])};

    (void)self;
    if (hides_a_key(body, end)) return false;
    if (!values[0] && !values[1]) {
        const char *brace = memchr(body, '{', len);
        if (!brace) return false;
        buf_append(out, body, (size_t)(brace + 1 - body));
        buf_printf(out, "\"max_tokens\":%" PRId64 "%s", most, *skip_blanks(brace + 1, end) == '}' ? "" : ",");
        at = brace + 1;
    }
    bool swapped = values[0] && values[1] && values[1] < values[0];
    for (int i = 0; i < 2; i++) {
        const char *value = values[swapped ? 1 - i : i];
        size_t number_len;
        if (!value || !is_over(value, end, most, &number_len)) continue;
        buf_append(out, at, (size_t)(value - at));
        buf_printf(out, "%" PRId64, most);
        at = value + number_len;
    }
    buf_append(out, at, (size_t)(end - at));
    return !out->failed;
}
