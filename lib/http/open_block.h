/* What block a Markdown text leaves open (CommonMark 0.31), so that what is written behind it can be kept out of it. */
#ifndef HTTP_OPEN_BLOCK_H
#define HTTP_OPEN_BLOCK_H

#include "base/buf.h"

/*
 * Appends what closes a block of the text that would swallow what follows after a blank line, at the start of a line: a
 * fence, or HTML that ends with a word of its own (<!--, <pre>, <?, CDATA …). Nothing where none is open. What is open
 * within a list or a quote ends with that, by itself, as soon as a line stands outside of it.
 *
 * All of the structure of blocks has to be followed for that, line by line: whether three backticks open a block
 * depends on the list that they may stand in, and that on the paragraph that may go on there. Linear in the text,
 * whatever it is, and without recursion; lists and quotes may be nested as deep as there is text. Link reference
 * definitions are taken for the paragraphs that they look like.
 */
void open_block_close(struct buf *out, const char *text, size_t len);

#endif
