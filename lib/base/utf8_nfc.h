/*
 * Text in Unicode's Normalization Form C (UAX #15): a letter and its marks are one code point where there is one, and
 * marks stand in one order. So "é" is the same bytes whether a keyboard, a file name or a PDF wrote it.
 *
 * It is made piece by piece: a piece is a character and the marks, or the Hangul vowel and final, that follow it. What
 * is made of a piece depends on nothing outside it. Pure; any thread.
 */
#ifndef BASE_UTF8_NFC_H
#define BASE_UTF8_NFC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The most that a text grows (musical symbols do; most texts shrink). */
enum { UTF8_NFC_GROWTH = 3 };

/* Appends text in NFC. false, and `out` says nothing: text stays as it is, being in NFC already, or for want of room.
 * What follows a malformed sequence, and a piece of more than 64 code points, are appended as they are. */
bool utf8_nfc(const char *text, size_t len, struct buf *out);
/* The place in text of what is at byte `at` of its NFC; within a piece that changed, where that piece begins. */
size_t utf8_nfc_origin(const char *text, size_t len, size_t at);

#endif
