/*
 * The gate in three steps, because cJSON is lenient and its tree no longer shows what was wrong:
 *   1. a strict json_reader goes over the raw text,
 *   2. cJSON makes the tree (nesting is known to be small by then, and so is the stack it takes), of the text or of
 *      what shorten makes of it,
 *   3. check_tree looks for what only decoded values show: keys that are equal, numbers that overflow.
 */
#include "base/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_reader.h"
#include "base/utf8.h"

enum {
    CUT_BYTES = 4096, /* of a string in an outline */
    FEW_KEYS = 12,    /* up to here each key is compared with each; above they are sorted */
};

/* ---- 2. what cJSON is given where the text itself won't do ---- */

/* Behind the string that begins at `at`. */
static const char *string_end(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\') at++;
    return at + 1;
}

/* The next character of a string, or escape; of a pair of surrogates both. */
static const char *next_character(const char *at)
{
    if (*at == '\\') {
        if (at[1] != 'u') return at + 2;
        return at + (json_hex4(at + 2, at + 6) >= 0xd800 && json_hex4(at + 2, at + 6) <= 0xdbff ? 12 : 6);
    }
    at++;
    while (((unsigned char)*at & 0xc0) == 0x80) at++;
    return at;
}

static const char *copy_string(const char *at, const char *end, bool outline, struct buf *out)
{
    const char *behind = string_end(at), *next = behind, *cut = at + 1;
    while (next < end && (*next == ' ' || *next == '\n' || *next == '\r' || *next == '\t')) next++;
    if (!outline || behind - at <= CUT_BYTES || (next < end && *next == ':')) { /* a key stays whole */
        buf_append(out, at, (size_t)(behind - at));
        return behind;
    }
    for (const char *more; (more = next_character(cut)) - at < CUT_BYTES;) cut = more;
    buf_append(out, at, (size_t)(cut - at));
    buf_append_char(out, '"');
    return behind;
}

/* Of a long one the double that is nearest, in short. */
static const char *copy_number(const char *at, const char *end, struct buf *out)
{
    size_t len = 0;
    while (at + len < end && strchr("+-.0123456789eE", at[len])) len++;
    if (len <= JSON_NUMBER_MAX_CHARS) {
        buf_append(out, at, len);
        return at + len;
    }
    char *text = strndup(at, len);
    double number = text ? strtod(text, NULL) : HUGE_VAL;
    free(text);
    if (isfinite(number))
        buf_printf(out, "%.17g", number);
    else
        buf_append_str(out, number < 0 ? "-1e999" : "1e999");
    return at + len;
}

/* What the reader let pass, with long numbers in short and, in an outline, long strings cut. NULL, or what is
 * wrong. */
static const char *shorten(const char *text, size_t len, bool outline, struct buf *out)
{
    const char *end = text + len;
    while (text < end) {
        if (*text == '"')
            text = copy_string(text, end, outline, out);
        else if (*text == '-' || (*text >= '0' && *text <= '9'))
            text = copy_number(text, end, out);
        else
            buf_append_char(out, *text++);
    }
    return out->failed ? "out of memory" : NULL;
}

/* ---- 3. the tree ---- */

static int compare_keys(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* NULL, or what is wrong. */
static const char *check_keys(const cJSON *object)
{
    size_t count = 0, at = 0;
    for (const cJSON *child = object->child; child; child = child->next) count++;
    if (count <= FEW_KEYS) {
        for (const cJSON *child = object->child; child; child = child->next)
            for (const cJSON *other = child->next; other; other = other->next)
                if (strcmp(child->string, other->string) == 0) return "duplicate key";
        return NULL;
    }
    const char **keys = malloc(count * sizeof *keys);
    if (!keys) return "out of memory";
    for (const cJSON *child = object->child; child; child = child->next) keys[at++] = child->string;
    qsort(keys, count, sizeof *keys, compare_keys);
    const char *reason = NULL;
    for (at = 1; at < count && !reason; at++)
        if (strcmp(keys[at - 1], keys[at]) == 0) reason = "duplicate key";
    free(keys);
    return reason;
}

/* Recursion is bounded by JSON_MAX_DEPTH. */
static const char *check_tree(const cJSON *value)
{
    const char *reason = cJSON_IsObject(value) ? check_keys(value) : NULL;
    for (const cJSON *child = value->child; child && !reason; child = child->next) reason = check_tree(child);
    return reason;
}

static enum chat_error make_tree(const char *text, size_t len, struct json_doc **doc, const char **reason)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    if (!root) {
        *reason = "out of memory"; /* the one thing left that can fail */
        return CHAT_ERR_INTERNAL;
    }
    struct json_reader rest;
    json_reader_init(&rest, end, (size_t)(text + len - end), true);
    *reason = json_reader_end(&rest);
    if (!*reason) *reason = check_tree(root);
    if (*reason) {
        cJSON_Delete(root);
        return CHAT_ERR_INVALID_JSON;
    }
    *doc = (struct json_doc *)root; /* a document is its root: one allocation less for each chunk of a stream */
    return CHAT_OK;
}

static enum chat_error parse(const char *text, size_t len, bool outline, struct json_doc **doc, const char **reason)
{
    *doc = NULL;
    *reason = NULL;
    struct json_reader reader;
    json_reader_init(&reader, text, len, true);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        *reason = "byte order mark";
    else if (!utf8_valid(text, len))
        *reason = "not valid UTF-8";
    else {
        json_reader_skip(&reader);
        *reason = json_reader_end(&reader);
    }
    if (*reason) return CHAT_ERR_INVALID_JSON;
    if (!outline && !reader.long_number) return make_tree(text, len, doc, reason);

    struct buf short_text;
    buf_init(&short_text, len + 1); /* each cut leaves less than it takes */
    *reason = shorten(text, len, outline, &short_text);
    enum chat_error error = short_text.failed ? CHAT_ERR_INTERNAL : CHAT_ERR_INVALID_JSON;
    if (!*reason) error = make_tree(short_text.data, short_text.len, doc, reason);
    buf_fini(&short_text);
    return error;
}

enum chat_error json_parse(const char *text, size_t len, struct json_doc **doc, const char **reason)
{
    return parse(text, len, false, doc, reason);
}

enum chat_error json_parse_outline(const char *text, size_t len, struct json_doc **doc, const char **reason)
{
    return parse(text, len, true, doc, reason);
}

void json_free(struct json_doc *doc)
{
    cJSON_Delete((cJSON *)doc);
}

/* ---- reading ---- */

static const cJSON *node(const struct json *value)
{
    return (const cJSON *)value;
}

const struct json *json_root(const struct json_doc *doc)
{
    return (const struct json *)doc;
}

enum json_type json_type(const struct json *value)
{
    switch (value ? node(value)->type & 0xff : cJSON_NULL) {
    case cJSON_True:
    case cJSON_False: return JSON_BOOL;
    case cJSON_Number: return JSON_NUMBER;
    case cJSON_String: return JSON_STRING;
    case cJSON_Array: return JSON_ARRAY;
    case cJSON_Object: return JSON_OBJECT;
    default: return JSON_NULL;
    }
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!cJSON_IsObject(node(object))) return NULL;
    for (const cJSON *child = node(object)->child; child; child = child->next)
        if (strcmp(child->string, key) == 0) return (const struct json *)child;
    return NULL;
}

const char *json_string(const struct json *value, size_t *len)
{
    if (!cJSON_IsString(node(value))) return NULL;
    if (len) *len = strlen(node(value)->valuestring); /* no NUL within: the gate saw to it */
    return node(value)->valuestring;
}

bool json_integer(const struct json *value, int64_t *out)
{
    double number;
    if (!json_number(value, &number) || floor(number) != number || fabs(number) >= 9007199254740992.0) return false;
    *out = (int64_t)number;
    return true;
}

bool json_number(const struct json *value, double *out)
{
    if (!cJSON_IsNumber(node(value)) || !isfinite(node(value)->valuedouble)) return false;
    *out = node(value)->valuedouble;
    return true;
}

bool json_bool(const struct json *value, bool *out)
{
    if (!cJSON_IsBool(node(value))) return false;
    *out = cJSON_IsTrue(node(value));
    return true;
}

const struct json *json_first(const struct json *container)
{
    return container ? (const struct json *)node(container)->child : NULL;
}

const struct json *json_next(const struct json *child)
{
    return child ? (const struct json *)node(child)->next : NULL;
}

const char *json_key(const struct json *child)
{
    return child ? node(child)->string : NULL;
}

/* ---- writing ---- */

void json_writer_init(struct json_writer *writer, struct buf *out)
{
    *writer = (struct json_writer){.out = out};
}

/* The comma that is due before a value or key. */
static void begin_item(struct json_writer *writer)
{
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (writer->has_item[writer->depth]) buf_append_char(writer->out, ',');
    writer->has_item[writer->depth] = true;
}

static void begin_container(struct json_writer *writer, char opener)
{
    assert(writer->depth + 1 < JSON_WRITER_DEPTH);
    begin_item(writer);
    buf_append_char(writer->out, opener);
    writer->has_item[++writer->depth] = false;
}

static void end_container(struct json_writer *writer, char closer)
{
    assert(writer->depth > 0 && !writer->after_key);
    writer->depth--;
    buf_append_char(writer->out, closer);
}

void json_begin_object(struct json_writer *writer)
{
    begin_container(writer, '{');
}

void json_end_object(struct json_writer *writer)
{
    end_container(writer, '}');
}

void json_begin_array(struct json_writer *writer)
{
    begin_container(writer, '[');
}

void json_end_array(struct json_writer *writer)
{
    end_container(writer, ']');
}

static void append_quoted(struct buf *out, const char *text, size_t len)
{
    buf_append_char(out, '"');
    json_append_escaped(out, text, len);
    buf_append_char(out, '"');
}

void json_put_key(struct json_writer *writer, const char *key)
{
    assert(!writer->after_key);
    begin_item(writer);
    append_quoted(writer->out, key, strlen(key));
    buf_append_char(writer->out, ':');
    writer->after_key = true;
}

void json_put_string(struct json_writer *writer, const char *text)
{
    json_put_string_len(writer, text, text ? strlen(text) : 0);
}

void json_put_string_len(struct json_writer *writer, const char *text, size_t len)
{
    if (!text) {
        json_put_null(writer);
        return;
    }
    begin_item(writer);
    append_quoted(writer->out, text, len);
}

void json_put_int(struct json_writer *writer, int64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    begin_item(writer);
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0) digits[--at] = '-';
    buf_append(writer->out, digits + at, sizeof digits - at);
}

/* The shortest of 15 to 17 digits that reads back as the same number. */
void json_put_double(struct json_writer *writer, double number)
{
    if (!isfinite(number)) {
        json_put_null(writer);
        return;
    }
    begin_item(writer);
    char text[32];
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    buf_append(writer->out, text, (size_t)len);
}

void json_put_bool(struct json_writer *writer, bool value)
{
    begin_item(writer);
    buf_append_str(writer->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *writer)
{
    begin_item(writer);
    buf_append(writer->out, "null", 4);
}

void json_put_raw(struct json_writer *writer, const char *json, size_t len)
{
    begin_item(writer);
    buf_append(writer->out, json, len);
}

void json_put_time(struct json_writer *writer, int64_t wall_ms)
{
    if (wall_ms == 0) {
        json_put_null(writer);
        return;
    }
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(wall_ms, text);
    json_put_string_len(writer, text, sizeof text - 1);
}

void json_field_string(struct json_writer *writer, const char *key, const char *text)
{
    json_put_key(writer, key);
    json_put_string(writer, text);
}

void json_field_string_len(struct json_writer *writer, const char *key, const char *text, size_t len)
{
    json_put_key(writer, key);
    json_put_string_len(writer, text, len);
}

void json_field_int(struct json_writer *writer, const char *key, int64_t number)
{
    json_put_key(writer, key);
    json_put_int(writer, number);
}

void json_field_bool(struct json_writer *writer, const char *key, bool value)
{
    json_put_key(writer, key);
    json_put_bool(writer, value);
}

void json_field_null(struct json_writer *writer, const char *key)
{
    json_put_key(writer, key);
    json_put_null(writer);
}

void json_field_time(struct json_writer *writer, const char *key, int64_t wall_ms)
{
    json_put_key(writer, key);
    json_put_time(writer, wall_ms);
}

#define REPEAT(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not zero where a byte of the word is non-ASCII, a control, DEL, a quote or a backslash (or, at times, follows one):
 * such a word is looked at byte by byte. */
static inline uint64_t word_is_special(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quote = word ^ REPEAT('"');
    uint64_t backslash = word ^ REPEAT('\\');
    uint64_t del = word ^ REPEAT(0x7f);
    return (word | (word - REPEAT(0x20)) | (quote - REPEAT(1)) | (backslash - REPEAT(1)) | (del - REPEAT(1))) &
           REPEAT(0x80);
}

/* First byte that needs a look: a control, quote, backslash, DEL, or the start of U+0080-U+00BF or U+2000-U+2FFF. */
static const char *skip_plain(const char *at, const char *end)
{
    for (;;) {
        while (end - at >= 8 && !word_is_special(at)) at += 8;
        for (int i = 0; i < 8; i++, at++) {
            if (at == end) return at;
            unsigned char c = (unsigned char)*at;
            if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f || c == 0xc2 || c == 0xe2) return at;
        }
    }
}

static bool append_code(struct buf *out, unsigned code)
{
    static const char hex[] = "0123456789abcdef";
    const char text[6] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
    return buf_append(out, text, sizeof text);
}

bool json_append_escaped(struct buf *out, const char *text, size_t len)
{
    static const char named[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    const char *end = text + len;
    while (text < end) {
        const char *stop = skip_plain(text, end);
        if (!buf_append(out, text, (size_t)(stop - text))) return false;
        text = stop;
        if (text == end) break;
        unsigned char c = (unsigned char)*text;
        bool fits;
        if (c == '"' || c == '\\' || (c < 0x20 && named[c])) {
            const char pair[2] = {'\\', c < 0x20 ? named[c] : (char)c};
            fits = buf_append(out, pair, 2);
            text++;
        } else if (c < 0x20 || c == 0x7f) {
            fits = append_code(out, c);
            text++;
        } else if (c == 0xc2 && end - text >= 2 && (unsigned char)text[1] < 0xa0) { /* C1: terminals obey these too */
            fits = append_code(out, (unsigned char)text[1]);
            text += 2;
        } else if (end - text >= 3 && (memcmp(text, "\xe2\x80\xa8", 3) == 0 || memcmp(text, "\xe2\x80\xa9", 3) == 0)) {
            fits = append_code(out, 0x2028u + ((unsigned char)text[2] & 1u));
            text += 3;
        } else {
            fits = buf_append(out, text, 1);
            text++;
        }
        if (!fits) return false;
    }
    return true;
}
