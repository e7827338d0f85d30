/*
 * JSON in and out; the only place that knows cJSON.
 *
 * In: every request body passes json_parse, which stands on base/json_reader.h, as what reads the provider's chunks
 * does. It refuses the following, each of which cJSON would accept or silently change: bad UTF-8, raw or escaped NUL,
 * lone surrogates, nesting over 32, too many values, duplicate keys, a BOM, numbers that are not finite, anything after
 * the value. Values are borrowed from the document. Look-ups are case-sensitive.
 *
 * Out: a writer over a buf, which escapes and places commas. No other place composes JSON.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json_reader.h" /* JSON_MAX_DEPTH, JSON_MAX_VALUES */

/* libjwt calls jansson, which has a json_string and a json_integer too. The dynamic linker would give it ours, so these
 * two have other names there. */
#define JSON_LINK_NAME(name) __asm__("chat_" #name)

struct json;     /* a value; borrowed from its document */
struct json_doc; /* owns the values */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Parses a text. Returns CHAT_OK with *doc, for json_free. CHAT_ERR_INVALID_JSON: *reason is a static phrase for people
 * ("duplicate key", …). CHAT_ERR_INTERNAL: no memory. */
enum chat_error json_parse(const char *text, size_t len, struct json_doc **doc, const char **reason) MUST_CHECK;
/* The same for a large document of which little is read: string values are cut after some 4 KB, so that no picture is
 * held twice. Keys are whole. */
enum chat_error json_parse_outline(const char *text, size_t len, struct json_doc **doc, const char **reason) MUST_CHECK;
void json_free(struct json_doc *doc);
const struct json *json_root(const struct json_doc *doc);

enum json_type json_type(const struct json *value);
/* Returns a member. NULL: value is NULL or no object, or has no such key. */
const struct json *json_get(const struct json *object, const char *key);
/* Returns the text; NULL unless it is a string. Sets *len (may be NULL) in bytes. */
const char *json_string(const struct json *value, size_t *len) JSON_LINK_NAME(json_string);
/* Reads a whole number below 2^53 in either direction (beyond that, neighbours read alike). false for anything else. */
bool json_integer(const struct json *value, int64_t *out) JSON_LINK_NAME(json_integer);
bool json_number(const struct json *value, double *out); /* false also for a number that no double holds (1e400) */
bool json_bool(const struct json *value, bool *out);
/* Walk the children of an array or object in order; json_key is the name of an object's child. */
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *child);
const char *json_key(const struct json *child);

/* ---- writing ---- */
enum { JSON_WRITER_DEPTH = 16 };
struct json_writer {
    struct buf *out; /* borrowed; out->failed tells at the end */
    unsigned depth;
    bool has_item[JSON_WRITER_DEPTH]; /* whether a comma is due at this depth */
    bool after_key;
};

void json_writer_init(struct json_writer *writer, struct buf *out);
void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);
void json_put_key(struct json_writer *writer, const char *key);
/* Takes valid UTF-8, and escapes U+2028/2029 and controls; NULL text writes null. */
void json_put_string(struct json_writer *writer, const char *text);
void json_put_string_len(struct json_writer *writer, const char *text, size_t len);
void json_put_int(struct json_writer *writer, int64_t number);
void json_put_double(struct json_writer *writer, double number);
void json_put_bool(struct json_writer *writer, bool value);
void json_put_null(struct json_writer *writer);
/* Copies a value that is JSON already. */
void json_put_raw(struct json_writer *writer, const char *json, size_t len);
/* Writes RFC 3339 UTC with milliseconds; 0 writes null. */
void json_put_time(struct json_writer *writer, int64_t wall_ms);

/* key and value in one */
void json_field_string(struct json_writer *writer, const char *key, const char *text);
void json_field_string_len(struct json_writer *writer, const char *key, const char *text, size_t len);
void json_field_int(struct json_writer *writer, const char *key, int64_t number);
void json_field_bool(struct json_writer *writer, const char *key, bool value);
void json_field_null(struct json_writer *writer, const char *key);
void json_field_time(struct json_writer *writer, const char *key, int64_t wall_ms);

/* Writes the escaped inside of a JSON string, without the quotes. false: it would exceed out's max. */
bool json_append_escaped(struct buf *out, const char *text, size_t len);

#endif
