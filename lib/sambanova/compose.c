#include "sambanova/compose.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sambanova/chunk.h"

/* Writes one message for the provider: a turn and those that join it. Returns the index behind them. */
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

/* The models that are known to take reasoning_effort; others may refuse a request with it. */
static bool takes_effort(const char *model)
{
    return strcasestr(model, "gpt-oss") != NULL;
}

/* The shorter prompt begins within the string of a user's message, as the whole one does. The part between the two is
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
    if (prompt->low_effort && takes_effort(prompt->model)) json_field_string(&writer, "reasoning_effort", "low");
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

/* Returns the place behind the string that begins at `at`, quotes included; `end` if it isn't closed. */
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

/* Returns the next key of the top level from `at` on, quotes included; NULL: no more. *depth begins at 0. */
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

/* Returns where the value of the top level's `key` (in quotes) begins; NULL: there is none. */
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

/* Returns the place behind the value that begins at `at`. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    if (*at == '"') return skip_string(at, end);
    for (; at < end; at++) {
        if (*at == '"') at = skip_string(at, end) - 1;
        if (*at == '{' || *at == '[') depth++;
        if ((*at == '}' || *at == ']') && --depth <= 0) return depth == 0 ? at + 1 : at;
        if (depth == 0 && (*at == ',' || *at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) return at;
    }
    return end;
}

enum { KEY_MAX = 21 }; /* bytes of the longest of our keys, below */
struct our_key {
    const char *name;
    const char *value; /* where it begins; NULL: there is none */
};

/* Returns whether the key at `at`, spelled with escapes and in quotes, is one of ours. */
static bool is_ours(const char *at, size_t len, const struct our_key *ours, size_t count)
{
    enum { ESCAPED_MAX = 6 }; /* bytes of one character: \u006f */
    const struct chunk_text key = {.at = at + 1, .len = len - 2, .escaped = true};
    const char *name;
    size_t name_len;
    bool found = false;
    struct buf decoded;
    if (key.len > ESCAPED_MAX * KEY_MAX) return false;
    buf_init(&decoded, ESCAPED_MAX * KEY_MAX);
    bool fine = chunk_text_decode(&key, &decoded, &name, &name_len);
    for (size_t i = 0; i < count; i++)
        if (name_len == strlen(ours[i].name) && memcmp(name, ours[i].name, name_len) == 0) found = true;
    buf_fini(&decoded);
    return !fine || found;
}

/* Finds the values of our keys in one walk. false: one of them is spelled with escapes. "max_t\u006fkens" is max_tokens
 * to the provider, and a client that spells it so has something to hide. In other names escapes are usual: many writers
 * of JSON use them for everything that is not ASCII. */
static bool find_ours(const char *object, const char *end, struct our_key *ours, size_t count)
{
    size_t len;
    int depth = 0;
    for (const char *at = object; (at = next_key(at, end, &depth, &len)); at += len) {
        if (memchr(at, '\\', len)) {
            if (is_ours(at, len, ours, count)) return false;
            continue;
        }
        for (size_t i = 0; i < count; i++)
            if (len - 2 == strlen(ours[i].name) && memcmp(at + 1, ours[i].name, len - 2) == 0)
                ours[i].value = skip_blanks(skip_blanks(at + len, end) + 1, end);
    }
    return true;
}

/* Returns whether a token limit has to be lowered: a number over `most`, however it is written (3000, 3e3, 3000.0), or
 * null, which asks for as many as possible. */
static bool is_over(const char *value, const char *end, int64_t most)
{
    char text[32];
    size_t len = (size_t)(end - value);
    if (*value == 'n' || len >= sizeof text) return true;
    memcpy(text, value, len);
    text[len] = '\0';
    return strtod(text, NULL) > (double)most;
}

/* A replacement for that many bytes at `at`; in the order of the body. */
struct edit {
    const char *at;
    size_t cut;
    char text[40];
};
struct edits {
    struct edit each[4];
    size_t count;
};

static void put_edit(struct edits *edits, const char *at, size_t cut, const char *text)
{
    size_t i = edits->count++;
    for (; i > 0 && edits->each[i - 1].at > at; i--) edits->each[i] = edits->each[i - 1];
    edits->each[i] = (struct edit){.at = at, .cut = cut};
    snprintf(edits->each[i].text, sizeof edits->each[i].text, "%s", text);
}

static bool is_empty(const char *object, const char *end)
{
    return *skip_blanks(object + 1, end) == '}';
}

/* Keeps the other fields of the client's stream_options. */
static bool ask_for_usage(const char *options, const char *end, bool stream, struct edits *edits)
{
    struct our_key ours[] = {{.name = "include_usage"}};
    end = skip_value(options, end);
    if (*options == 'n') {
        if (stream) put_edit(edits, options, (size_t)(end - options), "{\"include_usage\":true}");
        return true;
    }
    if (!find_ours(options, end, ours, 1)) return false;
    const char *value = ours[0].value;
    if (value)
        put_edit(edits, value, (size_t)(skip_value(value, end) - value), "true");
    else
        put_edit(edits, options + 1, 0, is_empty(options, end) ? "\"include_usage\":true" : "\"include_usage\":true,");
    return true;
}

/* Writes the fields that the body lacks, before all others. */
static void put_missing(const struct completion_bounds *bounds, bool limit, bool usage, bool empty, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    if (bounds->model) json_field_string(&writer, "model", bounds->model);
    if (usage) {
        json_put_key(&writer, "stream_options");
        json_begin_object(&writer);
        json_field_bool(&writer, "include_usage", true);
        json_end_object(&writer);
    }
    if (limit) json_field_int(&writer, "max_tokens", bounds->max_tokens);
    if ((bounds->model || usage || limit) && !empty) buf_append_char(out, ',');
}

/* Returns whether the string at `at`, quotes included, has this text, however it is spelled. */
static bool reads(const char *at, size_t len, const char *text)
{
    const struct our_key ours = {.name = text};
    if (memchr(at, '\\', len)) return is_ours(at, len, &ours, 1);
    return len - 2 == strlen(text) && memcmp(at + 1, text, len - 2) == 0;
}

/* A walk over a body's strings that keeps track of its place. */
struct walk {
    int depth;
    bool in_messages; /* within the array of the top level's messages */
};

/* Returns the value of the next message's role from `at` on, quotes included; NULL: no more. */
static const char *next_role(const char *at, const char *end, struct walk *walk, size_t *len)
{
    for (; at < end; at++) {
        if (*at == '{' || *at == '[') walk->depth++;
        if ((*at == '}' || *at == ']') && --walk->depth < 2) walk->in_messages = false;
        if (*at != '"') continue;
        const char *key = at, *behind = skip_string(at, end), *colon = skip_blanks(behind, end);
        size_t key_len = (size_t)(behind - key);
        at = behind - 1;
        if (colon == end || *colon != ':') continue;
        const char *value = skip_blanks(colon + 1, end);
        if (value == end) continue;
        if (walk->depth == 1) walk->in_messages = *value == '[' && reads(key, key_len, "messages");
        if (walk->depth != 3 || !walk->in_messages || *value != '"' || !reads(key, key_len, "role")) continue;
        *len = (size_t)(skip_string(value, end) - value);
        return value;
    }
    return NULL;
}

/* `developer` is OpenAI's newer name for `system`; the models here know only the old one. It is replaced in place, as
 * it is shorter. */
static void rename_developers(struct buf *body)
{
    static const char system[] = "\"system\"";
    size_t len;
    struct walk walk = {0};
    char *to = NULL;
    const char *end = body->data + body->len, *from = body->data;
    if (!memmem(from, body->len, "developer", 9) && !memmem(from, body->len, "\\u", 2)) return;
    for (const char *at = from; (at = next_role(at, end, &walk, &len)); at += len) {
        if (!reads(at, len, "developer")) continue;
        if (!to)
            to = body->data + (at - body->data);
        else {
            memmove(to, from, (size_t)(at - from));
            to += at - from;
        }
        memcpy(to, system, sizeof system - 1);
        to += sizeof system - 1;
        from = at + len;
    }
    if (!to) return;
    memmove(to, from, (size_t)(end - from));
    body->len = (size_t)(to - body->data) + (size_t)(end - from);
}

bool compose_bound(const struct provider *self, const char *body, size_t len, const struct completion_bounds *bounds,
                   struct buf *out)
{
    struct our_key ours[] = {
        {.name = "max_tokens"}, {.name = "max_completion_tokens"}, {.name = "stream_options"}, {.name = "model"}};
    const char *end = body + len, *brace = memchr(body, '{', len), *at;
    struct edits edits = {.count = 0};
    char most[24];

    (void)self;
    if (!brace || !find_ours(body, end, ours, sizeof ours / sizeof *ours)) return false;
    const char *options = ours[2].value;
    if (options && !ask_for_usage(options, end, bounds->stream, &edits)) return false;
    snprintf(most, sizeof most, "%" PRId64, bounds->max_tokens);
    for (size_t i = 0; i < 2; i++) {
        const char *value = ours[i].value, *behind = value ? skip_value(value, end) : NULL;
        if (value && is_over(value, behind, bounds->max_tokens))
            put_edit(&edits, value, (size_t)(behind - value), most);
    }
    buf_append(out, body, (size_t)(brace - body));
    put_missing(bounds, !ours[0].value && !ours[1].value, bounds->stream && !options, is_empty(brace, end), out);
    at = brace + 1;
    for (size_t i = 0; i < edits.count; i++) {
        buf_append(out, at, (size_t)(edits.each[i].at - at));
        buf_append_str(out, edits.each[i].text);
        at = edits.each[i].at + edits.each[i].cut;
    }
    buf_append(out, at, (size_t)(end - at));
    if (!out->failed) rename_developers(out);
    return !out->failed;
}
