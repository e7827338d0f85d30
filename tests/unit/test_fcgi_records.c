/* FastCGI records on a socket: what is written is parsed back as a web server would. */
#include "fcgi/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics/metrics.h"
#include "unit.h"

enum { REQUEST_ID = 258, STDOUT = 6, END_REQUEST = 3, PENDING_MAX = 16 << 20 };

static struct connection *connection;
static int peer;
static struct buf wire;

static void set_up(void)
{
    int pair[2], small = 4096;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    connection = records_open(pair[0], REQUEST_ID);
    ck_assert_ptr_nonnull(connection);
    ck_assert_int_eq(connection_fd(connection), pair[0]);
    peer = pair[1];
    buf_init(&wire, 64 << 20);
}

static void tear_down(void)
{
    if (connection) connection_close(connection);
    if (peer >= 0) close(peer);
    buf_fini(&wire);
}

/* What lies ready to be read. false: the other end has closed. */
static bool receive(void)
{
    char bytes[65536];
    ssize_t got;

    while ((got = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) buf_append(&wire, bytes, (size_t)got);
    return got < 0;
}

/* Reads as the worker flushes, until nothing waits. */
static void drain(void)
{
    do receive();
    while (connection_flush(connection) == CONNECTION_BLOCKED);
    receive();
}

struct parsed {
    struct buf out; /* joined contents of STDOUT */
    int records, empty, ends;
    size_t biggest;
};

static struct parsed parse(void)
{
    struct parsed parsed = {.records = 0};
    size_t at = 0;

    buf_init(&parsed.out, 64 << 20);
    while (at < wire.len) {
        const unsigned char *header = (const unsigned char *)wire.data + at;
        size_t content, padding;

        ck_assert_uint_ge(wire.len - at, 8);
        content = (size_t)(header[4] << 8 | header[5]);
        padding = header[6];
        ck_assert_uint_eq(header[0], 1);
        ck_assert_int_eq(header[2] << 8 | header[3], REQUEST_ID);
        ck_assert_uint_ge(wire.len - at, 8 + content + padding);
        ck_assert_int_eq(parsed.ends, 0); /* nothing after the end */
        parsed.records++;
        if (content > parsed.biggest) parsed.biggest = content;
        if (header[1] == STDOUT) {
            ck_assert_int_eq(parsed.empty, 0); /* an empty one ends the output */
            if (content == 0) parsed.empty++;
            buf_append(&parsed.out, header + 8, content);
        } else {
            ck_assert_uint_eq(header[1], END_REQUEST);
            ck_assert_uint_eq(content, 8);
            ck_assert_int_eq(parsed.empty, 1);
            for (int i = 0; i < 5; i++) ck_assert_uint_eq(header[8 + i], 0);
            parsed.ends++;
        }
        at += 8 + content + padding;
    }
    return parsed;
}

static char *pattern(size_t len)
{
    char *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)(i * 31 + i / 251);
    return bytes;
}

START_TEST(a_response_is_head_body_and_end)
{
    struct http_response response = {.status = 200};
    struct parsed parsed;
    static const char expected[] = "Status: 200";

    http_add_header(&response, "Content-Type", "text/event-stream");
    http_add_header(&response, "X-Bad", "a\r\nSet-Cookie: b"); /* left out */
    ck_assert_int_eq(connection_head(connection, &response), CONNECTION_READY);
    ck_assert_int_eq(connection_write(connection, "data: 1\n\n", 9), CONNECTION_READY);
    ck_assert_int_eq(connection_write(connection, "", 0), CONNECTION_READY); /* no record: it would be the end */
    ck_assert_int_eq(connection_write(connection, "data: 2\n\n", 9), CONNECTION_READY);
    ck_assert_int_eq(connection_finish(connection), CONNECTION_READY);
    ck_assert_uint_eq(connection_pending(connection), 0);
    receive();
    parsed = parse();
    ck_assert_int_eq(parsed.records, 5);
    ck_assert_int_eq(parsed.ends, 1);
    buf_append_char(&parsed.out, '\0');
    ck_assert_int_eq(strncmp(parsed.out.data, expected, sizeof expected - 1), 0);
    ck_assert_ptr_nonnull(strstr(parsed.out.data, "\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2\n\n"));
    ck_assert_ptr_null(strstr(parsed.out.data, "Set-Cookie"));
    buf_fini(&parsed.out);
}
END_TEST

static uint64_t sends(void)
{
    return metrics->counters.stream_writes;
}

START_TEST(a_head_goes_out_with_what_follows)
{
    struct http_response response = {.status = 200};
    uint64_t before = sends();
    ck_assert_int_eq(connection_head(connection, &response), CONNECTION_READY);
    ck_assert_uint_eq(connection_pending(connection), 0);
    ck_assert_uint_eq(sends(), before);
    ck_assert_int_eq(connection_write(connection, "data: 1\n\n", 9), CONNECTION_READY);
    ck_assert_uint_eq(sends(), before + 1);
    receive();
    struct parsed parsed = parse();
    ck_assert_int_eq(parsed.records, 2);
    buf_append_char(&parsed.out, '\0');
    ck_assert_ptr_nonnull(strstr(parsed.out.data, "\r\n\r\ndata: 1\n\n"));
    buf_fini(&parsed.out);
}
END_TEST

START_TEST(a_head_with_nothing_behind_it_is_sent_by_flush)
{
    struct http_response response = {.status = 200};
    connection_head(connection, &response);
    ck_assert_int_eq(connection_flush(connection), CONNECTION_READY);
    receive();
    struct parsed parsed = parse();
    ck_assert_int_eq(parsed.records, 1);
    buf_fini(&parsed.out);
}
END_TEST

START_TEST(the_last_bytes_go_out_with_the_end)
{
    struct http_response response = {.status = 200};
    connection_head(connection, &response);
    connection_write(connection, "first ", 6);
    uint64_t before = sends();
    connection_cork(connection);
    ck_assert_int_eq(connection_write(connection, "last ", 5), CONNECTION_READY);
    ck_assert_int_eq(connection_write(connection, "words", 5), CONNECTION_READY);
    ck_assert_uint_eq(sends(), before);
    ck_assert_int_eq(connection_finish(connection), CONNECTION_READY);
    ck_assert_uint_eq(sends(), before + 1);
    receive();
    struct parsed parsed = parse();
    ck_assert_int_eq(parsed.ends, 1);
    buf_append_char(&parsed.out, '\0');
    ck_assert_ptr_nonnull(strstr(parsed.out.data, "\r\n\r\nfirst last words"));
    buf_fini(&parsed.out);
}
END_TEST

/* Whatever the socket takes of head, body and end, in one piece or in many. */
START_TEST(what_is_held_and_finds_no_room_comes_in_order)
{
    struct http_response response = {.status = 200};
    char *bytes = pattern(300000);
    connection_head(connection, &response);
    if (_i == 0) connection_cork(connection);
    connection_write(connection, bytes, 300000);
    if (_i == 1) connection_cork(connection); /* while it is blocked */
    connection_write(connection, "tail", 4);
    ck_assert_int_eq(connection_finish(connection), CONNECTION_BLOCKED);
    ck_assert_uint_gt(connection_pending(connection), 0);
    drain();
    struct parsed parsed = parse();
    ck_assert_int_eq(parsed.ends, 1);
    ck_assert_uint_gt(parsed.out.len, 300004);
    const char *body = parsed.out.data + parsed.out.len - 300004;
    ck_assert_int_eq(memcmp(body - 4, "\r\n\r\n", 4), 0);
    ck_assert_int_eq(memcmp(body, bytes, 300000), 0);
    ck_assert_int_eq(memcmp(body + 300000, "tail", 4), 0);
    buf_fini(&parsed.out);
    free(bytes);
}
END_TEST

/* Bytes that need none, one and several records, whatever room the socket has. */
static const size_t sizes[] = {1, 7, 8, 4096, 32759, 32760, 32761, 65535, 65536, 100000, 1000003};

START_TEST(what_the_socket_does_not_take_waits_and_comes_in_order)
{
    size_t len = sizes[_i];
    char *bytes = pattern(len);
    struct parsed parsed;
    enum connection_state state = connection_write(connection, bytes, len);

    ck_assert(state == CONNECTION_READY || state == CONNECTION_BLOCKED);
    ck_assert_int_eq(state == CONNECTION_BLOCKED, connection_pending(connection) > 0);
    if (len > 1000000) ck_assert_int_eq(state, CONNECTION_BLOCKED);
    connection_write(connection, "tail", 4); /* behind what waits */
    connection_finish(connection);
    drain();
    ck_assert_uint_eq(connection_pending(connection), 0);
    parsed = parse();
    ck_assert_uint_eq(parsed.out.len, len + 4);
    ck_assert_int_eq(memcmp(parsed.out.data, bytes, len), 0);
    ck_assert_int_eq(memcmp(parsed.out.data + len, "tail", 4), 0);
    ck_assert_int_eq(parsed.ends, 1);
    ck_assert_uint_le(parsed.biggest, 65535);
    buf_fini(&parsed.out);
    free(bytes);
}
END_TEST

START_TEST(after_it_was_drained_it_sends_at_once_again)
{
    char *bytes = pattern(500000);
    struct parsed parsed;

    ck_assert_int_eq(connection_write(connection, bytes, 500000), CONNECTION_BLOCKED);
    ck_assert_int_eq(connection_flush(connection), CONNECTION_BLOCKED); /* nobody read */
    drain();
    ck_assert_int_eq(connection_write(connection, "x", 1), CONNECTION_READY);
    ck_assert_int_eq(connection_flush(connection), CONNECTION_READY); /* nothing to do */
    receive();
    parsed = parse();
    ck_assert_uint_eq(parsed.out.len, 500001);
    buf_fini(&parsed.out);
    free(bytes);
}
END_TEST

START_TEST(nothing_overtakes_what_waits)
{
    char *bytes = pattern(500000);
    struct parsed parsed;

    ck_assert_int_eq(connection_write(connection, bytes, 500000), CONNECTION_BLOCKED);
    receive(); /* there is room again, but nobody has flushed */
    ck_assert_int_eq(connection_write(connection, "tail", 4), CONNECTION_BLOCKED);
    drain();
    parsed = parse();
    ck_assert_uint_eq(parsed.out.len, 500004);
    ck_assert_int_eq(memcmp(parsed.out.data, bytes, 500000), 0);
    ck_assert_int_eq(memcmp(parsed.out.data + 500000, "tail", 4), 0);
    buf_fini(&parsed.out);
    free(bytes);
}
END_TEST

START_TEST(a_client_that_left_is_gone_without_a_signal)
{
    close(peer);
    peer = -1;
    ck_assert_int_eq(connection_write(connection, "x", 1), CONNECTION_GONE);
    ck_assert_int_eq(connection_write(connection, "x", 1), CONNECTION_GONE);
    ck_assert_int_eq(connection_flush(connection), CONNECTION_GONE);
    ck_assert_int_eq(connection_finish(connection), CONNECTION_GONE);
}
END_TEST

START_TEST(a_client_that_leaves_while_bytes_wait_is_gone)
{
    char *bytes = pattern(1000000);

    ck_assert_int_eq(connection_write(connection, bytes, 1000000), CONNECTION_BLOCKED);
    close(peer);
    peer = -1;
    ck_assert_int_eq(connection_flush(connection), CONNECTION_GONE);
    free(bytes);
}
END_TEST

START_TEST(what_may_wait_is_bounded)
{
    char *bytes = pattern(1 << 20);
    enum connection_state state = CONNECTION_READY;
    int written = 0;

    while (state != CONNECTION_GONE && written < 64) {
        state = connection_write(connection, bytes, 1 << 20);
        written++;
    }
    ck_assert_int_eq(state, CONNECTION_GONE);
    ck_assert_int_gt(written, 8);
    ck_assert_uint_le(connection_pending(connection), PENDING_MAX);
    free(bytes);
}
END_TEST

/* What it has taken is no longer kept, though there is always something behind it (B1). */
START_TEST(a_client_that_is_always_behind_gets_more_than_may_ever_wait)
{
    enum { PIECE = 1 << 20, PIECES = 40 };
    char *bytes = pattern(PIECE);
    size_t got = 0;

    for (int i = 0; i < PIECES; i++) {
        ck_assert_int_eq(connection_write(connection, bytes, PIECE), CONNECTION_BLOCKED);
        while (connection_pending(connection) > PIECE / 2) {
            receive();
            got += wire.len;
            buf_reset(&wire);
            ck_assert_int_eq(connection_flush(connection), CONNECTION_BLOCKED);
        }
    }
    while (connection_flush(connection) == CONNECTION_BLOCKED) {
        receive();
        got += wire.len;
        buf_reset(&wire);
    }
    receive();
    ck_assert_uint_gt(got + wire.len, (size_t)PIECES * PIECE);
    free(bytes);
}
END_TEST

START_TEST(what_the_client_took_is_seen_also_where_it_makes_no_room_yet)
{
    char *bytes = pattern(4 << 20), one[1024];
    int big = 1 << 20;

    ck_assert_int_eq(setsockopt(connection_fd(connection), SOL_SOCKET, SO_SNDBUF, &big, sizeof big), 0);
    ck_assert_int_eq(connection_write(connection, bytes, 4 << 20), CONNECTION_BLOCKED);
    ck_assert(connection_took(connection));
    ck_assert(!connection_took(connection));
    for (int i = 0; i < 64; i++) ck_assert_int_eq(recv(peer, one, sizeof one, MSG_DONTWAIT), (int)sizeof one);
    ck_assert(connection_took(connection));
    ck_assert(!connection_took(connection));
    receive();
    connection_flush(connection);
    ck_assert(connection_took(connection));
    free(bytes);
}
END_TEST

START_TEST(what_is_pushed_is_there_for_a_client_that_reads_later)
{
    char *bytes = pattern(100000);
    struct parsed parsed;

    ck_assert_int_eq(connection_write(connection, bytes, 100000), CONNECTION_BLOCKED);
    connection_push(connection);
    ck_assert_uint_eq(connection_pending(connection), 0);
    connection_close(connection);
    connection = NULL;
    ck_assert(!receive());
    parsed = parse();
    ck_assert_uint_eq(parsed.out.len, 100000);
    ck_assert_int_eq(memcmp(parsed.out.data, bytes, 100000), 0);
    buf_fini(&parsed.out);
    free(bytes);
}
END_TEST

START_TEST(closing_closes_the_descriptor)
{
    connection_close(connection);
    connection = NULL;
    ck_assert(!receive());
}
END_TEST

UNIT_SUITE(fcgi_records)
{
    Suite *suite = suite_create("fcgi_records");
    TCase *tcase = UNIT_CASE(suite, "records", a_response_is_head_body_and_end, a_head_goes_out_with_what_follows,
                             a_head_with_nothing_behind_it_is_sent_by_flush, the_last_bytes_go_out_with_the_end,
                             after_it_was_drained_it_sends_at_once_again, nothing_overtakes_what_waits,
                             a_client_that_left_is_gone_without_a_signal, a_client_that_leaves_while_bytes_wait_is_gone,
                             what_may_wait_is_bounded, a_client_that_is_always_behind_gets_more_than_may_ever_wait,
                             what_the_client_took_is_seen_also_where_it_makes_no_room_yet,
                             what_is_pushed_is_there_for_a_client_that_reads_later, closing_closes_the_descriptor);

    tcase_add_loop_test(tcase, what_is_held_and_finds_no_room_comes_in_order, 0, 3);
    tcase_add_loop_test(tcase, what_the_socket_does_not_take_waits_and_comes_in_order, 0, (int)UNIT_COUNT(sizes));
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
