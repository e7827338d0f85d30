#include "http/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { SESSION_PLAIN_SIZE = 64, USAGE_PLAIN_SIZE = 2 + QUOTA_DAY_SIZE + USER_ID_SIZE + MODEL_NAME_SIZE };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char sort_letter(enum session_sort sort)
{
    return sort == SORT_CREATED_AT ? 'c' : 'u';
}

static const char *encode_base64url(const char *plain, size_t len, struct arena *arena)
{
    char *text = arena_alloc(arena, len / 3 * 4 + 5);
    size_t out = 0;
    for (size_t i = 0; i < len; i += 3) {
        unsigned a = (unsigned char)plain[i];
        unsigned b = i + 1 < len ? (unsigned char)plain[i + 1] : 0, c = i + 2 < len ? (unsigned char)plain[i + 2] : 0;
        text[out++] = alphabet[a >> 2];
        text[out++] = alphabet[(a & 3) << 4 | b >> 4];
        if (i + 1 < len) text[out++] = alphabet[(b & 15) << 2 | c >> 6];
        if (i + 2 < len) text[out++] = alphabet[c & 63];
    }
    text[out] = '\0';
    return text;
}

/* NUL-terminates plain. false: a foreign character, too long, or more than what was encoded. */
static bool decode_base64url(const char *text, char *plain, size_t size)
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
        if (out + 1 >= size) return false;
        plain[out++] = (char)(bits >> held & 0xff);
    }
    plain[out] = 0;
    return held < 6 && (bits & ((1U << held) - 1)) == 0 && memchr(plain, 0, out) == NULL;
}

const char *cursor_encode(enum session_sort sort, const struct session_cursor *at, struct arena *arena)
{
    char plain[SESSION_PLAIN_SIZE];
    int len = snprintf(plain, sizeof plain, "%c%" PRId64 ".%s", sort_letter(sort), at->at_us, at->id);
    return encode_base64url(plain, (size_t)len, arena);
}

bool cursor_decode(const char *text, enum session_sort sort, struct session_cursor *out)
{
    char plain[SESSION_PLAIN_SIZE], *end;
    if (!decode_base64url(text, plain, sizeof plain) || plain[0] != sort_letter(sort)) return false;
    if (plain[1] < '0' || plain[1] > '9') return false;
    out->at_us = strtoll(plain + 1, &end, 10);
    if (*end != '.' || out->at_us > INT64_C(253402300799999999)) return false; /* year 9999 */
    return uuid_parse(end + 1, strlen(end + 1), out->id);
}

/* ---- usage ---- */

/* No user id and no model has a blank. */
const char *cursor_encode_usage(unsigned group, const struct usage_key *at, struct arena *arena)
{
    char plain[USAGE_PLAIN_SIZE];
    int len = snprintf(plain, sizeof plain, "%u%s %s %s", group, at->day, at->user_id, at->model);
    return encode_base64url(plain, (size_t)len, arena);
}

/* Reads up to the next blank. false: too long, or present where it should be absent, or the other way round. */
static bool take_key(const char **text, bool wanted, char *out, size_t size)
{
    size_t len = strcspn(*text, " ");
    if (len >= size || (len > 0) != wanted) return false;
    memcpy(out, *text, len);
    out[len] = '\0';
    *text += len;
    return true;
}

bool cursor_decode_usage(const char *text, unsigned group, struct usage_key *out)
{
    char plain[USAGE_PLAIN_SIZE];
    int64_t at_ms;
    if (!decode_base64url(text, plain, sizeof plain) || plain[0] != (char)('0' + group)) return false;
    const char *at = plain + 1;
    return utf8_valid(plain, strlen(plain)) && take_key(&at, group & USAGE_BY_DAY, out->day, sizeof out->day) &&
           (out->day[0] == '\0' || usage_day_parse(out->day, &at_ms)) && *at++ == ' ' &&
           take_key(&at, group & USAGE_BY_USER, out->user_id, sizeof out->user_id) && *at++ == ' ' &&
           take_key(&at, group & USAGE_BY_MODEL, out->model, sizeof out->model) && *at == '\0';
}
