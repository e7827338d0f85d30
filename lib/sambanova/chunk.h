/*
 * Reads one chunk of a stream (or an error body) in a single pass over its JSON: no tree, no allocation, only the
 * fields that count. It takes and refuses what base/json.h does. A provider's slip must not cost the reader an answer,
 * so it also takes:
 *
 *   bad UTF-8, NUL and lone surrogates in strings   each becomes U+FFFD when the text is decoded
 *   control characters in strings                   are kept
 *   a key twice                                     the last counts
 *   numbers out of range, NaN, Infinity             are ignored
 *
 * A test compares it with json_parse on everything that json_parse takes.
 *
 * A completion's client gets the chunk itself: chunk_sound decides whether it may, and chunk_pass writes it.
 */
#ifndef SAMBANOVA_CHUNK_H
#define SAMBANOVA_CHUNK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json_reader.h"
#include "domain/message.h"

enum { CHUNK_MAX_TOKENS = 1000000000 };

struct chunk_error {
    bool present;          /* something other than null, false or "" */
    struct json_text code; /* of a number: its digits */
    struct json_text type;
    struct json_text message;
    struct json_text param;
};

/* A part of the chunk's JSON, unchanged; at is NULL where there was none. */
struct chunk_span {
    const char *at;
    size_t len;
};

struct chunk {
    struct chunk_error error;
    struct token_usage usage;       /* -1 = not told; numbers that can't be are left out */
    struct chunk_span usage_member; /* name and value, and the comma that goes with them */
    struct chunk_span choices;      /* the value; not set for a chunk like the one before */
    struct chunk_span created;      /* the value, if it is a number that isn't written as an integer */
    bool unsound;   /* has something that JSON doesn't allow: NaN, a control character in a string, a field twice */
    bool non_ascii; /* bytes that must be UTF-8 */
    unsigned choice_count; /* objects among the choices */
    size_t other_bytes;    /* of text that isn't among the fields below: other choices, calls of tools */
    bool has_choice;       /* the one with index 0; of others only the length is read */
    struct json_text content;
    struct json_text content_parts; /* content given as an array: its raw JSON, for chunk_each_part */
    struct json_text reasoning;
    struct json_text reasoning_content;
    struct json_text channel;
    struct json_text finish_reason;
};

/* Reads a chunk into *out. Returns NULL; or a static phrase for what is wrong, with *out as far as it was read. */
const char *chunk_read(const char *json, size_t len, struct chunk *out);

/*
 * The chunks of a stream differ in their content alone, as a rule:
 *
 *   {"choices":[{"delta":{"content":"Tesla","role":"assistant"},…}],"created":…,"id":"…",…}
 *   └──────────── head ───────────┘└ text ┘└─────────────────── tail ───────────────────┘
 *
 * If head and tail are, byte for byte, those of the chunk before, only the string between them has to be read.
 */
struct chunk_form {
    struct buf json; /* of a chunk that had content and nothing else that counts */
    size_t head_len, tail_len;
    struct chunk chunk; /* what is the same in all of them; its spans are within json */
};

void chunk_form_init(struct chunk_form *form);
void chunk_form_fini(struct chunk_form *form);
/* As chunk_read, with the same result; faster for a chunk like the one before. */
const char *chunk_read_like(struct chunk_form *form, const char *json, size_t len, struct chunk *out);

/* Returns whether the chunk is strictly JSON in UTF-8. */
bool chunk_sound(const struct chunk *chunk, const char *json, size_t len);
/* Writes the chunk as one of a stream without usage, with `created` as an integer, and otherwise unchanged. */
void chunk_pass(const struct chunk *chunk, const char *json, size_t len, struct buf *out);
/* Writes the chunk without its choices, with its usage if it has any: the last one of a stream with usage. */
void chunk_pass_usage(const struct chunk *chunk, const char *json, size_t len, struct buf *out);
/* Writes `created` of a whole answer as an integer, in place. false: no memory. */
bool chunk_mend_created(const struct chunk *chunk, struct buf *json) MUST_CHECK;

/* Calls on_part for each text part, in order. thinking: it is of type "thinking" or "reasoning". on_part returns false
 * to stop. */
typedef bool chunk_part_fn(void *context, const struct json_text *text, bool thinking);
void chunk_each_part(const struct chunk *chunk, chunk_part_fn *on_part, void *context);

#endif
