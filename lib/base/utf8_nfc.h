/*
 * Text in Unicode's Normalization Form C (UAX #15): a letter and its marks become one code point if there is one, and
 * marks have one order. So "é" is the same bytes whether a keyboard, a file name or a PDF wrote it.
 *
 * It is made piece by piece: a piece is a character and the marks, or the Hangul vowel and final, that follow it. The
 * form of a piece depends on nothing outside it. Pure; any thread.
 */
#ifndef BASE_UTF8_NFC_H
#define BASE_UTF8_NFC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The most that a text grows (musical symbols do; most texts shrink). */
enum { UTF8_NFC_GROWTH = 3 };

/* Appends text in NFC. false: use the text itself, as it is in NFC already, or there is no room; `out` is then
 * undefined. Text after a malformed sequence, and a piece of more than 64 code points, are appended unchanged. */
bool utf8_nfc(const char *text, size_t len, struct buf *out);
/* Returns the place in text that byte `at` of its NFC comes from; within a piece that changed, its beginning. */
size_t utf8_nfc_origin(const char *text, size_t len, size_t at);

#endif
