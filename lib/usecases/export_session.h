/*
 * A whole conversation, oldest message first, superseded ones left out. It is read in pages, so that what is in memory
 * at once is bounded however long the conversation is; what is sent meanwhile is not part of it.
 */
#ifndef USECASES_EXPORT_SESSION_H
#define USECASES_EXPORT_SESSION_H

#include "domain/caller.h"
#include "usecases/ports.h"

enum { EXPORT_PAGE_MESSAGES = 100 };

/* Where it goes. The message is borrowed for the call. */
struct export_sink {
    /* false: no more is wanted. */
    bool (*message)(struct export_sink *self, const struct message *message);
};

/* CHAT_OK with the session in the arena. SESSION_NOT_FOUND (also where it is deleted meanwhile), DATABASE_UNAVAILABLE:
 * what the sink was given until then is not the whole. */
enum chat_error export_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                               struct arena *arena, struct export_sink *sink, struct session *out) MUST_CHECK;

#endif
