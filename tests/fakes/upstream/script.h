/*
 * What the answer says, piece by piece.
 *
 * Either generated text, of which a client can compute every byte (README.md, "Generated
 * text"), or a text that is cut into pieces the size of tokens. The same input gives the same
 * pieces, time stamps apart.
 */
#ifndef UPSTREAM_SCRIPT_H
#define UPSTREAM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define SCRIPT_STAMP_SIZE 18 /* '@', 16 digits, '@' */

struct script {
    char *text; /* owned; NULL: generated */
    size_t text_len;
    size_t text_pos;
    bool whole;  /* the text in one piece */
    char prefix; /* generated: first byte of each piece, 0 for none */
    bool stamps;
    bool utf8;
    size_t size;
    long limit; /* pieces at most; -1: no bound */
    long index; /* pieces given */
};

void script_fini(struct script *self);

/* Takes the text over. */
void script_open_text(struct script *self, char *text);
void script_open_generated(struct script *self, long chunks, size_t size);

/* Puts the next piece into out, which is emptied first. False: there is none. */
bool script_next(struct script *self, struct buf *out);

/* Texts for script_open_text, to be freed by the caller. */
char *script_friendly_answer(const char *question, int turn, const char *model);
char *script_friendly_reasoning(const char *question);
char *script_title(const char *question);

#endif
