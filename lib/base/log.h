/*
 * Writes one JSON object a line to stderr, each by one write(2): time, level, event, then the thread's subject
 * (request, trace, user, session, message), then the fields given. Callers pass ids, counts and durations, and never
 * message text, tokens or keys. Any thread. The log of running answers in Redis is another one
 * (usecases/answer_log.h): `struct log_write` there is no line of this log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* The subject of this thread's lines; borrowed strings, NULL where there is none. */
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
/* If the log goes to the journal ($JOURNAL_STREAM), makes each line begin with its priority, which the journal removes.
 * Called once, before there are threads. */
void log_find_journal(void);
/* Sets the descriptor for lines (2 by default); -1 drops all. For tests. */
void log_set_fd(int fd);
/* Sets the calling thread's subject, borrowed until it is changed; NULL clears it. */
void log_set_subject(const struct log_subject *subject);

/* log_write(LOG_INFO, "session_created", LOG_INT("duration_ms", 3)); */
void log_write_fields(enum log_level level, const char *event, const struct log_field *fields);
#define log_write(level, event, ...) \
    log_write_fields((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) LOG_END})

#endif
