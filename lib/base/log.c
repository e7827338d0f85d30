/* A line is composed on the stack, so that logging works when memory doesn't, and stays within PIPE_BUF, so that the
 * lines of several processes on one pipe never mix. */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    LINE_BYTES = PIPE_BUF,
    TAIL_BYTES = 32,   /* kept free for `,"truncated":true}` and the line end */
    VALUE_BYTES = 512, /* of a string, before escaping; the rest of it is cut */
};

static _Atomic(enum log_level) lowest_level = LOG_INFO;
static atomic_int log_fd = STDERR_FILENO;
static bool to_journal;
static _Thread_local const struct log_subject *subject;

void log_set_level(enum log_level level)
{
    lowest_level = level;
}

bool log_enabled(enum log_level level)
{
    return level >= lowest_level;
}

void log_set_fd(int fd)
{
    log_fd = fd;
}

void log_find_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat out;
    unsigned long long device, inode;
    to_journal = stream && fstat(log_fd, &out) == 0 && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                 device == (unsigned long long)out.st_dev && inode == (unsigned long long)out.st_ino;
}

void log_set_subject(const struct log_subject *new_subject)
{
    subject = new_subject;
}

static void put_text(struct json_writer *line, const char *key, const char *text)
{
    char sane[VALUE_BYTES * 3]; /* each bad byte becomes three */
    struct buf clean = {.data = sane, .cap = sizeof sane, .max = sizeof sane};
    size_t len = strnlen(text, VALUE_BYTES + 1);
    if (len > VALUE_BYTES) len = utf8_complete_prefix(text, VALUE_BYTES);
    if (!utf8_valid(text, len) && utf8_append_sanitized(&clean, text, len))
        json_field_string_len(line, key, clean.data, clean.len);
    else
        json_field_string_len(line, key, text, len);
}

/* A field that has no room is taken back whole: the line stays JSON. false: it was. */
static bool put_field(struct json_writer *line, const struct log_field *field)
{
    const size_t before = line->out->len;
    switch (field->type) {
    case LOG_FIELD_STRING:
        if (field->string) put_text(line, field->key, field->string);
        break;
    case LOG_FIELD_INT: json_field_int(line, field->key, field->integer); break;
    case LOG_FIELD_BOOL: json_field_bool(line, field->key, field->integer != 0); break;
    }
    if (!line->out->failed) return true;
    line->out->len = before;
    line->out->failed = false;
    return false;
}

static void put_subject(struct json_writer *line)
{
    const struct log_field fields[] = {
        LOG_STR("request_id", subject->request_id), LOG_STR("trace_id", subject->trace_id),
        LOG_STR("span_id", subject->span_id),       LOG_STR("user_id", subject->user_id),
        LOG_STR("session_id", subject->session_id), LOG_STR("message_id", subject->message_id),
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) put_field(line, &fields[i]);
}

void log_write_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    static const char *const priorities[] = {"<7>", "<6>", "<4>", "<3>"}; /* syslog's */
    char text[LINE_BYTES];
    /* A buffer of fixed memory: at its maximum from the start, so it never grows. */
    struct buf out = {.data = text, .cap = sizeof text - TAIL_BYTES, .max = sizeof text - TAIL_BYTES};
    struct json_writer line;
    const int fd = log_fd, saved_errno = errno;
    bool whole = true;
    if (fd < 0 || !log_enabled(level)) return;
    if (to_journal) buf_append_str(&out, priorities[level]);
    json_writer_init(&line, &out);
    json_begin_object(&line);
    json_field_time(&line, "time", clock_wall_ms(clock_system()));
    json_field_string(&line, "level", names[level]);
    put_text(&line, "event", event);
    if (subject) put_subject(&line);
    for (; fields->key; fields++) whole &= put_field(&line, fields);
    out.cap = out.max = sizeof text;
    if (!whole) json_field_bool(&line, "truncated", true);
    json_end_object(&line);
    buf_append_char(&out, '\n');
    while (write(fd, out.data, out.len) < 0 && errno == EINTR) {}
    errno = saved_errno;
}
