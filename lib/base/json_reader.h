/*
 * Reads JSON (RFC 8259) from its raw text, value by value. It builds no tree and allocates nothing. All JSON that comes
 * in is read by it: request bodies through base/json.h, the provider's chunks through sambanova/chunk.h.
 *
 *   struct json_text key;
 *   bool first = true;
 *   if (json_reader_peek(&reader) == '{')
 *       while (json_reader_member(&reader, &first, &key))
 *           if (JSON_TEXT_IS(key, "content")) …; else json_reader_skip(&reader);
 *
 * A strict reader (request bodies) fails on all that RFC 8259 or I-JSON (RFC 7493) doesn't allow within a value, and on
 * more than JSON_MAX_VALUES values. A lenient one (chunks; bodies that a strict one has
 * read before) reads on at a few mistakes of writers:
 *
 *   raw control characters in strings, NaN, Infinity   are read, and noted in `unsound`
 *   escapes of NUL and of lone surrogates              become U+FFFD when json_text_decode is called
 *
 * Neither reader checks UTF-8 or finds keys that come twice: base/json.h does.
 *
 * After a failure the reader is at its end: every later call finds nothing, and the first problem is kept. A reader is
 * used by one thread; the functions keep no state of their own.
 */
#ifndef BASE_JSON_READER_H
#define BASE_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

enum {
    JSON_MAX_DEPTH = 32,
    JSON_MAX_VALUES = 200000,   /* of a document for a strict reader: each takes some 100 bytes in a tree */
    JSON_NUMBER_MAX_CHARS = 63, /* of a number that is read as it is; longer ones are noted */
    JSON_KEY_ROOM = 24,         /* for a key that is spelled with escapes; one that decodes to more is read as "" */
};

/* The raw inside of a JSON string, borrowed from the text that is read. */
struct json_text {
    const char *at; /* NULL: there was none */
    size_t len;
    bool escaped; /* holds a backslash */
    bool ascii;   /* printable ASCII throughout */
};

/* The caller may read all members. json_reader_init sets them, and the functions below change them. */
struct json_reader {
    const char *at; /* what is read next; == end after a failure */
    const char *end;
    unsigned depth;
    const char *problem; /* NULL so far; static, for people: "unexpected end" … */
    const char *key_at;  /* the opening quote of the newest key */
    bool strict;
    bool unsound;            /* what was read has something that JSON doesn't allow; a strict reader fails instead */
    bool non_ascii;          /* a string has bytes over 127: the caller has to check them as UTF-8 */
    bool long_number;        /* a number has more than JSON_NUMBER_MAX_CHARS */
    size_t values;           /* that json_reader_skip has taken; counted by a strict reader alone */
    char key[JSON_KEY_ROOM]; /* the newest key, if it was spelled with escapes */
};

/* Takes a text, which is borrowed as long as the reader is used. */
static inline void json_reader_init(struct json_reader *reader, const char *text, size_t len, bool strict)
{
    *reader = (struct json_reader){.at = text, .end = text + len, .strict = strict};
}

/* Takes a static phrase. The reader is at its end from now on; an earlier problem stays. */
void json_reader_fail(struct json_reader *reader, const char *problem);

/* Goes past white space. Returns the next character, without taking it; 0 at the end, and at a NUL. */
static inline char json_reader_peek(struct json_reader *reader)
{
    while (reader->at < reader->end) {
        char c = *reader->at;

        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        reader->at++;
    }
    return '\0';
}

/* Takes the string whose opening quote is next. */
void json_reader_string(struct json_reader *reader, struct json_text *out);
/* Takes the number whose first character is next: "-" or a digit. */
void json_reader_number(struct json_reader *reader, struct json_text *out);
/* Takes a value of any kind. */
void json_reader_skip(struct json_reader *reader);
/* For `bool first = true; while (json_reader_member(…))`, at an object's brace. Goes to the next member and takes its
 * name; its value is next then, and has to be taken before the next call. A name with escapes is decoded, into
 * reader->key: it lasts until the next name is taken, be it one within the value. false: the object is over and taken,
 * or a failure. */
bool json_reader_member(struct json_reader *reader, bool *first, struct json_text *key);
/* The same for an array, at its bracket; its item is next. */
bool json_reader_item(struct json_reader *reader, bool *first);
/* Fails where anything but white space is left. Returns the problem, if there is one now or was one before; NULL. */
const char *json_reader_end(struct json_reader *reader);

/* Sets *out to the decoded text, valid UTF-8 without NUL: what can't be in it becomes U+FFFD. It is within the text
 * that was read if nothing had to be changed, otherwise in scratch. false: it would exceed scratch's max, or no memory.
 */
bool json_text_decode(const struct json_text *text, struct buf *scratch, const char **out, size_t *len) MUST_CHECK;
/* Compares the raw text, without decoding it. false too where there is none. */
bool json_text_is(const struct json_text *text, const char *ascii);
/* The same for a key, with a literal. */
#define JSON_TEXT_IS(text, name) ((text).len == sizeof(name) - 1 && memcmp((text).at, (name), sizeof(name) - 1) == 0)

/* Returns the value of the four hex digits at `at`; -1: there aren't four. */
int json_hex4(const char *at, const char *end);

#endif
