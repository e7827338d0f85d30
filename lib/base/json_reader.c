#include "base/json_reader.h"

#include <endian.h>
#include <stdint.h>

#include "base/utf8.h"

void json_reader_fail(struct json_reader *reader, const char *problem)
{
    if (!reader->problem) reader->problem = problem;
    reader->at = reader->end;
}

static void unexpected(struct json_reader *reader)
{
    json_reader_fail(reader, reader->at == reader->end ? "unexpected end" : "unexpected character");
}

/* What JSON doesn't allow. */
static void slip(struct json_reader *reader, const char *problem)
{
    reader->unsound = true;
    if (reader->strict) json_reader_fail(reader, problem);
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

int json_hex4(const char *at, const char *end)
{
    if (end - at < 4) return -1;
    int value = 0;
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

/* What is wrong with \uXXXX at a backslash, where all four digits are there; NULL. *len: of it, or of the pair. */
static const char *check_escape(const char *at, const char *end, size_t *len)
{
    int unit = json_hex4(at + 2, end);
    *len = 6;
    if (unit == 0) return "NUL in a string";
    if (unit < 0xd800 || unit > 0xdfff) return NULL;
    if (unit > 0xdbff || end - at < 12 || at[6] != '\\' || at[7] != 'u') return "lone surrogate in a string";
    int low = json_hex4(at + 8, end);
    *len = 12;
    return low < 0xdc00 || low > 0xdfff ? "lone surrogate in a string" : NULL;
}

/* At a backslash. Returns the place behind the escape; NULL: the reader has failed. */
static const char *take_escape(struct json_reader *reader, const char *at)
{
    const char *end = reader->end;
    size_t len = 6;
    if (end - at > 1 && at[1] == 'u' && json_hex4(at + 2, end) >= 0) {
        if (!reader->strict) return at + 6;
        const char *problem = check_escape(at, end, &len);
        if (!problem) return at + len;
        json_reader_fail(reader, problem);
        return NULL;
    }
    if (end - at > 1 && at[1] && strchr("\"\\/bfnrt", at[1])) return at + 2;
    json_reader_fail(reader, end - at > 1 ? "malformed escape in a string" : "unexpected end");
    return NULL;
}

void json_reader_string(struct json_reader *reader, struct json_text *out)
{
    const char *at = reader->at + 1, *end = reader->end;
    *out = (struct json_text){.at = at, .ascii = true};
    for (;;) {
        for (size_t plain = 8; plain == 8 && end - at >= 8; at += plain) plain = plain_bytes(at);
        if (at == end) {
            json_reader_fail(reader, "unexpected end");
            return;
        }
        unsigned char c = (unsigned char)*at;
        if (c == '"') break;
        if (c == '\\') {
            out->escaped = true;
            at = take_escape(reader, at);
            if (!at) return;
            continue;
        }
        at++;
        if (c >= 0x20 && c < 0x80) continue;
        out->ascii = false;
        reader->non_ascii = true;
        if (c >= 0x20) continue;
        slip(reader, c ? "control character in a string" : "NUL in a string");
        if (reader->problem) return;
    }
    out->len = (size_t)(at - out->at);
    reader->at = at + 1;
}

static bool append_code_point(struct buf *out, uint32_t c)
{
    if (c == 0 || (c >= 0xd800 && c <= 0xdfff)) c = 0xfffd;
    char bytes[4];
    size_t len;
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

/* Takes `at` behind a backslash; returns the place behind the whole escape. json_reader_string has checked the form. */
static const char *append_escape(struct buf *out, const char *at, const char *end)
{
    static const char named[128] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t', ['"'] = '"', ['/'] = '/', ['\\'] = '\\'};
    if (*at != 'u') {
        buf_append_char(out, named[(unsigned char)*at & 0x7f]);
        return at + 1;
    }
    uint32_t unit = (uint32_t)json_hex4(at + 1, end);
    at += 5;
    if (unit >= 0xd800 && unit <= 0xdbff && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = (uint32_t)json_hex4(at + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    append_code_point(out, unit);
    return at;
}

bool json_text_decode(const struct json_text *text, struct buf *scratch, const char **out, size_t *len)
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

bool json_text_is(const struct json_text *text, const char *ascii)
{
    return text->at && text->len == strlen(ascii) && memcmp(text->at, ascii, text->len) == 0;
}

/* ---- containers ---- */

static void enter(struct json_reader *reader)
{
    if (reader->depth == JSON_MAX_DEPTH) {
        json_reader_fail(reader, "nested too deep");
        return;
    }
    reader->depth++;
    reader->at++;
}

/* Goes to the next child, past the comma before it. false: the container ended (and is left), or a failure. */
static bool next_child(struct json_reader *reader, char closer, bool *first)
{
    if (*first) enter(reader);
    char c = json_reader_peek(reader);
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
        json_reader_peek(reader);
    }
    *first = false;
    return !reader->problem;
}

/* A key that is spelled with escapes is compared in its decoded form. */
static void decode_key(struct json_reader *reader, struct json_text *key)
{
    struct buf room = {.data = reader->key, .cap = sizeof reader->key, .max = sizeof reader->key};
    if (!json_text_decode(key, &room, &key->at, &key->len)) key->len = 0;
    key->escaped = false;
}

bool json_reader_member(struct json_reader *reader, bool *first, struct json_text *key)
{
    if (!next_child(reader, '}', first)) return false;
    if (reader->at == reader->end || *reader->at != '"') {
        unexpected(reader);
        return false;
    }
    reader->key_at = reader->at;
    json_reader_string(reader, key);
    if (key->escaped && !reader->problem) decode_key(reader, key);
    if (json_reader_peek(reader) != ':') {
        unexpected(reader);
        return false;
    }
    reader->at++;
    return true;
}

bool json_reader_item(struct json_reader *reader, bool *first)
{
    return next_child(reader, ']', first);
}

/* ---- numbers, words, any value ---- */

static void skip_digits(struct json_reader *reader)
{
    const char *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') reader->at++;
    if (reader->at == start) json_reader_fail(reader, "malformed number");
}

void json_reader_number(struct json_reader *reader, struct json_text *out)
{
    const char *start = reader->at;
    if (*reader->at == '-') reader->at++;
    const char *digits = reader->at;
    skip_digits(reader);
    if (!reader->problem && *digits == '0' && reader->at - digits > 1) json_reader_fail(reader, "malformed number");
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        skip_digits(reader);
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) reader->at++;
        skip_digits(reader);
    }
    *out = (struct json_text){.at = start, .len = (size_t)(reader->at - start), .ascii = true};
    if (out->len > JSON_NUMBER_MAX_CHARS) reader->long_number = true;
}

static void skip_word(struct json_reader *reader, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        unexpected(reader);
    else
        reader->at += len;
}

/* Python's json writes NaN, Infinity and -Infinity. */
static void skip_no_number(struct json_reader *reader, const char *word)
{
    slip(reader, "unexpected character");
    skip_word(reader, word);
}

void json_reader_skip(struct json_reader *reader)
{
    char c = json_reader_peek(reader);
    if (reader->strict && ++reader->values > JSON_MAX_VALUES) json_reader_fail(reader, "too many values");
    struct json_text ignored;
    bool first = true;
    switch (reader->problem ? '\0' : c) {
    case '"': json_reader_string(reader, &ignored); break;
    case '{': /* recursion is bounded by JSON_MAX_DEPTH */
        while (json_reader_member(reader, &first, &ignored)) json_reader_skip(reader);
        break;
    case '[':
        while (json_reader_item(reader, &first)) json_reader_skip(reader);
        break;
    case 't': skip_word(reader, "true"); break;
    case 'f': skip_word(reader, "false"); break;
    case 'n': skip_word(reader, "null"); break;
    case 'N': skip_no_number(reader, "NaN"); break;
    case 'I': skip_no_number(reader, "Infinity"); break;
    case '-':
        if (!reader->strict && reader->end - reader->at > 1 && reader->at[1] == 'I') {
            skip_no_number(reader, "-Infinity");
            break;
        }
        __attribute__((fallthrough));
    case '0' ... '9': json_reader_number(reader, &ignored); break;
    default: unexpected(reader);
    }
}

const char *json_reader_end(struct json_reader *reader)
{
    json_reader_peek(reader);
    if (!reader->problem && reader->at < reader->end) json_reader_fail(reader, "text after the value"); /* a NUL too */
    return reader->problem;
}
