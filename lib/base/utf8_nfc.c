#include "base/utf8_nfc.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* Marks are sorted in a time that grows with the square of their number, and nobody writes so many. */
enum { PIECE_MAX = 64 };

/* Up to here nothing changes, and nothing joins what stands before it. */
enum { FIRST_MARK = 0x300, FIRST_MARK_LEAD = 0xcc };

/* The composed piece, and before that its code points: utf8proc turns the one into the other in place. */
union composed {
    utf8proc_int32_t points[PIECE_MAX + 1];
    char text[(PIECE_MAX + 1) * sizeof(utf8proc_int32_t)];
};

/* Every second part of a composition is a mark, one of Hangul's vowels and finals, or a vowel of Kirat Rai (Unicode
 * 16). */
static bool goes_on(uint32_t c)
{
    if (c < FIRST_MARK) return false;
    if ((c >= 0x1160 && c <= 0x11ff) || c == 0x16d67) return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

/* Bytes of the piece that text begins with; 0 at the end, and where text is malformed. */
static size_t piece_of(const char *text, size_t len, uint32_t *first, size_t *first_bytes)
{
    size_t at = utf8_decode(text, len, first), bytes = at;
    *first_bytes = at;
    uint32_t c;
    while (bytes != 0 && (bytes = utf8_decode(text + at, len - at, &c)) != 0 && goes_on(c)) at += bytes;
    return at;
}

/* A piece of one code point that has no parts: most are. */
static bool is_plain(uint32_t c)
{
    if (c < FIRST_MARK || (c >= 0xac00 && c <= 0xd7a3)) return true; /* a syllable's parts make it again */
    utf8proc_int32_t part;
    return utf8proc_decompose_char((utf8proc_int32_t)c, &part, 1, UTF8PROC_DECOMPOSE, NULL) == 1 &&
           part == (utf8proc_int32_t)c;
}

/* The next piece's bytes in text, and what it becomes: text itself where it stays as it is. */
static size_t compose(const char *text, size_t len, union composed *out, const char **becomes, size_t *becomes_len)
{
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    uint32_t first;
    size_t point, bytes = piece_of(text, len, &first, &point);
    *becomes = text;
    *becomes_len = bytes;
    if (bytes == 0 || (bytes == point && is_plain(first))) return bytes;
    utf8proc_ssize_t points =
        utf8proc_decompose((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, out->points, PIECE_MAX, options);
    if (points <= 0 || points > PIECE_MAX) return bytes;
    utf8proc_ssize_t size = utf8proc_reencode(out->points, points, options);
    if (size <= 0 || ((size_t)size == bytes && memcmp(out->text, text, bytes) == 0)) return bytes;
    *becomes = out->text;
    *becomes_len = (size_t)size;
    return bytes;
}

/* Most texts: one look at each byte says that nothing in them changes. */
static bool has_marks(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= FIRST_MARK_LEAD) return true;
    return false;
}

bool utf8_nfc(const char *text, size_t len, struct buf *out)
{
    if (!has_marks(text, len)) return false;
    union composed piece;
    const char *becomes;
    size_t bytes, becomes_len, kept = 0; /* up to where text has been appended */
    bool changed = false;
    for (size_t at = 0; (bytes = compose(text + at, len - at, &piece, &becomes, &becomes_len)) != 0; at += bytes) {
        if (becomes == text + at) continue;
        changed = true;
        buf_append(out, text + kept, at - kept);
        buf_append(out, becomes, becomes_len);
        kept = at + bytes;
    }
    if (changed) buf_append(out, text + kept, len - kept);
    return changed && !out->failed;
}

size_t utf8_nfc_origin(const char *text, size_t len, size_t at)
{
    union composed piece;
    const char *becomes;
    size_t bytes, becomes_len, from = 0, to = 0; /* where a piece begins in text, and in its NFC */
    while (to < at && (bytes = compose(text + from, len - from, &piece, &becomes, &becomes_len)) != 0) {
        if (to + becomes_len > at) return becomes == text + from ? from + (at - to) : from;
        from += bytes;
        to += becomes_len;
    }
    return from + (at - to);
}
