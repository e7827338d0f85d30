/* What a Markdown text says without its markup: for titles, where nothing draws it. */
#ifndef DOMAIN_PLAIN_TEXT_H
#define DOMAIN_PLAIN_TEXT_H

#include <stddef.h>

#include "base/arena.h"

enum { PLAIN_TEXT_MAX = 1024 /* bytes of the result; what follows is not read */ };

/*
 * Emphasis, code marks, headings, quotes, bullets and rules lose their signs, links and images their addresses; blocks
 * of code are left out where there is other text. What could be meant as it stands (2 * 3, snake_case, a#b, formulas)
 * stays. Runs of white space are one character. A text that is nothing but markup is given as it is. Linear in the
 * text, and stops once the result is full. *out_len bytes in the arena, not terminated, whole characters where the text
 * has them.
 */
const char *plain_text(const char *text, size_t len, struct arena *arena, size_t *out_len);

#endif
