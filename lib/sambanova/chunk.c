#include "sambanova/chunk.h"

#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    KEY_MAX = 24, /* longer than any key that counts */
    NUMBER_MAX_CHARS = 63,
    FORM_MAX_BYTES = 2048, /* a longer chunk is read in full each time */
};

/* After a failure `at` is `end`, so a later read finds the end, and the first problem is kept. */
struct reader {
    const char *at;
    const char *end;
    unsigned depth;
    const char *problem;
    const char *key_at; /* the opening quote of the newest key */
    bool unsound, non_ascii;
    char key[KEY_MAX];
};

static void fail(struct reader *reader, const char *problem)
{
    if (!reader->problem) reader->problem = problem;
    reader->at = reader->end;
}

static void unexpected(struct reader *reader)
{
    fail(reader, reader->at == reader->end ? "unexpected end" : "unexpected character");
}

/* The next character that is no white space; 0 at the end. */
static char peek(struct reader *reader)
{
    while (reader->at < reader->end) {
        char c = *reader->at;

        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        reader->at++;
    }
    return '\0';
}

/* ---- strings ---- */

#define REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Returns how many of eight bytes come before the first quote, backslash, control or non-ASCII byte. If a subtraction
 * borrows, a byte after a special one may be marked too, but never one before it. */
static inline size_t plain_bytes(const char *at)
{
    uint64_t word, special;

    memcpy(&word, at, sizeof word);
    word = le64toh(word);
    special =
        (word | (word - REPEAT(0x20)) | ((word ^ REPEAT('"')) - REPEAT(1)) | ((word ^ REPEAT('\\')) - REPEAT(1))) &
        REPEAT(0x80);
    return special ? (size_t)__builtin_ctzll(special) / 8 : 8;
}

/* Four hex digits, or -1. */
static int hex4(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)at[i], letter = c | 0x20;

        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (letter >= 'a' && letter <= 'f')
            value = value << 4 | (letter - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* Called at the opening quote. */
static void read_string(struct reader *reader, struct chunk_text *out)
{
    const char *at = reader->at + 1, *end = reader->end;

    *out = (struct chunk_text){.at = at, .ascii = true};
    for (;;) {
        for (size_t plain = 8; plain == 8 && end - at >= 8; at += plain) plain = plain_bytes(at);
        if (at == end) {
            fail(reader, "unexpected end");
            return;
        }
        unsigned char c = (unsigned char)*at;
        if (c == '"') break;
        at++;
        if (c < 0x20 || c >= 0x80) {
            out->ascii = false;
            reader->unsound = reader->unsound || c < 0x20;
            reader->non_ascii = true;
        }
        if (c != '\\') continue;
        out->escaped = true;
        if (at < end && *at == 'u' && hex4(at + 1, end) >= 0) {
            at += 5;
        } else if (at < end && *at && strchr("\"\\/bfnrt", *at)) {
            at++;
        } else {
            fail(reader, at < end ? "malformed escape in a string" : "unexpected end");
            return;
        }
    }
    out->len = (size_t)(at - out->at);
    reader->at = at + 1;
}

static bool append_code_point(struct buf *out, uint32_t c)
{
    char bytes[4];
    size_t len;

    if (c == 0 || (c >= 0xd800 && c <= 0xdfff)) c = 0xfffd;
    if (c < 0x80) {
        bytes[0] = (char)c;
        len = 1;
    } else if (c < 0x800) {
        bytes[0] = (char)(0xc0 | c >> 6);
        bytes[1] = (char)(0x80 | (c & 0x3f));
        len = 2;
    } else if (c < 0x10000) {
        bytes[0] = (char)(0xe0 | c >> 12);
        bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (c & 0x3f));
        len = 3;
    } else {
        bytes[0] = (char)(0xf0 | c >> 18);
        bytes[1] = (char)(0x80 | (c >> 12 & 0x3f));
        bytes[2] = (char)(0x80 | (c >> 6 & 0x3f));
        bytes[3] = (char)(0x80 | (c & 0x3f));
        len = 4;
    }
    return buf_append(out, bytes, len);
}

/* Takes `at` behind a backslash; returns the place behind the whole escape. read_string has checked the form. */
static const char *append_escape(struct buf *out, const char *at, const char *end)
{
    static const char named[128] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t', ['"'] = '"', ['/'] = '/', ['\\'] = '\\'};
    uint32_t unit, low;

    if (*at != 'u') {
        buf_append_char(out, named[(unsigned char)*at & 0x7f]);
        return at + 1;
    }
    unit = (uint32_t)hex4(at + 1, end);
    at += 5;
    if (unit >= 0xd800 && unit <= 0xdbff && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        low = (uint32_t)hex4(at + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    append_code_point(out, unit);
    return at;
}

bool chunk_text_decode(const struct chunk_text *text, struct buf *scratch, const char **out, size_t *len)
{
    const char *at = text->at, *end = at + text->len;

    *out = text->at;
    *len = text->len;
    if (!text->escaped && (text->ascii || (utf8_valid(at, text->len) && !memchr(at, '\0', text->len)))) return true;
    buf_reset(scratch);
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        const char *stop = backslash ? backslash : end;

        utf8_append_sanitized(scratch, at, (size_t)(stop - at));
        at = backslash ? append_escape(scratch, backslash + 1, end) : end;
    }
    *out = scratch->len ? scratch->data : "";
    *len = scratch->len;
    return !scratch->failed;
}

bool chunk_text_is(const struct chunk_text *text, const char *ascii)
{
    return text->at && text->len == strlen(ascii) && memcmp(text->at, ascii, text->len) == 0;
}

/* ---- containers ---- */

static void enter(struct reader *reader)
{
    if (reader->depth == CHUNK_MAX_DEPTH) {
        fail(reader, "nested too deep");
        return;
    }
    reader->depth++;
    reader->at++;
}

/* Goes to the next child, past the comma before it. false: the container ended (and is left), or a failure. */
static bool next_child(struct reader *reader, char closer, bool *first)
{
    char c;

    if (*first) enter(reader);
    c = peek(reader);
    if (c == closer && !reader->problem) {
        reader->at++;
        reader->depth--;
        return false;
    }
    if (!*first) {
        if (c != ',') {
            unexpected(reader);
            return false;
        }
        reader->at++;
        peek(reader);
    }
    *first = false;
    return !reader->problem;
}

/* A key that is spelled with escapes is compared in its decoded form. */
static void decode_key(struct reader *reader, struct chunk_text *key)
{
    struct buf room = {.data = reader->key, .cap = sizeof reader->key, .max = sizeof reader->key};

    if (!chunk_text_decode(key, &room, &key->at, &key->len)) key->len = 0;
    key->escaped = false;
}

/* For `bool first = true; while (next_member(…))`, at an object's brace; leaves the reader at the member's value. */
static bool next_member(struct reader *reader, bool *first, struct chunk_text *key)
{
    if (!next_child(reader, '}', first)) return false;
    if (reader->at == reader->end || *reader->at != '"') {
        unexpected(reader);
        return false;
    }
    reader->key_at = reader->at;
    read_string(reader, key);
    if (key->escaped && !reader->problem) decode_key(reader, key);
    if (peek(reader) != ':') {
        unexpected(reader);
        return false;
    }
    reader->at++;
    return true;
}

static bool next_item(struct reader *reader, bool *first)
{
    return next_child(reader, ']', first);
}

#define KEY_IS(key, name) ((key).len == sizeof(name) - 1 && memcmp((key).at, (name), sizeof(name) - 1) == 0)

static void skip_digits(struct reader *reader)
{
    const char *start = reader->at;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') reader->at++;
    if (reader->at == start) fail(reader, "malformed number");
}

/* RFC 8259 §6. */
static void read_number(struct reader *reader, struct chunk_text *out)
{
    const char *start = reader->at, *digits;

    if (*reader->at == '-') reader->at++;
    digits = reader->at;
    skip_digits(reader);
    if (!reader->problem && *digits == '0' && reader->at - digits > 1) fail(reader, "malformed number");
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        skip_digits(reader);
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) reader->at++;
        skip_digits(reader);
    }
    *out = (struct chunk_text){.at = start, .len = (size_t)(reader->at - start), .ascii = true};
}

static void skip_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        unexpected(reader);
    else
        reader->at += len;
}

static void skip_value(struct reader *reader)
{
    struct chunk_text ignored;
    bool first = true;

    switch (peek(reader)) {
    case '"': read_string(reader, &ignored); break;
    case '{': /* recursion is bounded by CHUNK_MAX_DEPTH */
        while (next_member(reader, &first, &ignored)) skip_value(reader);
        break;
    case '[':
        while (next_item(reader, &first)) skip_value(reader);
        break;
    case 't': skip_word(reader, "true"); break;
    case 'f': skip_word(reader, "false"); break;
    case 'n': skip_word(reader, "null"); break;
    case 'N': /* Python's json writes these three */
        reader->unsound = true;
        skip_word(reader, "NaN");
        break;
    case 'I':
        reader->unsound = true;
        skip_word(reader, "Infinity");
        break;
    case '-':
        if (reader->end - reader->at > 1 && reader->at[1] == 'I') {
            reader->unsound = true;
            skip_word(reader, "-Infinity");
            break;
        }
        __attribute__((fallthrough));
    case '0' ... '9': read_number(reader, &ignored); break;
    default: unexpected(reader);
    }
}

/* As skip_value; also adds the bytes of its strings. */
static void skip_counted(struct reader *reader, size_t *bytes)
{
    struct chunk_text text;
    bool first = true;

    switch (peek(reader)) {
    case '"':
        read_string(reader, &text);
        *bytes += text.len;
        break;
    case '{':
        while (next_member(reader, &first, &text)) skip_counted(reader, bytes);
        break;
    case '[':
        while (next_item(reader, &first)) skip_counted(reader, bytes);
        break;
    default: skip_value(reader);
    }
}

/* ---- values that count ---- */

/* A string; anything else counts as none. */
static void read_text(struct reader *reader, struct chunk_text *out)
{
    *out = (struct chunk_text){0};
    if (peek(reader) == '"')
        read_string(reader, out);
    else
        skip_value(reader);
}

/* A string, or the digits of a number. */
static void read_code(struct reader *reader, struct chunk_text *out)
{
    char c = peek(reader);

    *out = (struct chunk_text){0};
    if (c == '"')
        read_string(reader, out);
    else if (c >= '0' && c <= '9')
        read_number(reader, out);
    else
        skip_value(reader);
}

/* Whole numbers 0 to CHUNK_MAX_TOKENS in any spelling (43, 43.0, 4.3e1); anything else leaves *out as it is. */
static void read_count(struct reader *reader, int64_t *out)
{
    struct chunk_text digits;
    char text[NUMBER_MAX_CHARS + 1];
    int64_t whole = 0;
    double number;
    char c = peek(reader);
    size_t i;

    if (c < '0' || c > '9') {
        skip_value(reader);
        return;
    }
    read_number(reader, &digits);
    if (reader->problem) return;
    for (i = 0; i < digits.len && i < 9 && digits.at[i] >= '0' && digits.at[i] <= '9'; i++)
        whole = whole * 10 + (digits.at[i] - '0');
    if (i == digits.len) {
        *out = whole;
        return;
    }
    if (digits.len > NUMBER_MAX_CHARS) return;
    memcpy(text, digits.at, digits.len);
    text[digits.len] = '\0';
    number = strtod(text, NULL);
    if (number <= CHUNK_MAX_TOKENS && floor(number) == number) *out = (int64_t)number;
}

static void read_prompt_details(struct reader *reader, struct token_usage *usage)
{
    struct chunk_text key;
    bool first = true;

    if (peek(reader) != '{') {
        skip_value(reader);
        return;
    }
    while (next_member(reader, &first, &key)) {
        if (KEY_IS(key, "cached_tokens"))
            read_count(reader, &usage->cached_tokens);
        else
            skip_value(reader);
    }
}

static void read_usage(struct reader *reader, struct token_usage *usage)
{
    struct chunk_text key;
    bool first = true;

    if (peek(reader) != '{') {
        skip_value(reader);
        return;
    }
    while (next_member(reader, &first, &key)) {
        if (KEY_IS(key, "prompt_tokens"))
            read_count(reader, &usage->prompt_tokens);
        else if (KEY_IS(key, "completion_tokens"))
            read_count(reader, &usage->completion_tokens);
        else if (KEY_IS(key, "total_tokens"))
            read_count(reader, &usage->total_tokens);
        else if (KEY_IS(key, "prompt_tokens_details"))
            read_prompt_details(reader, usage);
        else
            skip_value(reader);
    }
}

static void read_error(struct reader *reader, struct chunk_error *error)
{
    struct chunk_text key;
    bool first = true;
    char c = peek(reader);

    *error = (struct chunk_error){0};
    if (c == '{') {
        error->present = true;
        while (next_member(reader, &first, &key)) {
            if (KEY_IS(key, "code"))
                read_code(reader, &error->code);
            else if (KEY_IS(key, "type"))
                read_text(reader, &error->type);
            else if (KEY_IS(key, "message"))
                read_text(reader, &error->message);
            else if (KEY_IS(key, "param"))
                read_text(reader, &error->param);
            else
                skip_value(reader);
        }
    } else if (c == '"') {
        read_text(reader, &error->message);
        error->present = error->message.len > 0;
    } else {
        error->present = c != 'n' && c != 'f';
        skip_value(reader);
    }
}

static void read_content(struct reader *reader, struct chunk *chunk)
{
    chunk->content_parts = (struct chunk_text){0};
    if (peek(reader) == '[') {
        const char *start = reader->at;

        chunk->content = (struct chunk_text){0};
        skip_value(reader);
        if (!reader->problem)
            chunk->content_parts = (struct chunk_text){.at = start, .len = (size_t)(reader->at - start)};
    } else {
        read_text(reader, &chunk->content);
    }
}

static void read_delta(struct reader *reader, struct chunk *chunk)
{
    struct chunk_text key;
    bool first = true;

    chunk->content = chunk->content_parts = chunk->reasoning = chunk->reasoning_content = chunk->channel =
        (struct chunk_text){0};
    if (peek(reader) != '{') {
        skip_value(reader);
        return;
    }
    while (next_member(reader, &first, &key)) {
        if (KEY_IS(key, "content"))
            read_content(reader, chunk);
        else if (KEY_IS(key, "reasoning"))
            read_text(reader, &chunk->reasoning);
        else if (KEY_IS(key, "reasoning_content"))
            read_text(reader, &chunk->reasoning_content);
        else if (KEY_IS(key, "channel"))
            read_text(reader, &chunk->channel);
        else if (KEY_IS(key, "role"))
            skip_value(reader);
        else
            skip_counted(reader, &chunk->other_bytes);
    }
}

/* Called at a choice's brace. Returns its index; -1: it has none. */
static int64_t read_choice(struct reader *reader, struct chunk *chunk)
{
    struct chunk_text key;
    int64_t index = -1;
    bool first = true;

    while (next_member(reader, &first, &key)) {
        if (KEY_IS(key, "delta"))
            read_delta(reader, chunk);
        else if (KEY_IS(key, "message")) /* of a whole answer */
            skip_counted(reader, &chunk->other_bytes);
        else if (KEY_IS(key, "finish_reason"))
            read_text(reader, &chunk->finish_reason);
        else if (KEY_IS(key, "error"))
            read_error(reader, &chunk->error);
        else if (KEY_IS(key, "index"))
            read_count(reader, &index);
        else
            skip_value(reader);
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
static void read_choices(struct reader *reader, struct chunk *chunk)
{
    bool first = true;

    if (chunk->has_choice) clear_choice(chunk); /* the key a second time */
    if (peek(reader) != '[') {
        skip_value(reader);
        return;
    }
    for (int64_t place = 0; next_item(reader, &first); place++) {
        struct chunk found = {0};
        int64_t index;

        if (peek(reader) != '{') {
            skip_value(reader);
            continue;
        }
        chunk->choice_count++;
        if (chunk->has_choice) {
            read_choice(reader, &found);
            clear_choice(&found);
            chunk->other_bytes += found.other_bytes;
            continue;
        }
        index = read_choice(reader, chunk);
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
static struct chunk_span member_of(const char *json, const char *key, struct reader *reader)
{
    const char *before = key - 1;

    while (before > json && strchr(" \n\r\t", *before)) before--;
    if (*before == ',') return span_of(before, reader->at);
    const char *behind = reader->at;
    if (peek(reader) != ',') return span_of(key, behind);
    return span_of(key, reader->at + 1);
}

/* `created` is often a float; strict clients take only integers. */
static void read_created(struct reader *reader, struct chunk_span *created)
{
    struct chunk_text digits;
    char c = peek(reader);

    if (c != '-' && (c < '0' || c > '9')) {
        skip_value(reader);
        return;
    }
    const char *at = reader->at;
    skip_value(reader);
    digits = (struct chunk_text){.at = at, .len = (size_t)(reader->at - at)};
    if (memchr(digits.at, '.', digits.len) || memchr(digits.at, 'e', digits.len) || memchr(digits.at, 'E', digits.len))
        *created = span_of(at, reader->at);
}

const char *chunk_read(const char *json, size_t len, struct chunk *out)
{
    struct reader reader = {.at = json, .end = json + len};
    struct chunk_error error = {0}; /* of the chunk; out->error is the choice's until the end */
    struct chunk_error whole = {0}; /* {"object":"error","code":…}: the chunk is the error */
    struct chunk_text key;
    bool first = true;

    *out = (struct chunk){.usage = USAGE_UNKNOWN};
    if (peek(&reader) != '{') {
        skip_value(&reader);
        if (!reader.problem) fail(&reader, "no object");
        return reader.problem;
    }
    while (next_member(&reader, &first, &key)) {
        const char *at = reader.key_at;
        if (KEY_IS(key, "choices")) {
            reader.unsound = reader.unsound || out->choices.at;
            peek(&reader);
            const char *value = reader.at;
            read_choices(&reader, out);
            out->choices = span_of(value, reader.at);
        } else if (KEY_IS(key, "usage")) {
            reader.unsound = reader.unsound || out->usage_member.at;
            read_usage(&reader, &out->usage);
            if (!reader.problem) out->usage_member = member_of(json, at, &reader);
        } else if (KEY_IS(key, "created")) {
            reader.unsound = reader.unsound || out->created.at;
            read_created(&reader, &out->created);
        } else if (KEY_IS(key, "error")) {
            read_error(&reader, &error);
        } else if (KEY_IS(key, "object")) {
            struct chunk_text object;

            read_text(&reader, &object);
            whole.present = chunk_text_is(&object, "error");
        } else if (KEY_IS(key, "code")) {
            read_code(&reader, &whole.code);
        } else if (KEY_IS(key, "type")) {
            read_text(&reader, &whole.type);
        } else if (KEY_IS(key, "message")) {
            read_text(&reader, &whole.message);
        } else {
            skip_value(&reader);
        }
    }
    if (error.present) out->error = error;
    if (whole.present && !out->error.present) out->error = whole;
    if (!reader.problem && peek(&reader)) fail(&reader, "text after the value");
    if (!reader.problem && reader.at < reader.end) fail(&reader, "text after the value"); /* a NUL */
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
static int append_integer(const struct chunk_span *number, char out[NUMBER_MAX_CHARS + 1])
{
    char text[NUMBER_MAX_CHARS + 1];
    double seconds = 0;

    if (number->len <= NUMBER_MAX_CHARS) {
        memcpy(text, number->at, number->len);
        text[number->len] = '\0';
        seconds = floor(strtod(text, NULL));
    }
    if (!(seconds >= 0 && seconds <= 9007199254740992.0)) seconds = 0;
    return snprintf(out, NUMBER_MAX_CHARS + 1, "%.0f", seconds);
}

/* Writes JSON from *at up to the span, leaves the span out, and moves *at behind it. */
static void append_before(const char **at, const struct chunk_span *span, struct buf *out)
{
    buf_append(out, *at, (size_t)(span->at - *at));
    *at = span->at + span->len;
}

static void append_created(const char **at, const struct chunk_span *created, struct buf *out)
{
    char integer[NUMBER_MAX_CHARS + 1];
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
    char integer[NUMBER_MAX_CHARS + 1];

    if (!created->at) return true;
    size_t at = (size_t)(created->at - json->data), behind = at + created->len;
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
    struct reader reader = {.at = json + head - 1, .end = json + len};
    struct chunk_text content;
    read_string(&reader, &content);
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
    struct reader reader = {.at = chunk->content_parts.at, .end = chunk->content_parts.at + chunk->content_parts.len};
    bool first = true;

    if (!chunk->content_parts.at) return;
    while (next_item(&reader, &first)) {
        struct chunk_text text = {0}, type = {0}, key;
        bool first_member = true;
        char c = peek(&reader);

        if (c == '"') {
            read_text(&reader, &text);
        } else if (c == '{') {
            while (next_member(&reader, &first_member, &key)) {
                if (KEY_IS(key, "text"))
                    read_text(&reader, &text);
                else if (KEY_IS(key, "type"))
                    read_text(&reader, &type);
                else
                    skip_value(&reader);
            }
        } else {
            skip_value(&reader);
        }
        if (text.at && !on_part(context, &text, chunk_text_is(&type, "thinking") || chunk_text_is(&type, "reasoning")))
            return;
    }
}
