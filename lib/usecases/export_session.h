/*
 * Exports a whole conversation, oldest message first, without superseded ones. It is read in pages, so memory is
 * bounded however long the conversation is. Messages sent meanwhile are not part of it.
 */
#ifndef USECASES_EXPORT_SESSION_H
#define USECASES_EXPORT_SESSION_H

#include "domain/caller.h"
#include "usecases/ports.h"

enum { EXPORT_PAGE_MESSAGES = 100 };

/* How far an export is. A plain value. */
struct session_export {
    char user_id[USER_ID_SIZE];
    char session_id[UUID_TEXT_SIZE];
    int64_t after; /* seq of the last message that was given */
    int64_t last;  /* seq of the newest message when it began */
    bool over;     /* all were given */
};

/* Where a page's messages go, in their order; each is borrowed for the call. */
struct export_sink {
    void (*message)(struct export_sink *self, const struct message *message);
};

/* Begins an export: fills *out, and *session as it is now, in the arena. Errors: SESSION_NOT_FOUND,
 * DATABASE_UNAVAILABLE. */
enum chat_error export_session_open(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                                    struct arena *arena, struct session_export *out,
                                    struct session *session) MUST_CHECK;
/* Gives the sink the next page, of at most EXPORT_PAGE_MESSAGES messages and MESSAGE_EXPORT_BYTES (a single message may
 * be longer). Errors: SESSION_NOT_FOUND (it was deleted meanwhile), DATABASE_UNAVAILABLE; the sink has then got only a
 * part. Any thread with ports of its own. */
enum chat_error export_session_next(const struct chat_ports *ports, struct session_export *self,
                                    struct export_sink *sink) MUST_CHECK;

#endif
