/*
 * How an answer is spelled: the events of a streamed answer, with every deviation that a
 * scenario may order, and the JSON of one that isn't streamed.
 *
 * Each wire_… function adds whole events to out.
 */
#ifndef UPSTREAM_WIRE_H
#define UPSTREAM_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "scenario.h"

struct wire_usage {
    long prompt_tokens;
    long completion_tokens;
    long reasoning_tokens;
    double first_token_s;
    double total_s;
};

struct wire {
    const struct scenario *scenario;
    const char *eol;
    char data[8];       /* "data: ", or without the blank */
    char line_break[8]; /* where JSON allows one, with `multidata`; else empty */
    struct buf tail;    /* what follows the choices in every chunk, blank line included */
    struct buf meta;    /* the same members, up to the name of the object */
    char id[40];
};

void wire_open(struct wire *self, const struct scenario *scenario, const char *model, unsigned long number);
void wire_fini(struct wire *self);

/* field: "content" or a name for reasoning. */
void wire_delta(struct wire *self, struct buf *out, const char *field, const char *text, size_t len, bool odd);
void wire_finish(struct wire *self, struct buf *out, const char *reason);
void wire_usage(struct wire *self, struct buf *out, const struct wire_usage *usage);
/* Both in one chunk. */
void wire_finish_with_usage(struct wire *self, struct buf *out, const char *reason, const struct wire_usage *usage);
/* A usage that isn't the last, on a chunk with a choice. */
void wire_early_usage(struct wire *self, struct buf *out);
void wire_done(struct wire *self, struct buf *out);
void wire_comment(struct wire *self, struct buf *out);
void wire_error(struct wire *self, struct buf *out, const char *echo);
void wire_tool_calls(struct wire *self, struct buf *out);
/* The events that mean nothing, or can't be read, as the scenario orders them. */
void wire_oddities(struct wire *self, struct buf *out);

/* The whole answer as one JSON object. reasoning NULL: none. */
void wire_completion(struct wire *self, struct buf *out, const struct buf *content, const struct buf *reasoning,
                     const char *reason, const struct wire_usage *usage);

#endif
