/*
 * A conversation as a file, for a client of any speed: made a page at a time (usecases/stepped.h), so that neither its
 * length nor its reader holds a request thread or much memory.
 */
#ifndef HTTP_EXPORT_STREAM_H
#define HTTP_EXPORT_STREAM_H

#include "http/call.h"
#include "usecases/export_session.h"
#include "usecases/stepped.h"

enum export_format { EXPORT_MARKDOWN, EXPORT_JSON };

/* Adds Content-Type and Content-Disposition of the file. Strings live in the arena. */
void export_stream_headers(struct http_response *head, const struct session *session, enum export_format format,
                           struct arena *arena);
/* Takes the connection out of the call (call->handed_over). Returns the reply; NULL: the connection can't be taken, and
 * the caller answers CHAT_ERR_OVERLOADED. */
struct stepped *export_stream(struct http_call *call, const struct session_export *at, const struct session *session,
                              enum export_format format);

#endif
