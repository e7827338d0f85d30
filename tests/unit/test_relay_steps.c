/* Replies that jobs make step by step: what the loop does between the steps, for real. */
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/relay.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_wait.h"
#include "unit.h"
#include "usecases/stepped.h"

enum { SLOW_CLIENT_MS = 30000, WAIT_MS = 7000, PIECE_BYTES = 64 << 10, STEPS_MAX = 64 };

/* A reply over a socket pair whose steps the test prescribes. */
static struct reply {
    struct stepped stepped; /* first */
    struct fake_wait wait;
    int fd, peer;
    enum step_next next[STEPS_MAX]; /* what each step gives back; one that writes is STEP_ON or STEP_OVER */
    size_t waiting;                 /* bytes for which there was no room */
    int held;                       /* by the kernel, when it was looked at */
    int steps, closes;
    bool writes;
} reply;

static struct fake_chat chat;
static struct job_pool *jobs;
static struct relay *relay;
static atomic_llong turned_ms;

static int64_t turned_mono_ms(const struct clock *self)
{
    (void)self;
    return clock_mono_ms(clock_system()) + turned_ms;
}

static int64_t wall_ms(const struct clock *self)
{
    (void)self;
    return clock_wall_ms(clock_system());
}

static const struct clock turned_clock = {.wall_ms = wall_ms, .mono_ms = turned_mono_ms};

static void send_some(void)
{
    static const char bytes[PIECE_BYTES];
    ssize_t sent;

    while (reply.waiting && (sent = send(reply.fd, bytes, reply.waiting < sizeof bytes ? reply.waiting : sizeof bytes,
                                         MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        reply.waiting -= (size_t)sent;
}

static int reply_fd(const struct stepped *self)
{
    (void)self;
    return reply.fd;
}

static enum step_next reply_step(struct stepped *self, const struct chat_ports *ports, int64_t *wait_ms)
{
    enum step_next next;

    (void)self;
    (void)ports;
    fake_wait_lock(&reply.wait);
    next = reply.next[reply.steps++];
    if (reply.writes) {
        reply.waiting += 8 * PIECE_BYTES; /* more than a socket holds */
        send_some();
    }
    *wait_ms = WAIT_MS;
    fake_wait_unlock(&reply.wait);
    return next;
}

static enum listener_state reply_writable(struct stepped *self)
{
    enum listener_state state;

    (void)self;
    fake_wait_lock(&reply.wait);
    send_some();
    state = reply.waiting ? LISTENER_BLOCKED : LISTENER_READY;
    fake_wait_unlock(&reply.wait);
    return state;
}

static bool reply_took(struct stepped *self)
{
    int held = 0, before = reply.held;

    (void)self;
    ioctl(reply.fd, SIOCOUTQ, &held);
    reply.held = held;
    return held < before;
}

static void reply_close(struct stepped *self)
{
    (void)self;
    fake_wait_lock(&reply.wait);
    reply.closes++;
    close(reply.fd);
    reply.fd = -1;
    fake_wait_unlock(&reply.wait);
}

static void set_up(void)
{
    static const struct stepped_ops ops = {
        .fd = reply_fd, .step = reply_step, .writable = reply_writable, .took = reply_took, .close = reply_close};
    const struct chat_ports *each[1] = {&chat.ports};
    int pair[2];

    turned_ms = 0;
    fake_chat_init(&chat);
    memset(&reply, 0, sizeof reply);
    reply.stepped.ops = &ops;
    fake_wait_init(&reply.wait);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    reply.fd = pair[0];
    reply.peer = pair[1];
    jobs = relay_jobs_open(each, 1);
    relay = relay_open(
        &(struct relay_settings){
            .provider = &chat.provider.provider, .clock = &turned_clock, .max_streams = 2, .max_readers_per_user = 1},
        jobs);
    ck_assert_ptr_nonnull(relay);
}

static void close_relay(void)
{
    if (!relay) return;
    relay_drain(relay);
    relay_close(relay);
    job_pool_close(jobs);
    relay = NULL;
}

static void tear_down(void)
{
    close_relay();
    if (reply.fd >= 0) close(reply.fd);
    if (reply.peer >= 0) close(reply.peer);
    fake_wait_fini(&reply.wait);
    fake_chat_fini(&chat);
}

/* Two turns of the loop are over, so what was due is done. */
static void turn_clock(int by_ms)
{
    turned_ms += by_ms;
    for (int i = 0; i < 2; i++) {
        struct admission_ticket *tickets;

        relay_tickets(relay, &tickets);
        free(tickets);
    }
}

static void begin(void)
{
    struct answers *answers = relay_answers(relay);

    ck_assert_int_eq(answers_reserve_reader(answers, "alice"), CHAT_OK);
    answers_step(answers, "alice", &reply.stepped, WAIT_MS);
    turn_clock(0);
}

static bool wait_steps(int count)
{
    bool came;

    FAKE_WAIT_UNTIL(&reply.wait, reply.steps >= count, came);
    turn_clock(0); /* its end has come back to the loop, or will with the next */
    return came;
}

static bool wait_closed(void)
{
    bool came;

    FAKE_WAIT_UNTIL(&reply.wait, reply.closes > 0, came);
    return came;
}

static void assert_place_is_free(void)
{
    struct answers *answers = relay_answers(relay);

    while (relay_live(relay)) turn_clock(0);
    ck_assert_int_eq(answers_reserve_reader(answers, "alice"), CHAT_OK);
    answers_unreserve_reader(answers, "alice");
}

START_TEST(a_step_comes_when_its_time_has_come_and_not_before)
{
    reply.next[0] = reply.next[1] = STEP_LATER;
    reply.next[2] = STEP_OVER;
    begin();
    ck_assert_int_eq(reply.steps, 0);
    turn_clock(WAIT_MS - 1000);
    ck_assert_int_eq(reply.steps, 0);
    turn_clock(1000);
    ck_assert(wait_steps(1));
    while (reply.steps < 3) turn_clock(WAIT_MS);
    ck_assert(wait_closed());
    ck_assert_int_eq(reply.steps, 3);
    assert_place_is_free();
}
END_TEST

static size_t read_some(size_t most)
{
    static char sink[PIECE_BYTES];
    size_t all = 0;
    ssize_t got;

    while (all < most && (got = recv(reply.peer, sink, sizeof sink, MSG_DONTWAIT)) > 0) all += (size_t)got;
    return all;
}

START_TEST(a_body_goes_on_as_its_client_reads)
{
    size_t got = 0;

    reply.writes = true;
    for (int i = 0; i < 3; i++) reply.next[i] = STEP_ON;
    reply.next[3] = STEP_OVER;
    begin();
    turn_clock(WAIT_MS);
    ck_assert(wait_steps(1));
    for (int i = 0; i < 5; i++) turn_clock(1000);
    ck_assert_int_eq(reply.steps, 1); /* what it wrote waits for its client */
    while (reply.closes == 0) {
        got += read_some(SIZE_MAX);
        turn_clock(0);
    }
    got += read_some(SIZE_MAX);
    ck_assert_int_eq(reply.steps, 4);
    ck_assert_uint_eq(got, 4 * 8 * PIECE_BYTES);
    assert_place_is_free();
}
END_TEST

START_TEST(a_client_that_leaves_ends_it)
{
    reply.next[0] = STEP_LATER;
    begin();
    turn_clock(WAIT_MS);
    ck_assert(wait_steps(1));
    close(reply.peer);
    reply.peer = -1;
    ck_assert(wait_closed());
    turn_clock(WAIT_MS);
    ck_assert_int_eq(reply.steps, 1);
    assert_place_is_free();
}
END_TEST

START_TEST(one_that_takes_nothing_for_long_is_let_go)
{
    reply.writes = true;
    reply.next[0] = STEP_ON;
    begin();
    turn_clock(WAIT_MS);
    ck_assert(wait_steps(1));
    for (int i = 0; i < 3; i++) { /* a little at a time is enough */
        turn_clock(SLOW_CLIENT_MS - 6000);
        ck_assert_int_eq(reply.closes, 0);
        read_some(PIECE_BYTES);
        turn_clock(5001);
    }
    turn_clock(SLOW_CLIENT_MS + 1);
    turn_clock(SLOW_CLIENT_MS + 1);
    ck_assert(wait_closed());
    ck_assert_int_eq(reply.steps, 1);
    assert_place_is_free();
}
END_TEST

/* A listener has it by then, which gives the place back when it goes. */
START_TEST(one_that_was_handed_on_is_closed_by_nobody_here)
{
    struct answers *answers = relay_answers(relay);

    reply.next[0] = STEP_HANDED_ON;
    begin();
    turn_clock(WAIT_MS);
    ck_assert(wait_steps(1));
    close(reply.peer);
    reply.peer = -1;
    turn_clock(WAIT_MS);
    ck_assert_int_eq(reply.steps, 1);
    ck_assert_int_eq(reply.closes, 0);
    ck_assert_int_eq(relay_live(relay), 1);
    answers_unreserve_reader(answers, "alice");
}
END_TEST

START_TEST(the_end_of_the_process_closes_it)
{
    reply.next[0] = STEP_LATER;
    begin();
    close_relay();
    ck_assert_int_eq(reply.closes, 1);
    ck_assert_int_eq(reply.steps, 0);
}
END_TEST

UNIT_SUITE(relay_steps)
{
    Suite *suite = suite_create("relay_steps");
    TCase *tcase = UNIT_CASE(suite, "steps", a_step_comes_when_its_time_has_come_and_not_before,
                             a_body_goes_on_as_its_client_reads, a_client_that_leaves_ends_it,
                             one_that_takes_nothing_for_long_is_let_go, one_that_was_handed_on_is_closed_by_nobody_here,
                             the_end_of_the_process_closes_it);

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
