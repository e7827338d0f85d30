#include "sambanova/chunk.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { FORM_MAX_BYTES = 2048 }; /* a longer chunk is read in full each time */

/* As json_reader_skip; also adds the bytes of its strings. */
static void skip_counted(struct json_reader *reader, size_t *bytes)
{
    struct json_text text;
    bool first = true;
    switch (json_reader_peek(reader)) {
    case '"':
        json_reader_string(reader, &text);
        *bytes += text.len;
        break;
    case '{':
        while (json_reader_member(reader, &first, &text)) skip_counted(reader, bytes);
        break;
    case '[':
        while (json_reader_item(reader, &first)) skip_counted(reader, bytes);
        break;
    default: json_reader_skip(reader);
    }
}

/* ---- values that count ---- */

/* A string; anything else counts as none. */
static void read_text(struct json_reader *reader, struct json_text *out)
{
    *out = (struct json_text){0};
    if (json_reader_peek(reader) == '"')
        json_reader_string(reader, out);
    else
        json_reader_skip(reader);
}

/* A string, or the digits of a number. */
static void read_code(struct json_reader *reader, struct json_text *out)
{
    char c = json_reader_peek(reader);
    *out = (struct json_text){0};
    if (c == '"')
        json_reader_string(reader, out);
    else if (c >= '0' && c <= '9')
        json_reader_number(reader, out);
    else
        json_reader_skip(reader);
}

/* Whole numbers 0 to CHUNK_MAX_TOKENS in any spelling (43, 43.0, 4.3e1); anything else leaves *out as it is. */
static void read_count(struct json_reader *reader, int64_t *out)
{
    char c = json_reader_peek(reader);
    if (c < '0' || c > '9') {
        json_reader_skip(reader);
        return;
    }
    struct json_text digits;
    json_reader_number(reader, &digits);
    if (reader->problem) return;
    int64_t whole = 0;
    size_t i;
    for (i = 0; i < digits.len && i < 9 && digits.at[i] >= '0' && digits.at[i] <= '9'; i++)
        whole = whole * 10 + (digits.at[i] - '0');
    if (i == digits.len) {
        *out = whole;
        return;
    }
    if (digits.len > JSON_NUMBER_MAX_CHARS) return;
    char text[JSON_NUMBER_MAX_CHARS + 1];
    memcpy(text, digits.at, digits.len);
    text[digits.len] = '\0';
    double number = strtod(text, NULL);
    if (number <= CHUNK_MAX_TOKENS && floor(number) == number) *out = (int64_t)number;
}

static void read_prompt_details(struct json_reader *reader, struct token_usage *usage)
{
    if (json_reader_peek(reader) != '{') {
        json_reader_skip(reader);
        return;
    }
    struct json_text key;
    bool first = true;
    while (json_reader_member(reader, &first, &key)) {
        if (JSON_TEXT_IS(key, "cached_tokens"))
            read_count(reader, &usage->cached_tokens);
        else
            json_reader_skip(reader);
    }
}

static void read_usage(struct json_reader *reader, struct token_usage *usage)
{
    if (json_reader_peek(reader) != '{') {
        json_reader_skip(reader);
        return;
    }
    struct json_text key;
    bool first = true;
    while (json_reader_member(reader, &first, &key)) {
        if (JSON_TEXT_IS(key, "prompt_tokens"))
            read_count(reader, &usage->prompt_tokens);
        else if (JSON_TEXT_IS(key, "completion_tokens"))
            read_count(reader, &usage->completion_tokens);
        else if (JSON_TEXT_IS(key, "total_tokens"))
            read_count(reader, &usage->total_tokens);
        else if (JSON_TEXT_IS(key, "prompt_tokens_details"))
            read_prompt_details(reader, usage);
        else
            json_reader_skip(reader);
    }
}

static void read_error(struct json_reader *reader, struct chunk_error *error)
{
    char c = json_reader_peek(reader);
    *error = (struct chunk_error){0};
    struct json_text key;
    bool first = true;
    if (c == '{') {
        error->present = true;
        while (json_reader_member(reader, &first, &key)) {
            if (JSON_TEXT_IS(key, "code"))
                read_code(reader, &error->code);
            else if (JSON_TEXT_IS(key, "type"))
                read_text(reader, &error->type);
            else if (JSON_TEXT_IS(key, "message"))
                read_text(reader, &error->message);
            else if (JSON_TEXT_IS(key, "param"))
                read_text(reader, &error->param);
            else
                json_reader_skip(reader);
        }
    } else if (c == '"') {
        read_text(reader, &error->message);
        error->present = error->message.len > 0;
    } else {
        error->present = c != 'n' && c != 'f';
        json_reader_skip(reader);
    }
}

static void read_content(struct json_reader *reader, struct chunk *chunk)
{
    chunk->content_parts = (struct json_text){0};
    if (json_reader_peek(reader) == '[') {
        const char *start = reader->at;
        chunk->content = (struct json_text){0};
        json_reader_skip(reader);
        if (!reader->problem)
            chunk->content_parts = (struct json_text){.at = start, .len = (size_t)(reader->at - start)};
    } else {
        read_text(reader, &chunk->content);
    }
}

static void read_delta(struct json_reader *reader, struct chunk *chunk)
{
    chunk->content = chunk->content_parts = chunk->reasoning = chunk->reasoning_content = chunk->channel =
        (struct json_text){0};
    if (json_reader_peek(reader) != '{') {
        json_reader_skip(reader);
        return;
    }
    struct json_text key;
    bool first = true;
    while (json_reader_member(reader, &first, &key)) {
        if (JSON_TEXT_IS(key, "content"))
            read_content(reader, chunk);
        else if (JSON_TEXT_IS(key, "reasoning"))
            read_text(reader, &chunk->reasoning);
        else if (JSON_TEXT_IS(key, "reasoning_content"))
            read_text(reader, &chunk->reasoning_content);
        else if (JSON_TEXT_IS(key, "channel"))
            read_text(reader, &chunk->channel);
        else if (JSON_TEXT_IS(key, "role"))
            json_reader_skip(reader);
        else
            skip_counted(reader, &chunk->other_bytes);
    }
}

/* Called at a choice's brace. Returns its index; -1: it has none. */
static int64_t read_choice(struct json_reader *reader, struct chunk *chunk)
{
    struct json_text key;
    int64_t index = -1;
    bool first = true;
    while (json_reader_member(reader, &first, &key)) {
        if (JSON_TEXT_IS(key, "delta"))
            read_delta(reader, chunk);
        else if (JSON_TEXT_IS(key, "message")) /* of a whole answer */
            skip_counted(reader, &chunk->other_bytes);
        else if (JSON_TEXT_IS(key, "finish_reason"))
            read_text(reader, &chunk->finish_reason);
        else if (JSON_TEXT_IS(key, "error"))
            read_error(reader, &chunk->error);
        else if (JSON_TEXT_IS(key, "index"))
            read_count(reader, &index);
        else
            json_reader_skip(reader);
    }
    return index;
}

/* Of a choice that isn't read, only the length is kept. */
static void clear_choice(struct chunk *chunk)
{
    size_t other = chunk->other_bytes + chunk->content.len + chunk->content_parts.len + chunk->reasoning.len;
    if (!chunk->reasoning.len) other += chunk->reasoning_content.len; /* otherwise they are copies */
    *chunk = (struct chunk){.usage = chunk->usage,
                            .usage_member = chunk->usage_member,
                            .choices = chunk->choices,
                            .created = chunk->created,
                            .unsound = chunk->unsound,
                            .choice_count = chunk->choice_count,
                            .other_bytes = other};
}

/* Takes the first choice whose index is 0. The index of a choice without one is its place in the array. */
static void read_choices(struct json_reader *reader, struct chunk *chunk)
{
    if (chunk->has_choice) clear_choice(chunk); /* the key a second time */
    if (json_reader_peek(reader) != '[') {
        json_reader_skip(reader);
        return;
    }
    bool first = true;
    for (int64_t place = 0; json_reader_item(reader, &first); place++) {
        if (json_reader_peek(reader) != '{') {
            json_reader_skip(reader);
            continue;
        }
        chunk->choice_count++;
        struct chunk found = {0};
        if (chunk->has_choice) {
            read_choice(reader, &found);
            clear_choice(&found);
            chunk->other_bytes += found.other_bytes;
            continue;
        }
        int64_t index = read_choice(reader, chunk);
        chunk->has_choice = index == 0 || (index < 0 && place == 0);
        if (!chunk->has_choice) clear_choice(chunk);
    }
}

static struct chunk_span span_of(const char *at, const char *end)
{
    return (struct chunk_span){at, (size_t)(end - at)};
}

/* Returns the span from the opening quote of a name to the end of its value, with the comma before it, or else the one
 * behind. */
static struct chunk_span member_of(const char *json, const char *key, struct json_reader *reader)
{
    const char *before = key - 1;
    while (before > json && strchr(" \n\r\t", *before)) before--;
    if (*before == ',') return span_of(before, reader->at);
    const char *behind = reader->at;
    if (json_reader_peek(reader) != ',') return span_of(key, behind);
    return span_of(key, reader->at + 1);
}

/* `created` is often a float; strict clients take only integers. */
static void read_created(struct json_reader *reader, struct chunk_span *created)
{
    char c = json_reader_peek(reader);
    if (c != '-' && (c < '0' || c > '9')) {
        json_reader_skip(reader);
        return;
    }
    const char *at = reader->at;
    json_reader_skip(reader);
    struct json_text digits = {.at = at, .len = (size_t)(reader->at - at)};
    if (memchr(digits.at, '.', digits.len) || memchr(digits.at, 'e', digits.len) || memchr(digits.at, 'E', digits.len))
        *created = span_of(at, reader->at);
}

const char *chunk_read(const char *json, size_t len, struct chunk *out)
{
    struct json_reader reader;
    json_reader_init(&reader, json, len, false);
    struct chunk_error error = {0}; /* of the chunk; out->error is the choice's until the end */
    struct chunk_error whole = {0}; /* {"object":"error","code":…}: the chunk is the error */
    struct json_text key;
    bool first = true;
    *out = (struct chunk){.usage = USAGE_UNKNOWN};
    if (json_reader_peek(&reader) != '{') {
        json_reader_skip(&reader);
        if (!reader.problem) json_reader_fail(&reader, "no object");
        return reader.problem;
    }
    while (json_reader_member(&reader, &first, &key)) {
        const char *at = reader.key_at;
        if (JSON_TEXT_IS(key, "choices")) {
            reader.unsound = reader.unsound || out->choices.at;
            json_reader_peek(&reader);
            const char *value = reader.at;
            read_choices(&reader, out);
            out->choices = span_of(value, reader.at);
        } else if (JSON_TEXT_IS(key, "usage")) {
            reader.unsound = reader.unsound || out->usage_member.at;
            read_usage(&reader, &out->usage);
            if (!reader.problem) out->usage_member = member_of(json, at, &reader);
        } else if (JSON_TEXT_IS(key, "created")) {
            reader.unsound = reader.unsound || out->created.at;
            read_created(&reader, &out->created);
        } else if (JSON_TEXT_IS(key, "error")) {
            read_error(&reader, &error);
        } else if (JSON_TEXT_IS(key, "object")) {
            struct json_text object;
            read_text(&reader, &object);
            whole.present = json_text_is(&object, "error");
        } else if (JSON_TEXT_IS(key, "code")) {
            read_code(&reader, &whole.code);
        } else if (JSON_TEXT_IS(key, "type")) {
            read_text(&reader, &whole.type);
        } else if (JSON_TEXT_IS(key, "message")) {
            read_text(&reader, &whole.message);
        } else {
            json_reader_skip(&reader);
        }
    }
    if (error.present) out->error = error;
    if (whole.present && !out->error.present) out->error = whole;
    json_reader_end(&reader);
    out->unsound = reader.unsound;
    out->non_ascii = reader.non_ascii;
    return reader.problem;
}

/* ---- a chunk that goes on ---- */

bool chunk_sound(const struct chunk *chunk, const char *json, size_t len)
{
    return !chunk->unsound && (!chunk->non_ascii || utf8_valid(json, len));
}

/* Returns the integer below it; 0 if that can't be a time. */
static int append_integer(const struct chunk_span *number, char out[JSON_NUMBER_MAX_CHARS + 1])
{
    char text[JSON_NUMBER_MAX_CHARS + 1];
    double seconds = 0;
    if (number->len <= JSON_NUMBER_MAX_CHARS) {
        memcpy(text, number->at, number->len);
        text[number->len] = '\0';
        seconds = floor(strtod(text, NULL));
    }
    if (!(seconds >= 0 && seconds <= 9007199254740992.0)) seconds = 0;
    return snprintf(out, JSON_NUMBER_MAX_CHARS + 1, "%.0f", seconds);
}

/* Writes JSON from *at up to the span, leaves the span out, and moves *at behind it. */
static void append_before(const char **at, const struct chunk_span *span, struct buf *out)
{
    buf_append(out, *at, (size_t)(span->at - *at));
    *at = span->at + span->len;
}

static void append_created(const char **at, const struct chunk_span *created, struct buf *out)
{
    char integer[JSON_NUMBER_MAX_CHARS + 1];
    int len = append_integer(created, integer);
    append_before(at, created, out);
    buf_append(out, integer, (size_t)len);
}

void chunk_pass(const struct chunk *chunk, const char *json, size_t len, struct buf *out)
{
    const char *at = json;
    bool created = chunk->created.at, usage = chunk->usage_member.at;
    if (created && usage && chunk->usage_member.at < chunk->created.at) {
        append_before(&at, &chunk->usage_member, out);
        usage = false;
    }
    if (created) append_created(&at, &chunk->created, out);
    if (usage) append_before(&at, &chunk->usage_member, out);
    buf_append(out, at, (size_t)(json + len - at));
}

void chunk_pass_usage(const struct chunk *chunk, const char *json, size_t len, struct buf *out)
{
    static const char none[] = "[]";
    const bool told = chunk->usage.prompt_tokens >= 0 || chunk->usage.completion_tokens >= 0;
    const struct chunk_span nothing = {NULL, 0};
    const struct chunk_span *spans[] = {&chunk->choices, &chunk->created, told ? &nothing : &chunk->usage_member};
    const char *at = json;
    size_t comma = 0;
    if (!chunk->choices.at) {
        const char *brace = memchr(json, '{', len);
        buf_append(out, json, (size_t)(brace + 1 - json));
        buf_append_str(out, "\"choices\":[],");
        comma = out->len - 1;
        at = brace + 1;
    }
    for (;;) {
        const struct chunk_span *next = NULL;
        for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
            if (spans[i]->at >= at && spans[i]->at && (!next || spans[i]->at < next->at)) next = spans[i];
        if (!next) break;
        if (next == &chunk->created)
            append_created(&at, next, out);
        else
            append_before(&at, next, out);
        if (next == &chunk->choices) buf_append(out, none, sizeof none - 1);
    }
    buf_append(out, at, (size_t)(json + len - at));
    if (!comma || out->failed) return;
    for (size_t i = comma + 1; i < out->len && strchr(" \t\r\n}", out->data[i]); i++)
        if (out->data[i] == '}') out->data[comma] = ' '; /* nothing follows */
}

bool chunk_mend_created(const struct chunk *chunk, struct buf *json)
{
    const struct chunk_span *created = &chunk->created;
    if (!created->at) return true;
    size_t at = (size_t)(created->at - json->data), behind = at + created->len;
    char integer[JSON_NUMBER_MAX_CHARS + 1];
    size_t len = (size_t)append_integer(created, integer);
    if (len > created->len && !buf_reserve(json, len - created->len)) return false;
    memmove(json->data + at + len, json->data + behind, json->len - behind);
    memcpy(json->data + at, integer, len);
    json->len = json->len - created->len + len;
    return true;
}

/* ---- a chunk like the one before ---- */

void chunk_form_init(struct chunk_form *form)
{
    *form = (struct chunk_form){0};
    buf_init(&form->json, FORM_MAX_BYTES);
}

void chunk_form_fini(struct chunk_form *form)
{
    buf_fini(&form->json);
}

static bool has_content_alone(const struct chunk *chunk)
{
    return chunk->has_choice && chunk->content.at && !chunk->error.present && !chunk->content_parts.at &&
           chunk->reasoning.len == 0 && chunk->reasoning_content.len == 0 && chunk->channel.len == 0 &&
           chunk->finish_reason.len == 0 && chunk->usage.prompt_tokens < 0 && chunk->usage.completion_tokens < 0 &&
           chunk->usage.total_tokens < 0;
}

static struct chunk_span moved(const struct chunk_span *span, const char *from, const char *to)
{
    return (struct chunk_span){span->at ? to + (span->at - from) : NULL, span->len};
}

static void learn_form(struct chunk_form *form, const char *json, size_t len, const struct chunk *chunk)
{
    buf_reset(&form->json);
    if (len > FORM_MAX_BYTES || !has_content_alone(chunk) || !buf_append(&form->json, json, len)) {
        buf_reset(&form->json);
        return;
    }
    form->head_len = (size_t)(chunk->content.at - json); /* with the opening quote */
    form->tail_len = len - form->head_len - chunk->content.len;
    form->chunk = *chunk;
    form->chunk.usage_member = moved(&chunk->usage_member, json, form->json.data);
    form->chunk.choices = (struct chunk_span){0};
    form->chunk.created = moved(&chunk->created, json, form->json.data);
}

/* Returns where a span of the form is in a chunk that has it, before the content or behind it. */
static struct chunk_span found_span(const struct chunk_form *form, const struct chunk_span *span, const char *json,
                                    size_t len)
{
    const char *formed = form->json.data, *end = formed + form->json.len;
    if (span->at < formed + form->head_len) return (struct chunk_span){json + (span->at - formed), span->len};
    return (struct chunk_span){json + len - (end - span->at), span->len};
}

static bool has_form(const struct chunk_form *form, const char *json, size_t len, struct chunk *out)
{
    size_t head = form->head_len, tail = form->tail_len;
    if (form->json.len == 0 || len < head + tail || memcmp(json, form->json.data, head) != 0 ||
        memcmp(json + len - tail, form->json.data + form->json.len - tail, tail) != 0)
        return false;
    struct json_reader reader = {.at = json + head - 1, .end = json + len};
    struct json_text content;
    json_reader_string(&reader, &content);
    if (reader.problem || reader.at != json + len - tail + 1) return false; /* behind the tail's first byte, a quote */
    *out = form->chunk;
    out->content = content;
    out->unsound = out->unsound || reader.unsound;
    out->non_ascii = out->non_ascii || reader.non_ascii;
    return true;
}

const char *chunk_read_like(struct chunk_form *form, const char *json, size_t len, struct chunk *out)
{
    if (has_form(form, json, len, out)) {
        if (out->usage_member.at) out->usage_member = found_span(form, &out->usage_member, json, len);
        if (out->created.at) out->created = found_span(form, &out->created, json, len);
        return NULL;
    }
    const char *problem = chunk_read(json, len, out);
    if (problem)
        buf_reset(&form->json);
    else
        learn_form(form, json, len, out);
    return problem;
}

void chunk_each_part(const struct chunk *chunk, chunk_part_fn *on_part, void *context)
{
    struct json_reader reader = {.at = chunk->content_parts.at,
                                 .end = chunk->content_parts.at + chunk->content_parts.len};
    if (!chunk->content_parts.at) return;
    bool first = true;
    while (json_reader_item(&reader, &first)) {
        struct json_text text = {0}, type = {0}, key;
        bool first_member = true;
        char c = json_reader_peek(&reader);
        if (c == '"') {
            read_text(&reader, &text);
        } else if (c == '{') {
            while (json_reader_member(&reader, &first_member, &key)) {
                if (JSON_TEXT_IS(key, "text"))
                    read_text(&reader, &text);
                else if (JSON_TEXT_IS(key, "type"))
                    read_text(&reader, &type);
                else
                    json_reader_skip(&reader);
            }
        } else {
            json_reader_skip(&reader);
        }
        if (text.at && !on_part(context, &text, json_text_is(&type, "thinking") || json_text_is(&type, "reasoning")))
            return;
    }
}
