/*
 * All that is stored of one user, in pages, so that what is in memory at once is bounded: sessions that stand, newest
 * first, then deleted ones; the messages of each, superseded ones too; then the days of use.
 */
#ifndef USECASES_EXPORT_USER_H
#define USECASES_EXPORT_USER_H

#include "domain/user_data.h"
#include "usecases/ports.h"

/* Where it goes; what is given is borrowed for the call. */
struct user_export_sink {
    void (*session)(struct user_export_sink *self, const struct session *session,
                    int64_t deleted_at_ms); /* 0: stands */
    void (*message)(struct user_export_sink *self, const struct stored_message *message);
    void (*session_end)(struct user_export_sink *self);
    void (*usage)(struct user_export_sink *self, const struct usage_row *row);
};

/* DATABASE_UNAVAILABLE: what the sink was given until then is not the whole. */
enum chat_error export_user(const struct chat_ports *ports, struct user_data *data, const char *user_id,
                            struct user_export_sink *sink) MUST_CHECK;

#endif
