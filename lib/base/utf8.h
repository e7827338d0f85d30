/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure, any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

bool utf8_valid(const char *text, size_t len);
/* Counts the code points of valid text (each byte that is no continuation byte counts one). */
size_t utf8_count(const char *text, size_t len);
/* Returns the bytes of the first `count` code points of valid text; all of it if there are fewer. */
size_t utf8_prefix(const char *text, size_t len, size_t count);
/* Decodes one code point. Returns its bytes; 0: text is empty or malformed there. */
size_t utf8_decode(const char *text, size_t len, uint32_t *code_point);
/* Returns the longest prefix that doesn't end within a character; for text that arrives in pieces. */
size_t utf8_complete_prefix(const char *text, size_t len);
/* Returns whether it is white space in Unicode (White_Space property). */
bool utf8_is_space(uint32_t code_point);
/* Appends text, with U+FFFD for each malformed sequence and each NUL. false: it would exceed out's max. */
bool utf8_append_sanitized(struct buf *out, const char *text, size_t len);

#endif
