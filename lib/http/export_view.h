/* A conversation as a file: its name, and its text as Markdown. */
#ifndef HTTP_EXPORT_VIEW_H
#define HTTP_EXPORT_VIEW_H

#include "base/arena.h"
#include "base/buf.h"
#include "domain/message.h"
#include "domain/session.h"

/* Returns the value of Content-Disposition, in the arena: `attachment` with the title as a file name, once in ASCII and
 * once whole (RFC 6266, RFC 8187). No title can end the value, be a path, or hide the extension. */
const char *export_disposition(const char *title, const char *extension, struct arena *arena);

/* Writes `# title`, and a description of the session. */
void export_markdown_session(struct buf *out, const struct session *session);
/* Writes `## role · time`, then the text unchanged. Closes a block that the text leaves open (open_block.h), and notes
 * it if an answer is not whole. */
void export_markdown_message(struct buf *out, const struct message *message);

#endif
