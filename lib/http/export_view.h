/* A conversation as a file: its name, and its text as Markdown. */
#ifndef HTTP_EXPORT_VIEW_H
#define HTTP_EXPORT_VIEW_H

#include "base/arena.h"
#include "base/buf.h"
#include "domain/message.h"
#include "domain/session.h"

/* The value of Content-Disposition: `attachment` with the title as a file name, once in ASCII and once whole (RFC 6266,
 * RFC 8187). Nothing of the title can end the value, be a path, or hide the extension. */
const char *export_disposition(const char *title, const char *extension, struct arena *arena);

/* `# title` and what the session is. */
void export_markdown_session(struct buf *out, const struct session *session);
/* `## role · time`, then the text as it stands, with what closes a block that it leaves open (open_block.h), and what
 * there is to say of an answer that is not whole. */
void export_markdown_message(struct buf *out, const struct message *message);

#endif
