#include "http/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURSOR_PLAIN_MAX = 64, CURSOR_TEXT_MAX = 88 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char sort_letter(enum session_sort sort)
{
    return sort == SORT_CREATED_AT ? 'c' : 'u';
}

const char *cursor_encode(enum session_sort sort, const struct session_cursor *at, struct arena *arena)
{
    char plain[CURSOR_PLAIN_MAX];
    int len = snprintf(plain, sizeof plain, "%c%" PRId64 ".%s", sort_letter(sort), at->at_us, at->id);
    char *text = arena_alloc(arena, CURSOR_TEXT_MAX + 1);
    size_t out = 0;
    for (int i = 0; i < len; i += 3) {
        unsigned a = (unsigned char)plain[i];
        unsigned b = i + 1 < len ? (unsigned char)plain[i + 1] : 0, c = i + 2 < len ? (unsigned char)plain[i + 2] : 0;
        text[out++] = alphabet[a >> 2];
        text[out++] = alphabet[(a & 3) << 4 | b >> 4];
        if (i + 1 < len) text[out++] = alphabet[(b & 15) << 2 | c >> 6];
        if (i + 2 < len) text[out++] = alphabet[c & 63];
    }
    return text;
}

/* NUL-terminates plain. false: a foreign character, or too long. */
static bool decode_base64url(const char *text, char plain[CURSOR_PLAIN_MAX])
{
    unsigned bits = 0, held = 0;
    size_t out = 0;
    for (; *text; text++) {
        const char *found = strchr(alphabet, *text);
        if (!found) return false;
        bits = (bits << 6 | (unsigned)(found - alphabet)) & 0xffff;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        if (out + 1 >= CURSOR_PLAIN_MAX) return false;
        plain[out++] = (char)(bits >> held & 0xff);
    }
    plain[out] = 0;
    return memchr(plain, 0, out) == NULL;
}

bool cursor_decode(const char *text, enum session_sort sort, struct session_cursor *out)
{
    char plain[CURSOR_PLAIN_MAX], *end;
    if (!decode_base64url(text, plain) || plain[0] != sort_letter(sort)) return false;
    if (plain[1] < '0' || plain[1] > '9') return false;
    out->at_us = strtoll(plain + 1, &end, 10);
    if (*end != '.' || out->at_us > INT64_C(253402300799999999)) return false; /* year 9999 */
    return uuid_parse(end + 1, strlen(end + 1), out->id);
}
