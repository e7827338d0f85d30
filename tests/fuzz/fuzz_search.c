/*
 * A query (the first line) and a text, of any bytes. The words of a text are the same whether it is composed or taken
 * apart before, by other code than the service's; so are a query's. A snippet is valid, bounded, and of the text's own
 * bytes. A place in the composed text leads to one in the text, and later ones lead no further back.
 */
#include <utf8proc.h>

#include "base/utf8.h"
#include "base/utf8_nfc.h"
#include "fuzz/fuzz.h"
#include "postgres/search_text.h"

/* The service lets letters alone that have more parts than this. */
static bool has_long_piece(const char *text)
{
    size_t len = strlen(text), parts = 0, bytes;
    uint32_t c;
    for (; (bytes = utf8_decode(text, len, &c)) != 0; text += bytes, len -= bytes) {
        utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
        bool mark = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
        parts = mark || (c >= 0x1160 && c <= 0x11ff) ? parts + 1 : 0;
        if (parts > 12) return true; /* a code point has four parts at most */
    }
    return false;
}

static void must_be_the_same_words(const char *text, struct arena *arena)
{
    const char *words = search_text_words(text, strlen(text), arena);
    must(strlen(words) <= SEARCH_TEXT_MAX_BYTES && utf8_valid(words, strlen(words)));
    if (!utf8_valid(text, strlen(text)) || has_long_piece(text)) return;
    char *apart = (char *)utf8proc_NFD((const utf8proc_uint8_t *)text);
    char *composed = (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);
    must(apart && composed);
    must(strcmp(search_text_words(apart, strlen(apart), arena), words) == 0);
    must(strcmp(search_text_words(composed, strlen(composed), arena), words) == 0);
    struct search_terms as_written, of_parts;
    search_text_terms(text, arena, &as_written);
    search_text_terms(apart, arena, &of_parts);
    must(as_written.count == of_parts.count && as_written.count <= SEARCH_QUERY_MAX_TERMS);
    for (size_t i = 0; i < as_written.count; i++) must(strcmp(as_written.words[i], of_parts.words[i]) == 0);
    free(apart);
    free(composed);
}

static void must_lead_back(const char *text, size_t len)
{
    struct buf nfc;
    size_t last = 0;
    buf_init(&nfc, len * UTF8_NFC_GROWTH);
    if (utf8_nfc(text, len, &nfc) && len < 2000)
        for (size_t at = 0; at <= nfc.len; at++) {
            size_t origin = utf8_nfc_origin(text, len, at);
            must(origin >= last && origin <= len);
            last = origin;
        }
    must(!nfc.failed);
    buf_fini(&nfc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena arena;
    struct search_terms terms;
    char *query = fuzz_line(&data, &len), *text = fuzz_line(&data, &len);
    char *rest = fuzz_copy(data, len);
    arena_init(&arena);
    must_be_the_same_words(query, &arena);
    must_be_the_same_words(text, &arena);
    must_lead_back(text, strlen(text));
    must_lead_back(rest, len);
    search_text_terms(query, &arena, &terms);
    const char *snippet = search_text_snippet(text, strlen(text), &terms, &arena);
    must(utf8_count(snippet, strlen(snippet)) <= SEARCH_SNIPPET_MAX);
    must(!utf8_valid(text, strlen(text)) || utf8_valid(snippet, strlen(snippet)));
    search_text_snippet(rest, len, &terms, &arena);
    arena_fini(&arena);
    free(rest);
    free(text);
    free(query);
    return 0;
}
