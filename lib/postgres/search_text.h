/*
 * Text as the search index sees it. Postgres' `simple` configuration splits and lower-cases, but it takes "a/b.txt" or
 * "me@example.org" for one word, and a run of Chinese or Japanese too. So, before that, this turns ASCII punctuation
 * into space, and a CJK run into its overlapping pairs and its last character:
 *
 *   "foo/bar 日本語"  ──►  "foo bar 日本 本語 語"
 *
 * First of all, letters with marks are composed (base/utf8_nfc.h), so "é" is found however either side wrote it. The
 * stored text, and the snippet cut from it, stay as they were written.
 *
 * A query takes the same steps and becomes a tsquery of quoted words. All of them must occur, the last one as the
 * beginning of a word. Nothing that a user types is ever query syntax. Pure; any thread.
 */
#ifndef POSTGRES_SEARCH_TEXT_H
#define POSTGRES_SEARCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Words past this many bytes of prepared text are not indexed. Even if all words differ, a tsvector of so many bytes is
 * below its limit of 1 MB, so no text can make an insert fail. */
enum { SEARCH_TEXT_MAX_BYTES = 256 * 1024, SEARCH_QUERY_MAX_TERMS = 16, SEARCH_SNIPPET_MAX = 200 /* code points */ };

/* Returns the words, separated by single spaces; "" if there are none. Malformed text ends the result early. */
const char *search_text_words(const char *text, size_t len, struct arena *arena);

struct search_terms {
    const char *words[SEARCH_QUERY_MAX_TERMS]; /* as in search_text_words, case kept */
    size_t count;
};
/* Fills *out with the words of a query; those past SEARCH_QUERY_MAX_TERMS are left out. */
void search_text_terms(const char *query, struct arena *arena, struct search_terms *out);
/* Returns a text for to_tsquery('simple', …). NULL: there is no term, so nothing can match. */
const char *search_text_tsquery(const struct search_terms *terms, struct arena *arena);

/* Returns plain text around the first place where a term begins a word (CJK: where it occurs at all), or the beginning
 * if there is none. A run of white space becomes one space, and "…" marks a cut. At most SEARCH_SNIPPET_MAX code
 * points. */
const char *search_text_snippet(const char *text, size_t len, const struct search_terms *terms, struct arena *arena);

#endif
