#include "domain/cjk.h"

#include <stddef.h>

bool cjk_is(uint32_t code_point)
{
    /* Unicode blocks, ascending */
    static const struct {
        uint32_t first, last;
    } blocks[] = {
        {0x1100, 0x11ff},   /* hangul jamo */
        {0x2e80, 0x2fdf},   /* radicals */
        {0x3001, 0x9fff},   /* punctuation, kana, bopomofo, hangul jamo, Han; not the ideographic space */
        {0xa000, 0xa4cf},   /* Yi */
        {0xa960, 0xa97f},   /* hangul jamo extended A */
        {0xac00, 0xd7ff},   /* hangul syllables */
        {0xf900, 0xfaff},   /* compatibility ideographs */
        {0xff01, 0xffef},   /* full and half width forms */
        {0x1b000, 0x1b16f}, /* kana supplements */
        {0x20000, 0x3ffff}, /* Han extensions */
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        if (code_point <= blocks[i].last) return code_point >= blocks[i].first;
    }
    return false;
}
