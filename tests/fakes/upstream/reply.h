/*
 * One response from its status line to its last byte, step by step.
 *
 * The provider fills it, the server calls reply_next whenever the next step is due and sends
 * what it adds. A reply owns its scenario, scripts and fixed body.
 */
#ifndef UPSTREAM_REPLY_H
#define UPSTREAM_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "body.h"
#include "buf.h"
#include "scenario.h"
#include "script.h"
#include "wire.h"

enum reply_step {
    REPLY_HEADERS,   /* set by reply_init */
    REPLY_FIXED,     /* the body is `fixed` */
    REPLY_OPENING,   /* streamed: byte order mark, oddities */
    REPLY_REASONING, /* one delta a call, until its script ends */
    REPLY_CONTENT,
    REPLY_FINISH,
    REPLY_USAGE,
    REPLY_DONE,
    REPLY_SILENT, /* stalled: nothing, or comments, for ever */
    REPLY_ENDED,
};

enum reply_result {
    REPLY_AGAIN, /* call again after reply_wait_us */
    REPLY_HUSH,  /* never again; the connection stays open */
    REPLY_OVER,  /* complete: keep the connection if keep_alive */
    REPLY_BREAK, /* close the connection once everything is sent */
    REPLY_RESET, /* the same with a reset */
};

struct reply {
    struct scenario scenario;
    int status;
    const char *type; /* Content-Type */
    struct buf extra; /* further header lines, each ending in CR LF */
    bool keep_alive;
    bool streamed;
    bool chat; /* an answer of the model, streamed or not: what the figures count */
    bool include_usage;
    struct buf fixed;
    struct body body;
    struct wire wire;
    struct script reasoning;
    struct script content;
    struct wire_usage usage;
    const char *finish_reason;
    char *echo; /* the newest user message, for error_model_output; owned */
    enum reply_step step;
    int think_step; /* which part of a <think> tag is next */
    bool content_begun;
    long deltas; /* reasoning and content together */
    uint64_t began_us;
    double pace_ms;
};

void reply_init(struct reply *self);
void reply_fini(struct reply *self);

/* Adds the next step to out, wire-ready. */
enum reply_result reply_next(struct reply *self, struct buf *out);

/* How long after the last step the next is due; 0: at once. */
uint64_t reply_wait_us(const struct reply *self);

/* Reads both scripts to their end and makes `fixed` the answer that isn't streamed. */
void reply_collect(struct reply *self);

#endif
