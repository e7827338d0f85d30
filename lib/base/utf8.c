#include "base/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS UINT64_C(0x0101010101010101)

static inline uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/*
 * Bytes of the sequence at text (len > 0): whole and well-formed, or else the part of it that one U+FFFD stands
 * for ("maximal subpart", Unicode §3.9). *missing: 0 well-formed; > 0 cut off by the end, so many bytes lacking;
 * < 0 malformed. The ranges of the second byte are those of RFC 3629 §4.
 */
static size_t sequence(const char *text, size_t len, int *missing)
{
    const unsigned char *s = (const unsigned char *)text;
    *missing = 0;
    if (s[0] < 0x80) return 1;
    unsigned char low = 0x80, high = 0xbf;
    size_t need;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        need = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        need = 3;
        if (s[0] == 0xe0)
            low = 0xa0; /* overlong below */
        else if (s[0] == 0xed)
            high = 0x9f; /* surrogates above */
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        need = 4;
        if (s[0] == 0xf0)
            low = 0x90; /* overlong below */
        else if (s[0] == 0xf4)
            high = 0x8f; /* above U+10FFFF */
    } else {
        *missing = -1;
        return 1;
    }
    for (size_t i = 1; i < need; i++) {
        if (i == len) {
            *missing = (int)(need - i);
            return i;
        }
        if (s[i] < low || s[i] > high) {
            *missing = -1;
            return i;
        }
        low = 0x80;
        high = 0xbf;
    }
    return need;
}

/* Length of the leading well-formed part. */
static size_t valid_prefix(const char *text, size_t len)
{
    size_t i = 0;
    int missing;
    while (i < len) {
        if (len - i >= 8 && !(load8(text + i) & HIGH_BITS)) {
            i += 8;
            continue;
        }
        size_t bytes = sequence(text + i, len - i, &missing);
        if (missing) return i;
        i += bytes;
    }
    return i;
}

bool utf8_valid(const char *text, size_t len)
{
    return valid_prefix(text, len) == len;
}

size_t utf8_count(const char *text, size_t len)
{
    size_t i = 0, continuations = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t word = load8(text + i);
        continuations += (size_t)__builtin_popcountll((word >> 7) & ~(word >> 6) & LOW_BITS);
    }
    for (; i < len; i++) continuations += ((unsigned char)text[i] & 0xc0) == 0x80;
    return len - continuations;
}

size_t utf8_prefix(const char *text, size_t len, size_t count)
{
    size_t i = 0;
    for (; i < len; i++) {
        if (((unsigned char)text[i] & 0xc0) == 0x80) continue;
        if (count == 0) break;
        count--;
    }
    return i;
}

size_t utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    if (len == 0) return 0;
    int missing;
    size_t bytes = sequence(text, len, &missing);
    if (missing) return 0;
    *code_point = (unsigned char)text[0] & lead_mask[bytes];
    for (size_t i = 1; i < bytes; i++) *code_point = *code_point << 6 | ((unsigned char)text[i] & 0x3fu);
    return bytes;
}

size_t utf8_complete_prefix(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)text[len - back];
        if ((c & 0xc0) == 0x80) continue;
        int missing;
        if (c >= 0xc0 && sequence(text + len - back, back, &missing) == back && missing > 0) return len - back;
        break;
    }
    return len;
}

bool utf8_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool utf8_append_sanitized(struct buf *out, const char *text, size_t len)
{
    while (len > 0) {
        size_t clean = valid_prefix(text, len);
        const char *nul = clean ? memchr(text, '\0', clean) : NULL;
        if (nul) clean = (size_t)(nul - text);
        if (!buf_append(out, text, clean)) return false;
        text += clean;
        len -= clean;
        if (len == 0) break;
        size_t skip = 1;
        if (!nul) {
            int missing;
            skip = sequence(text, len, &missing);
        }
        if (!buf_append(out, "\xef\xbf\xbd", 3)) return false;
        text += skip;
        len -= skip;
    }
    return true;
}
