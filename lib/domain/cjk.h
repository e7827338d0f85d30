/* The characters that are written without spaces between words, so that each counts as about a word: Han, kana, hangul
 * and the forms that go with them. Pure, any thread. */
#ifndef DOMAIN_CJK_H
#define DOMAIN_CJK_H

#include <stdbool.h>
#include <stdint.h>

bool cjk_is(uint32_t code_point);

#endif
