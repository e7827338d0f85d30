/*
 * Exports all that is stored of one user: sessions that are not deleted, newest first, then deleted ones; the messages
 * of each, superseded ones too; then the days of use. It is read in pages, so memory is bounded.
 */
#ifndef USECASES_EXPORT_USER_H
#define USECASES_EXPORT_USER_H

#include "domain/user_data.h"
#include "usecases/ports.h"

/* Where the export goes. Arguments are borrowed for the call. */
struct user_export_sink {
    void (*session)(struct user_export_sink *self, const struct session *session,
                    int64_t deleted_at_ms); /* 0: not deleted */
    void (*message)(struct user_export_sink *self, const struct stored_message *message);
    void (*session_end)(struct user_export_sink *self);
    void (*usage)(struct user_export_sink *self, const struct usage_row *row);
};

/* Gives the sink all of it. Errors: DATABASE_UNAVAILABLE; the sink has then got only a part. */
enum chat_error export_user(const struct chat_ports *ports, struct user_data *data, const char *user_id,
                            struct user_export_sink *sink) MUST_CHECK;

#endif
