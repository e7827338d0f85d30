/*
 * A whole conversation, oldest message first, superseded ones left out. It is read in pages, so that what is in memory
 * at once is bounded however long the conversation is; what is sent meanwhile is not part of it.
 */
#ifndef USECASES_EXPORT_SESSION_H
#define USECASES_EXPORT_SESSION_H

#include "domain/caller.h"
#include "usecases/ports.h"

enum { EXPORT_PAGE_MESSAGES = 100 };

/* Where it goes. */
struct export_sink {
    /* Once, before the messages; what the session points to lives as long as the arena. */
    void (*session)(struct export_sink *self, const struct session *session);
    /* Borrowed for the call. false: no more is wanted. */
    bool (*message)(struct export_sink *self, const struct message *message);
};

/* SESSION_NOT_FOUND (also where it is deleted meanwhile), DATABASE_UNAVAILABLE: what the sink was given until then is
 * not the whole. */
enum chat_error export_session(const struct chat_ports *ports, const struct caller *caller, const char *session_id,
                               struct arena *arena, struct export_sink *sink) MUST_CHECK;

#endif
