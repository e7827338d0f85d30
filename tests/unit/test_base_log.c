#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "unit.h"

static int ends[2];
static char line[8192];

static void open_log(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    log_set_fd(ends[1]);
    log_set_level(LOG_INFO);
}

static void close_log(void)
{
    log_set_fd(STDERR_FILENO);
    log_set_level(LOG_INFO);
    log_set_subject(NULL);
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
}

/* What was logged since, checked to be one line of JSON; "" for nothing. */
static struct json_doc *read_line(void)
{
    struct json_doc *doc;
    const char *reason;
    ssize_t len;

    close(ends[1]);
    ends[1] = -1;
    len = read(ends[0], line, sizeof line - 1);
    ck_assert_int_gt(len, 0);
    line[len] = '\0';
    ck_assert_ptr_eq(strchr(line, '\n'), line + len - 1);
    ck_assert_int_eq(json_parse(line, (size_t)len, &doc, &reason), CHAT_OK);
    return doc;
}

static const char *text_of(const struct json_doc *doc, const char *key)
{
    return json_string(json_get(json_root(doc), key), NULL);
}

START_TEST(a_line_has_time_level_event_subject_and_fields_in_order)
{
    const struct log_subject subject = {.request_id = "r1", .trace_id = "t1", .user_id = "u1"};
    struct json_doc *doc;
    int64_t when;

    log_set_subject(&subject);
    log_write(LOG_WARN, "session_created", LOG_INT("duration_ms", 3), LOG_STR("model", "m"), LOG_STR("absent", NULL),
              LOG_BOOL("cached", true));
    doc = read_line();
    ck_assert_ptr_nonnull(strstr(line, "\"level\":\"warn\",\"event\":\"session_created\",\"request_id\":\"r1\","
                                       "\"trace_id\":\"t1\",\"user_id\":\"u1\",\"duration_ms\":3,\"model\":\"m\","
                                       "\"cached\":true}\n"));
    ck_assert(strncmp(line, "{\"time\":\"", 9) == 0);
    ck_assert(clock_parse_rfc3339(text_of(doc, "time"), &when));
    json_free(doc);
}
END_TEST

/* (E8) As systemd has it for what writes into the journal. */
START_TEST(a_line_for_the_journal_begins_with_its_priority)
{
    static const struct {
        enum log_level level;
        const char *begins;
    } rows[] = {{LOG_DEBUG, "<7>{\"time\""}, {LOG_INFO, "<6>{"}, {LOG_WARN, "<4>{"}, {LOG_ERROR, "<3>{"}};
    char stream[64];
    struct stat out;
    ssize_t len;

    ck_assert_int_eq(fstat(ends[1], &out), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)out.st_dev, (unsigned long long)out.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_find_journal();
    log_set_level(LOG_DEBUG);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        log_write(rows[i].level, "e");
        len = read(ends[0], line, sizeof line - 1);
        ck_assert_int_gt(len, 0);
        line[len] = '\0';
        ck_assert_msg(strncmp(line, rows[i].begins, strlen(rows[i].begins)) == 0, "%s", line);
    }
    setenv("JOURNAL_STREAM", "1:2", 1); /* another program's: the log goes to a file */
    log_find_journal();
    log_write(LOG_ERROR, "e");
    ck_assert_int_gt(read(ends[0], line, sizeof line - 1), 0);
    ck_assert_int_eq(line[0], '{');
    unsetenv("JOURNAL_STREAM");
}
END_TEST

START_TEST(control_bytes_and_bad_utf8_stay_within_the_line)
{
    struct json_doc *doc;

    log_write(LOG_INFO, "e",
              LOG_STR("agent", "a\n{\"level\":\"error\"}\x1b[31m\r\x7f\xc2\x9b"
                               "2J\"\\"),
              LOG_STR("bad", "x\xff\xc0\xafy"));
    for (const char *at = "\x1b\r\x7f\x9b\xff"; *at; at++) ck_assert_ptr_null(strchr(line, *at));
    doc = read_line();
    ck_assert_str_eq(text_of(doc, "agent"), "a\n{\"level\":\"error\"}\x1b[31m\r\x7f\xc2\x9b"
                                            "2J\"\\");
    ck_assert_str_eq(text_of(doc, "bad"), "x\ufffd\ufffd\ufffdy");
    for (const char *at = "\x1b\r\x7f\x9b\xff"; *at; at++) ck_assert_ptr_null(strchr(line, *at));
    json_free(doc);
}
END_TEST

START_TEST(a_line_stays_within_what_a_pipe_writes_at_once)
{
    char big[5000];
    struct json_doc *doc;
    bool truncated = false;

    memset(big, '\x01', sizeof big); /* six bytes each when escaped */
    big[sizeof big - 1] = '\0';
    log_write(LOG_INFO, "e", LOG_STR("a", big), LOG_STR("b", big), LOG_STR("c", big), LOG_INT("n", 1));
    doc = read_line();
    ck_assert_uint_le(strlen(line), 4096);
    ck_assert(json_bool(json_get(json_root(doc), "truncated"), &truncated) && truncated);
    ck_assert_uint_eq(strlen(text_of(doc, "a")), 512);
    ck_assert_ptr_null(text_of(doc, "c"));
    ck_assert_ptr_nonnull(json_get(json_root(doc), "n"));
    json_free(doc);
}
END_TEST

START_TEST(a_long_value_is_cut_between_characters)
{
    char euros[1000];
    struct json_doc *doc;
    size_t len;

    for (size_t i = 0; i + 3 < sizeof euros; i += 3) memcpy(euros + i, "\u20ac", 4);
    log_write(LOG_INFO, "e", LOG_STR("a", euros));
    doc = read_line();
    json_string(json_get(json_root(doc), "a"), &len);
    ck_assert_uint_eq(len, 510);
    json_free(doc);
}
END_TEST

START_TEST(lines_below_the_level_are_dropped)
{
    log_set_level(LOG_WARN);
    ck_assert(!log_enabled(LOG_INFO));
    ck_assert(log_enabled(LOG_WARN));
    log_write(LOG_INFO, "quiet");
    log_set_fd(-1);
    log_write(LOG_ERROR, "nowhere");
    log_set_fd(ends[1]);
    log_write(LOG_ERROR, "loud");
    struct json_doc *doc = read_line();
    ck_assert_str_eq(text_of(doc, "event"), "loud");
    json_free(doc);
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
    log_set_fd(9999);
    errno = ERANGE;
    log_write(LOG_ERROR, "e");
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

UNIT_SUITE(base_log)
{
    Suite *suite = suite_create("base_log");
    TCase *lines =
        UNIT_CASE(suite, "lines", a_line_has_time_level_event_subject_and_fields_in_order,
                  a_line_for_the_journal_begins_with_its_priority, control_bytes_and_bad_utf8_stay_within_the_line,
                  a_line_stays_within_what_a_pipe_writes_at_once, a_long_value_is_cut_between_characters,
                  lines_below_the_level_are_dropped, logging_leaves_errno_alone);

    tcase_add_checked_fixture(lines, open_log, close_log);
    return suite;
}
