/* Connections to the provider, opened by libcurl and used again: the relay for real, and a provider that is slow to
 * accept. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/relay.h"
#include "sambanova/provider.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_client.h"
#include "unit.h"
#include "upstream/connections.h"
#include "upstream/upstream.h"

enum { JOB_THREADS = 2, CLIENTS = 250, FILLERS = 4 };

static struct fake_chat chat;
static struct provider *provider;
static struct job_pool *jobs;
static struct relay *relay;
static struct fake_client clients[CLIENTS], late;
static int listen_fd;

/* Takes one connection, and drops whatever asks for more until that is taken. */
static void open_listener(struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)address, len), 0);
    ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)address, &len), 0);
    ck_assert_int_eq(listen(listen_fd, 0), 0);
}

static void set_up(void)
{
    const char *problem;
    struct sockaddr_in address;

    fake_chat_init(&chat);
    open_listener(&address);
    const struct sambanova_settings settings = {
        .api_key = "k",
        .api_base = arena_printf(&chat.arena, "http://127.0.0.1:%d/v1", ntohs(address.sin_port)),
        .connect_timeout_ms = 600000,
        .first_byte_timeout_ms = 600000,
        .idle_timeout_ms = 600000,
        .total_timeout_ms = 600000};
    provider = sambanova_open(&settings, &problem);
    ck_assert_ptr_nonnull(provider);
    const struct chat_ports *each[JOB_THREADS] = {&chat.ports, &chat.ports};
    const struct relay_settings of_relay = {.provider = provider, .clock = clock_system(), .max_streams = 2 * CLIENTS};
    jobs = relay_jobs_open(each, JOB_THREADS);
    relay = relay_open(&of_relay, jobs);
    ck_assert_ptr_nonnull(relay);
    chat.ports.provider = provider;
    chat.ports.answers = relay_answers(relay);
}

static void tear_down(void)
{
    close(listen_fd);
    sambanova_close(provider);
    fake_chat_fini(&chat);
}

/* The loop has taken what was posted, and curl has done what it wanted at once. */
static void let_turn(void)
{
    for (int i = 0; i < 3; i++) {
        struct admission_ticket *tickets;

        relay_tickets(relay, &tickets);
        free(tickets);
    }
}

static void ask(struct fake_client *client)
{
    static const char body[] = "{\"model\":\"llama\",\"stream\":true}";
    const struct completion_spec spec = {
        .model = "llama", .body = strdup(body), .body_len = sizeof body - 1, .stream = true, .request_id = "req-1"};

    fake_client_init(client);
    ck_assert_int_eq(answers_reserve(chat.ports.answers), CHAT_OK);
    answers_complete(chat.ports.answers, &spec, &client->client);
}

static void close_relay(void)
{
    relay_drain(relay);
    relay_close(relay);
    job_pool_close(jobs);
}

/* Waits for a connection whose peer is still there, and for a request on it. */
static int accept_asked(void)
{
    char request[4096];

    ck_assert_int_eq(fcntl(listen_fd, F_SETFL, 0), 0);
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        if (read(fd, request, sizeof request) > 0) return fd;
        close(fd);
    }
}

static void answer(int fd)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 95\r\n\r\n"
                                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},"
                                "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

    ck_assert_int_eq(write(fd, reply, sizeof reply - 1), (ssize_t)sizeof reply - 1);
}

static void assert_answered(void)
{
    ck_assert(fake_client_wait_closed(&late));
    ck_assert_str_eq(error_code(late.error), "ok");
    while (relay_live(relay)) let_turn();
    fake_client_fini(&late);
}

/* (B3) */
START_TEST(clients_that_leave_while_tcp_still_connects_leave_nothing_behind)
{
    int fillers[FILLERS];
    char request[4096];
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    ck_assert_int_eq(getsockname(listen_fd, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, len);
    }
    for (int i = 0; i < CLIENTS; i++) ask(&clients[i]);
    let_turn();
    for (int i = 0; i < CLIENTS; i++) fake_client_leave(&clients[i]);
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert(fake_client_wait_closed(&clients[i]));
        fake_client_fini(&clients[i]);
    }
    while (relay_live(relay)) let_turn();
    for (int i = 0; i < FILLERS; i++) close(fillers[i]);

    /* one connection, used again */
    ask(&late);
    int fd = accept_asked();
    answer(fd);
    assert_answered();
    ask(&late);
    ck_assert_int_gt(read(fd, request, sizeof request), 0);
    answer(fd);
    assert_answered();
    close_relay();
    close(fd);
}
END_TEST

/* Takes the request that comes on a connection that is kept. */
static void read_asked(int fd)
{
    char request[4096];

    ck_assert_int_gt(read(fd, request, sizeof request), 0);
}

static void assert_failed(void)
{
    ck_assert(fake_client_wait_closed(&late));
    ck_assert_str_eq(error_code(late.error), "upstream_error");
    while (relay_live(relay)) let_turn();
    fake_client_fini(&late);
}

/* One that has served an answer. */
static int kept_connection(void)
{
    ask(&late);
    int fd = accept_asked();
    answer(fd);
    assert_answered();
    return fd;
}

START_TEST(a_request_that_a_used_connection_takes_to_its_end_is_sent_once_more_on_a_new_one)
{
    int fd = kept_connection();

    ask(&late);
    read_asked(fd);
    close(fd);
    fd = accept_asked();
    answer(fd);
    assert_answered();
    /* a new one that ends without a word isn't tried again */
    ask(&late);
    read_asked(fd);
    close(fd);
    close(accept_asked());
    assert_failed();
    close_relay();
}
END_TEST

START_TEST(one_that_has_brought_a_byte_of_an_answer_is_not_sent_again)
{
    int fd = kept_connection();

    ask(&late);
    read_asked(fd);
    ck_assert_int_eq(write(fd, "H", 1), 1);
    close(fd);
    assert_failed();
    close_relay();
}
END_TEST

START_TEST(a_connection_that_says_more_than_it_was_asked_is_not_used_again)
{
    static const char more[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 95\r\n\r\n"
                               "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},"
                               "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\nHTTP/1.1 200 OK\r\n";
    char byte;

    ask(&late);
    int fd = accept_asked();
    ck_assert_int_eq(write(fd, more, sizeof more - 1), (ssize_t)sizeof more - 1);
    assert_answered();
    ck_assert_int_le(read(fd, &byte, 1), 0); /* closed */
    close(fd);
    ask(&late);
    fd = accept_asked();
    answer(fd);
    assert_answered();
    close_relay();
    close(fd);
}
END_TEST

static const char too_late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";

START_TEST(an_idle_connection_that_says_something_is_closed)
{
    char byte;
    int fd = kept_connection();

    ck_assert_int_eq(write(fd, too_late, sizeof too_late - 1), (ssize_t)sizeof too_late - 1);
    ck_assert_int_le(read(fd, &byte, 1), 0);
    close(fd);
    close_relay();
}
END_TEST

/* Its 408 and our request have crossed. */
START_TEST(a_request_that_a_used_connection_was_too_late_for_is_sent_once_more_on_a_new_one)
{
    int fd = kept_connection();

    ask(&late);
    read_asked(fd);
    ck_assert_int_eq(write(fd, too_late, sizeof too_late - 1), (ssize_t)sizeof too_late - 1);
    int other = accept_asked();
    answer(other);
    assert_answered();
    close_relay();
    close(fd);
    close(other);
}
END_TEST

START_TEST(a_connection_that_is_refused_is_an_error_of_the_provider)
{
    close(listen_fd);
    ask(&late);
    assert_failed();
    close_relay();
    listen_fd = -1;
}
END_TEST

/* ---- connections alone: a loop, and one who takes them ---- */

static struct taker {
    struct connection_user user;
    struct post post;
    struct upstream *upstream;
    bool ready; /* was called; the loop's, looked at by loop_call */
    bool seen;  /* the same, as the last look found it */
    int fd;     /* the provider's end of the idle one */
} taker;

static void note_ready(struct connection_user *user)
{
    (void)user;
    taker.ready = true;
}

static void look(struct post *post)
{
    (void)post;
    taker.seen = taker.ready;
}

static void take_first(struct post *post)
{
    (void)post;
    ck_assert(connection_take(taker.upstream->connections, &taker.user, true));
}

static void keep(struct post *post)
{
    (void)post;
    taker.ready = false;
    connection_keep(&taker.user);
}

/* What the provider says has come, and the loop can't have heard of it. */
static void take_after_more(struct post *post)
{
    int on_the_way;
    (void)post;
    ck_assert_int_eq(write(taker.fd, "H", 1), 1);
    do ck_assert_int_eq(ioctl(taker.fd, SIOCOUTQ, &on_the_way), 0);
    while (on_the_way);
    ck_assert(connection_take(taker.upstream->connections, &taker.user, false));
    taker.seen = taker.ready;
}

static void drop(struct post *post)
{
    (void)post;
    connection_drop(&taker.user);
}

static void call(struct loop *loop, void (*run)(struct post *post))
{
    taker.post = (struct post){.run = run};
    loop_call(loop, &taker.post);
}

static int accept_ready(struct loop *loop)
{
    ck_assert_int_eq(fcntl(listen_fd, F_SETFL, 0), 0);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    do call(loop, look);
    while (!taker.seen);
    return fd;
}

START_TEST(an_idle_one_that_has_just_said_something_is_not_taken)
{
    static struct loop loop;
    char byte;

    ck_assert(loop_open(&loop, clock_system()));
    const struct upstream_settings settings = {
        .provider = provider, .clock = clock_system(), .loop = &loop, .jobs = jobs, .max_transfers = 4};
    taker = (struct taker){.user = {.ready = note_ready}, .upstream = upstream_open(&settings)};
    ck_assert_ptr_nonnull(taker.upstream);
    ck_assert(loop_start(&loop));
    call(&loop, take_first);
    taker.fd = accept_ready(&loop);
    call(&loop, keep);
    call(&loop, take_after_more);
    ck_assert(!taker.seen); /* not the idle one: that would be there at once */
    int fd = accept_ready(&loop);
    ck_assert_int_le(read(taker.fd, &byte, 1), 0); /* closed */
    call(&loop, drop);
    loop_stop(&loop);
    upstream_close(taker.upstream);
    loop_close(&loop);
    close(taker.fd);
    close(fd);
    close_relay();
}
END_TEST

UNIT_SUITE(upstream_connections)
{
    Suite *suite = suite_create("upstream_connections");
    TCase *tcase = UNIT_CASE(suite, "connections", clients_that_leave_while_tcp_still_connects_leave_nothing_behind,
                             a_request_that_a_used_connection_takes_to_its_end_is_sent_once_more_on_a_new_one,
                             one_that_has_brought_a_byte_of_an_answer_is_not_sent_again,
                             an_idle_connection_that_says_something_is_closed,
                             a_request_that_a_used_connection_was_too_late_for_is_sent_once_more_on_a_new_one,
                             a_connection_that_says_more_than_it_was_asked_is_not_used_again,
                             a_connection_that_is_refused_is_an_error_of_the_provider,
                             an_idle_one_that_has_just_said_something_is_not_taken);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
