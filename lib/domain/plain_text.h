/* Turns a Markdown text into one without markup, for titles, where nothing draws it. */
#ifndef DOMAIN_PLAIN_TEXT_H
#define DOMAIN_PLAIN_TEXT_H

#include <stddef.h>

#include "base/arena.h"

enum { PLAIN_TEXT_MAX = 1024 /* bytes of the result; the rest is not read */ };

/*
 * Emphasis, code marks, headings, quotes, bullets and rules lose their signs, links and images their addresses; blocks
 * of code are left out if there is other text. Signs that may be meant literally (2 * 3, snake_case, a#b, formulas)
 * stay. A run of white space becomes one character. A text of markup alone is returned unchanged. It takes linear time,
 * and stops once the result is full. Returns *out_len bytes in the arena, not terminated, in whole characters if the
 * text is.
 */
const char *plain_text(const char *text, size_t len, struct arena *arena, size_t *out_len);

#endif
