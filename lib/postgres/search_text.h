/*
 * Text as the search index sees it. Postgres' `simple` configuration splits and lower-cases; what it does badly is
 * done before: it takes "a/b.txt" or "me@example.org" for one word, and a run of Chinese or Japanese too.
 * So ASCII punctuation becomes space, and a CJK run becomes its overlapping pairs and its last character:
 *
 *   "foo/bar 日本語"  ──►  "foo bar 日本 本語 語"
 *
 * Before that, letters with marks are composed (base/utf8_nfc.h): "é" is found however either side wrote it. What is
 * stored, and the snippet cut from it, stay as they were written.
 * A query goes the same way and becomes a tsquery of quoted words, all of which must occur, the last one as the
 * beginning of a word: nothing a user types is ever query syntax. Pure; any thread.
 */
#ifndef POSTGRES_SEARCH_TEXT_H
#define POSTGRES_SEARCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Words past this many bytes of prepared text are not indexed: even if all of them differ, a tsvector of it stays
 * below its limit of 1 MB, so no text can make an insert fail. */
enum { SEARCH_TEXT_MAX_BYTES = 256 * 1024, SEARCH_QUERY_MAX_TERMS = 16, SEARCH_SNIPPET_MAX = 200 /* code points */ };

/* Words separated by single spaces; "" where there is none. Malformed text ends the result early. */
const char *search_text_words(const char *text, size_t len, struct arena *arena);

struct search_terms {
    const char *words[SEARCH_QUERY_MAX_TERMS]; /* as in search_text_words, case kept */
    size_t count;
};
/* The words of a query; those past SEARCH_QUERY_MAX_TERMS are left out. */
void search_text_terms(const char *query, struct arena *arena, struct search_terms *out);
/* For to_tsquery('simple', …). NULL where there is no term: nothing can match. */
const char *search_text_tsquery(const struct search_terms *terms, struct arena *arena);

/* Plain text around the first place where a term begins a word (CJK: stands anywhere): white space runs as one
 * space, "…" where something was cut, at most SEARCH_SNIPPET_MAX code points. The beginning where none is found. */
const char *search_text_snippet(const char *text, size_t len, const struct search_terms *terms, struct arena *arena);

#endif
