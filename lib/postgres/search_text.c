#include "postgres/search_text.h"

#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wctype.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "base/utf8_nfc.h"

enum { SNIPPET_LEAD = 60, TERM_MAX_BYTES = 255 };

/* Scripts written without spaces: Han, kana, and Hangul for the parts of its compounds. */
static bool is_cjk(uint32_t c)
{
    return (c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x3096) || (c >= 0x30a1 && c <= 0x30fa) ||
           (c >= 0x30fc && c <= 0x30ff) || (c >= 0x31f0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0xff66 && c <= 0xff9d) || (c >= 0x20000 && c <= 0x3ffff);
}

/* Punctuation beyond ASCII stays: Postgres' parser knows it. */
static bool is_break(uint32_t c)
{
    if (c < 0x80) return !((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
    return utf8_is_space(c);
}

static locale_t utf8_locale;
static void make_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* As lower() does in a C.UTF-8 database, so that a snippet finds what the index found. */
static uint32_t fold(uint32_t c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    pthread_once(&once, make_locale);
    return utf8_locale ? (uint32_t)towlower_l((wint_t)c, utf8_locale) : c;
}

struct word {
    const char *text; /* within the source */
    size_t len;
};

/* Finds the next word at or after *at. A CJK run gives each of its characters with the one after it, and the last one
 * alone. */
static bool next_word(const char *text, size_t len, size_t *at, struct word *word)
{
    uint32_t c;
    size_t bytes;
    while ((bytes = utf8_decode(text + *at, len - *at, &c)) != 0 && is_break(c)) *at += bytes;
    if (bytes == 0) return false;
    word->text = text + *at;
    if (is_cjk(c)) {
        *at += bytes;
        word->len = bytes;
        bytes = utf8_decode(text + *at, len - *at, &c);
        if (bytes != 0 && is_cjk(c)) word->len += bytes;
        return true;
    }
    do *at += bytes;
    while ((bytes = utf8_decode(text + *at, len - *at, &c)) != 0 && !is_break(c) && !is_cjk(c));
    word->len = (size_t)(text + *at - word->text);
    return true;
}

/* Sets *text to its NFC form, in `copy` if that differs. The caller frees copy. */
static void composed(const char **text, size_t *len, struct buf *copy)
{
    buf_init(copy, *len * UTF8_NFC_GROWTH);
    if (!utf8_nfc(*text, *len, copy)) return;
    *text = copy->data;
    *len = copy->len;
}

const char *search_text_words(const char *text, size_t len, struct arena *arena)
{
    struct buf out, copy;
    composed(&text, &len, &copy);
    buf_init(&out, SEARCH_TEXT_MAX_BYTES);
    struct word word;
    for (size_t at = 0; next_word(text, len, &at, &word);) {
        if (word.len > TERM_MAX_BYTES) continue; /* base64 and the like: nobody types it */
        if (out.len + 1 + word.len > SEARCH_TEXT_MAX_BYTES) break;
        if (out.len) buf_append_char(&out, ' ');
        buf_append(&out, word.text, word.len);
    }
    const char *words = arena_strndup(arena, out.data ? out.data : "", out.len);
    buf_fini(&out);
    buf_fini(&copy);
    return words;
}

void search_text_terms(const char *query, struct arena *arena, struct search_terms *out)
{
    size_t len = strlen(query);
    struct buf copy;
    composed(&query, &len, &copy);
    out->count = 0;
    struct word word;
    uint32_t c;
    for (size_t at = 0; out->count < SEARCH_QUERY_MAX_TERMS && next_word(query, len, &at, &word);) {
        if (word.len > TERM_MAX_BYTES) continue;
        /* the last character of a run adds nothing to the pair before it; a run of one is a word */
        size_t first = utf8_decode(word.text, word.len, &c);
        if (out->count && is_cjk(c) && first == word.len) {
            const char *last = out->words[out->count - 1];
            size_t last_len = strlen(last);
            bool tail = word.text > query && (unsigned char)word.text[-1] >= 0x80 && last_len > word.len &&
                        memcmp(last + last_len - word.len, word.text, word.len) == 0;
            if (tail) continue;
        }
        out->words[out->count++] = arena_strndup(arena, word.text, word.len);
    }
    buf_fini(&copy);
}

const char *search_text_tsquery(const struct search_terms *terms, struct arena *arena)
{
    const char *query = NULL;
    for (size_t i = 0; i < terms->count; i++) {
        /* the ASCII of a word is letters and digits, so no word can end the quotes */
        const char *prefix = i + 1 == terms->count ? ":*" : "";
        query = query ? arena_printf(arena, "%s & '%s'%s", query, terms->words[i], prefix)
                      : arena_printf(arena, "'%s'%s", terms->words[i], prefix);
    }
    return query;
}

static bool begins_with(const char *text, size_t len, const char *term)
{
    size_t term_len = strlen(term);
    while (term_len) {
        uint32_t a, b;
        size_t a_bytes = utf8_decode(text, len, &a), b_bytes = utf8_decode(term, term_len, &b);
        if (a_bytes == 0 || b_bytes == 0 || fold(a) != fold(b)) return false;
        text += a_bytes, len -= a_bytes, term += b_bytes, term_len -= b_bytes;
    }
    return true;
}

/* Returns where a term is found first in text, which is in NFC; len: nowhere. */
static size_t find_term(const char *text, size_t len, const struct search_terms *terms)
{
    struct word word;
    for (size_t at = 0; next_word(text, len, &at, &word);) {
        size_t start = (size_t)(word.text - text);
        for (size_t i = 0; i < terms->count; i++)
            if (begins_with(word.text, len - start, terms->words[i])) return start;
    }
    return len;
}

/* The same for text as it was written. */
static size_t find_written(const char *text, size_t len, const struct search_terms *terms)
{
    const char *nfc = text;
    size_t nfc_len = len;
    struct buf copy;
    composed(&nfc, &nfc_len, &copy);
    size_t at = find_term(nfc, nfc_len, terms), found = len;
    if (at < nfc_len) found = nfc == text ? at : utf8_nfc_origin(text, len, at);
    buf_fini(&copy);
    return found;
}

const char *search_text_snippet(const char *text, size_t len, const struct search_terms *terms, struct arena *arena)
{
    size_t found = find_written(text, len, terms), start = found == len ? 0 : found;
    for (int back = 0; start > 0 && back < SNIPPET_LEAD; back++) do
            start--;
        while (start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80);
    if (start > 0) { /* begin with a whole word, if one begins before the match */
        size_t at = start;
        while (at < found && (unsigned char)text[at] > ' ') at++;
        if (at < found) start = at;
    }
    struct buf out;
    buf_init(&out, (SEARCH_SNIPPET_MAX + 2) * 4);
    size_t points = 0, at = start, bytes;
    uint32_t c;
    bool space = false;
    if (start > 0) buf_append_str(&out, "…"), points++;
    size_t empty = out.len;
    while ((bytes = utf8_decode(text + at, len - at, &c)) != 0) {
        if (utf8_is_space(c) || c < 0x20) {
            space = out.len > empty;
        } else {
            if (points + (space ? 2 : 1) >= SEARCH_SNIPPET_MAX) break; /* one is kept for the … */
            if (space) buf_append_char(&out, ' '), points++;
            buf_append(&out, text + at, bytes), points++;
            space = false;
        }
        at += bytes;
    }
    if (bytes != 0) buf_append_str(&out, "…");
    const char *snippet = arena_strndup(arena, out.data ? out.data : "", out.len);
    buf_fini(&out);
    return snippet;
}
