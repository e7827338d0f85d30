/*
 * Any bytes as JSON. What the gate lets through another reader takes too, and the other way round but for our own two
 * bounds (nesting, length of a number). It keeps json.h's promises about strings, keys and numbers, and written and
 * read again it is the same.
 */
#include <math.h>

#include "base/json.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "fuzz/json_oracle.h"

static void must_be_text(const char *text, size_t len)
{
    must(text != NULL && utf8_valid(text, len) && !memchr(text, 0, len));
}

/* Containers by hand, as documents may be deeper than a writer. */
static void write_value(struct buf *out, const struct json *value, int depth)
{
    struct json_writer scalar;
    double number;
    int64_t integer;
    bool yes;
    size_t len;
    const char *text = json_string(value, &len);
    enum json_type type = json_type(value);

    must(depth <= JSON_MAX_DEPTH);
    must((text != NULL) == (type == JSON_STRING));
    json_writer_init(&scalar, out);
    if (type == JSON_STRING) {
        must_be_text(text, len);
        json_put_string_len(&scalar, text, len);
    } else if (type == JSON_NUMBER) {
        if (json_number(value, &number)) {
            must(isfinite(number));
            if (json_integer(value, &integer)) must((double)integer == number);
            json_put_double(&scalar, number);
        } else {
            must(!json_integer(value, &integer));
            buf_append_str(out, "1e999"); /* as no double holds it */
        }
    } else if (type == JSON_BOOL) {
        must(json_bool(value, &yes));
        json_put_bool(&scalar, yes);
    } else if (type == JSON_NULL) {
        json_put_null(&scalar);
    } else {
        buf_append_char(out, type == JSON_OBJECT ? '{' : '[');
        for (const struct json *child = json_first(value); child; child = json_next(child)) {
            if (child != json_first(value)) buf_append_char(out, ',');
            if (type == JSON_OBJECT) {
                must_be_text(json_key(child), strlen(json_key(child)));
                must(json_get(value, json_key(child)) == child); /* so no other has this key */
                buf_append_char(out, '"');
                json_append_escaped(out, json_key(child), strlen(json_key(child)));
                buf_append_str(out, "\":");
            }
            write_value(out, child, depth + 1);
        }
        buf_append_char(out, type == JSON_OBJECT ? '}' : ']');
    }
}

static bool same(const struct json *a, const struct json *b)
{
    double left, right;
    bool yes, too;
    if (json_type(a) != json_type(b)) return false;
    if (json_type(a) == JSON_STRING) return strcmp(json_string(a, NULL), json_string(b, NULL)) == 0;
    if (json_type(a) == JSON_NUMBER && !json_number(a, &left)) return !json_number(b, &right);
    if (json_type(a) == JSON_NUMBER) return json_number(b, &right) && left == right;
    if (json_type(a) == JSON_BOOL) return json_bool(a, &yes) && json_bool(b, &too) && yes == too;
    a = json_first(a);
    b = json_first(b);
    for (; a && b; a = json_next(a), b = json_next(b)) {
        if (json_key(a) && strcmp(json_key(a), json_key(b)) != 0) return false;
        if (!same(a, b)) return false;
    }
    return !a && !b;
}

static void must_round_trip(const struct json_doc *doc)
{
    struct buf first, second;
    struct json_doc *again;
    const char *reason;

    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    write_value(&first, json_root(doc), 0);
    must(!first.failed);
    must(json_parse(first.data, first.len, &again, &reason) == CHAT_OK);
    must(same(json_root(doc), json_root(again)));
    write_value(&second, json_root(again), 0);
    must(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    json_free(again);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = fuzz_copy(data, len);
    struct json_doc *doc = NULL;
    const char *reason = NULL;
    enum chat_error error = json_parse(text, len, &doc, &reason);
    /* jansson loses a NUL behind a number; RFC 8259 has it nowhere */
    enum oracle others = memchr(text, 0, len) ? ORACLE_NO_JSON : json_oracle(text, len);

    if (error == CHAT_OK) {
        must(others != ORACLE_NO_JSON && utf8_valid(text, len));
        must_round_trip(doc);
        json_free(doc);
    } else {
        must(error == CHAT_ERR_INVALID_JSON && reason && *reason);
        must(others != ORACLE_JSON || strcmp(reason, "nested too deep") == 0);
    }
    free(text);
    return 0;
}
