/* Finds the block that a Markdown text leaves open (CommonMark 0.31), so that later text can be kept out of it. */
#ifndef HTTP_OPEN_BLOCK_H
#define HTTP_OPEN_BLOCK_H

#include "base/buf.h"

/*
 * Appends the end of a block of the text that would swallow what follows after a blank line, at the start of a line: a
 * fence, or HTML that ends with a word of its own (<!--, <pre>, <?, CDATA …). If none is open, it appends nothing. A
 * block within a list or a quote ends with that, by itself, at the first line outside of it.
 *
 * For that it follows the whole structure of blocks, line by line. Whether three backticks open a block depends on the
 * list that they may be in, and that on the paragraph that may go on there. It takes linear time for any text, and no
 * recursion; lists and quotes may be nested as deep as there is text. It treats link reference definitions as the
 * paragraphs that they look like.
 */
void open_block_close(struct buf *out, const char *text, size_t len);

#endif
