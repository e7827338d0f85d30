#include "sambanova/compose.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_reader.h"

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
    size_t first = prompt->turn_count > 0 && prompt->turns[0].role == ROLE_SYSTEM, first_at = 0, shorter_at = 0;
    (void)self;
    struct json_writer writer;
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

/* A value's JSON within a body; at is NULL where there is none. */
struct span {
    const char *at;
    size_t len;
};

static struct span take_value(struct json_reader *reader)
{
    json_reader_peek(reader);
    struct span value = {.at = reader->at};
    json_reader_skip(reader);
    value.len = (size_t)(reader->at - value.at);
    return value;
}

struct our_key {
    const char *name;
    struct span value;
};

/* Finds the values of our keys in one walk over an object. false: one of them is spelled with escapes.
 * "max_t\u006fkens" is max_tokens to the provider, and a client that spells it so has something to hide. In other names
 * escapes are usual: many writers of JSON use them for everything that is not ASCII. */
static bool find_ours(const char *object, size_t len, struct our_key *ours, size_t count)
{
    struct json_reader reader;
    json_reader_init(&reader, object, len, false);
    if (json_reader_peek(&reader) != '{') return false;
    struct json_text key;
    bool first = true;
    while (json_reader_member(&reader, &first, &key)) {
        size_t i = 0;
        while (i < count && !json_text_is(&key, ours[i].name))
            i++; /* before the value: its keys take this one's room */
        if (i < count && key.at != reader.key_at + 1) return false;
        struct span value = take_value(&reader);
        if (i < count) ours[i].value = value;
    }
    return true;
}

bool compose_set_model(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out)
{
    struct our_key ours = {.name = "model"};
    (void)self;
    if (!find_ours(body, len, &ours, 1) || !ours.value.at || *ours.value.at != '"') return false;
    const char *behind = ours.value.at + ours.value.len;
    buf_append(out, body, (size_t)(ours.value.at - body));
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_put_string(&writer, model);
    buf_append(out, behind, (size_t)(body + len - behind));
    return !out->failed;
}

/* Returns whether a token limit has to be lowered: a number over `most`, however it is written (3000, 3e3, 3000.0), or
 * null, which asks for as many as possible. */
static bool is_over(const struct span *value, int64_t most)
{
    char text[32];
    if (*value->at == 'n' || value->len >= sizeof text) return true;
    memcpy(text, value->at, value->len);
    text[value->len] = '\0';
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

static bool is_empty(const char *brace, const char *end)
{
    struct json_reader reader;
    json_reader_init(&reader, brace + 1, (size_t)(end - brace - 1), false);
    return json_reader_peek(&reader) == '}';
}

/* Keeps the other fields of the client's stream_options. */
static bool ask_for_usage(const struct span *options, bool stream, struct edits *edits)
{
    struct our_key usage = {.name = "include_usage"};
    if (*options->at == 'n') {
        if (stream) put_edit(edits, options->at, options->len, "{\"include_usage\":true}");
        return true;
    }
    if (!find_ours(options->at, options->len, &usage, 1)) return false;
    bool empty = is_empty(options->at, options->at + options->len);
    if (usage.value.at)
        put_edit(edits, usage.value.at, usage.value.len, "true");
    else
        put_edit(edits, options->at + 1, 0, empty ? "\"include_usage\":true" : "\"include_usage\":true,");
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

/* Returns whether the string has this text, however it is spelled. */
static bool reads(const struct json_text *string, const char *text)
{
    enum { ESCAPED_MAX = 6, TEXT_MAX = 16 }; /* bytes of one character: \u006f */
    char room[ESCAPED_MAX * TEXT_MAX];
    struct buf scratch = {.data = room, .cap = sizeof room, .max = sizeof room};
    struct json_text decoded = {0};
    if (!string->escaped) return json_text_is(string, text);
    if (string->len > sizeof room || !json_text_decode(string, &scratch, &decoded.at, &decoded.len)) return false;
    return json_text_is(&decoded, text);
}

/* Replaces a buffer's text in place by shorter ones, from its beginning to its end. */
struct shortening {
    char *to;         /* where the next part goes; NULL: nothing is replaced yet */
    const char *from; /* what isn't moved yet */
};

static void replace(struct shortening *self, char *at, size_t len, const char *by, size_t by_len)
{
    if (!self->to)
        self->to = at;
    else {
        memmove(self->to, self->from, (size_t)(at - self->from));
        self->to += at - self->from;
    }
    memcpy(self->to, by, by_len);
    self->to += by_len;
    self->from = at + len;
}

/* At a message's brace. */
static void rename_role(struct json_reader *reader, struct shortening *to)
{
    static const char system[] = "\"system\"";
    struct json_text key, role;
    bool first = true;
    while (json_reader_member(reader, &first, &key)) {
        if (!JSON_TEXT_IS(key, "role") || json_reader_peek(reader) != '"') {
            json_reader_skip(reader);
            continue;
        }
        char *at = (char *)(uintptr_t)reader->at;
        json_reader_string(reader, &role);
        if (reads(&role, "developer")) replace(to, at, role.len + 2, system, sizeof system - 1);
    }
}

/* At the messages' bracket. */
static void rename_roles(struct json_reader *reader, struct shortening *to)
{
    bool first = true;
    while (json_reader_item(reader, &first)) {
        if (json_reader_peek(reader) == '{')
            rename_role(reader, to);
        else
            json_reader_skip(reader);
    }
}

/* `developer` is OpenAI's newer name for `system`; the models here know only the old one. It is replaced in place, as
 * it is shorter. */
static void rename_developers(struct buf *body)
{
    if (!memmem(body->data, body->len, "developer", 9) && !memmem(body->data, body->len, "\\u", 2)) return;
    struct json_reader reader;
    json_reader_init(&reader, body->data, body->len, false);
    if (json_reader_peek(&reader) != '{') return;
    struct json_text key;
    struct shortening to = {0};
    bool first = true;
    while (json_reader_member(&reader, &first, &key)) {
        if (JSON_TEXT_IS(key, "messages") && json_reader_peek(&reader) == '[')
            rename_roles(&reader, &to);
        else
            json_reader_skip(&reader);
    }
    if (!to.to) return;
    size_t rest = (size_t)(body->data + body->len - to.from);
    memmove(to.to, to.from, rest);
    body->len = (size_t)(to.to - body->data) + rest;
}

bool compose_bound(const struct provider *self, const char *body, size_t len, const struct completion_bounds *bounds,
                   struct buf *out)
{
    struct our_key ours[] = {
        {.name = "max_tokens"}, {.name = "max_completion_tokens"}, {.name = "stream_options"}, {.name = "model"}};
    const char *end = body + len, *brace = memchr(body, '{', len);
    const struct span *options = &ours[2].value;
    struct edits edits = {.count = 0};
    (void)self;
    if (!brace || !find_ours(body, len, ours, sizeof ours / sizeof *ours)) return false;
    if (options->at && !ask_for_usage(options, bounds->stream, &edits)) return false;
    char most[24];
    snprintf(most, sizeof most, "%" PRId64, bounds->max_tokens);
    for (size_t i = 0; i < 2; i++) {
        const struct span *value = &ours[i].value;
        if (value->at && is_over(value, bounds->max_tokens)) put_edit(&edits, value->at, value->len, most);
    }
    buf_append(out, body, (size_t)(brace - body));
    put_missing(bounds, !ours[0].value.at && !ours[1].value.at, bounds->stream && !options->at, is_empty(brace, end),
                out);
    const char *at = brace + 1;
    for (size_t i = 0; i < edits.count; i++) {
        buf_append(out, at, (size_t)(edits.each[i].at - at));
        buf_append_str(out, edits.each[i].text);
        at = edits.each[i].at + edits.each[i].cut;
    }
    buf_append(out, at, (size_t)(end - at));
    if (!out->failed) rename_developers(out);
    return !out->failed;
}
