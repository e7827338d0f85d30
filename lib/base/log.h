/*
 * One JSON object a line on stderr, each written by one write(2): time, level, event, then the thread's
 * subject (request, trace, user, session, message), then the fields given. Never message text, tokens or
 * keys: a caller passes ids, counts and durations. Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Who or what the lines of this thread are about; borrowed strings, NULL where there is none. */
struct log_subject {
    const char *request_id;
    const char *trace_id;
    const char *span_id;
    const char *user_id;
    const char *session_id;
    const char *message_id;
};

struct log_field {
    const char *key; /* NULL ends a list */
    enum { LOG_FIELD_STRING, LOG_FIELD_INT, LOG_FIELD_BOOL } type;
    const char *string; /* NULL leaves the field out */
    int64_t integer;
};
#define LOG_STR(key, value) ((struct log_field){(key), LOG_FIELD_STRING, (value), 0})
#define LOG_INT(key, value) ((struct log_field){(key), LOG_FIELD_INT, NULL, (int64_t)(value)})
#define LOG_BOOL(key, value) ((struct log_field){(key), LOG_FIELD_BOOL, NULL, (value)})
#define LOG_END ((struct log_field){NULL, LOG_FIELD_INT, NULL, 0})

/* Lines below this level are dropped. Process-wide; set before threads start. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* The descriptor lines go to (2 by default); -1 drops all. For tests. */
/* Where the log goes to the journal ($JOURNAL_STREAM says so), each line begins with its priority, which the journal
 * takes away again. Once, before there are threads. */
void log_find_journal(void);
void log_set_fd(int fd);
/* The calling thread's subject; NULL clears it. Borrowed until changed. */
void log_set_subject(const struct log_subject *subject);

/* log_write(LOG_INFO, "session_created", LOG_INT("duration_ms", 3)); */
void log_write_fields(enum log_level level, const char *event, const struct log_field *fields);
#define log_write(level, event, ...) \
    log_write_fields((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) LOG_END})

#endif
