/*
 * A whole conversation, oldest message first, superseded ones left out. It is read in pages, so that what is in memory
 * at once is bounded however long the conversation is; what is sent meanwhile is not part of it.
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

/* Where a page's messages go: borrowed for the call, in their order. */
struct export_sink {
    void (*message)(struct export_sink *self, const struct message *message);
};

/* Begins: the session as it is, in the arena. SESSION_NOT_FOUND, DATABASE_UNAVAILABLE. */
enum chat_error export_session_open(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                                    struct arena *arena, struct session_export *out,
                                    struct session *session) MUST_CHECK;
/* Gives the next page, of at most EXPORT_PAGE_MESSAGES messages and MESSAGE_EXPORT_BYTES (a single message may be
 * longer). Any thread with ports of its own. SESSION_NOT_FOUND (it was deleted meanwhile), DATABASE_UNAVAILABLE: what
 * was given until then is not the whole. */
enum chat_error export_session_next(const struct chat_ports *ports, struct session_export *self,
                                    struct export_sink *sink) MUST_CHECK;

#endif
