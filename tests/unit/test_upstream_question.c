/*
 * One question to the provider: a loop of its own, a provider's server on loopback, and an owner that notes what it is
 * told. What answers and completions make of it is tested with them.
 */
#include "upstream/question.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_server.h"
#include "tests/fakes/fake_wait.h"
#include "unit.h"
#include "upstream/internal.h"
#include "upstream/upstream.h"

enum { BODY_BYTES = 8 << 20, PACE_MS = 16 };

/* What a test's question does, and what it was told. Under the lock, where the loop runs. */
static struct owner {
    struct question *question;
    char text[64];
    int overs, pieces;
    struct question_end end;
    bool no_room, stops_at_once, finds_fine, paced;
} owner;

static struct fake_chat chat;
static struct fake_server *server;
static struct fake_wait wait_for;
static struct loop loop;
static const struct clock *time_of;
static struct job_pool *jobs;
static struct upstream *upstream;
static const char *const chunks[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_GATE, "c two\nstop\ndone\n", FAKE_HOLD, NULL};

static void open_upstream(int port, const char *fallback_model)
{
    static const void *each[1];
    fake_provider_init(&chat.provider, port);
    each[0] = &chat.ports;
    jobs = job_pool_open(each, 1, NULL);
    const struct upstream_settings settings = {.provider = &chat.provider.provider,
                                               .clock = time_of,
                                               .loop = &loop,
                                               .jobs = jobs,
                                               .max_transfers = 4,
                                               .pace_ms = PACE_MS,
                                               .fallback_model = fallback_model};
    ck_assert(loop_open(&loop, time_of));
    upstream = upstream_open(&settings);
    ck_assert_ptr_nonnull(upstream);
    ck_assert(loop_start(&loop));
}

static void set_up(void)
{
    owner = (struct owner){0};
    time_of = clock_system();
    fake_chat_init(&chat);
    chat.breaker.rule.generation = chat.breaker.spare.generation = 1; /* not at rest: they hear of everything */
    fake_wait_init(&wait_for);
    server = fake_server_open();
}

static void close_upstream(void)
{
    if (!upstream) return;
    job_pool_stop(jobs);
    loop_stop(&loop);
    question_free(owner.question);
    upstream_close(upstream);
    loop_close(&loop);
    job_pool_close(jobs);
    owner.question = NULL;
    upstream = NULL;
}

static void tear_down(void)
{
    close_upstream();
    fake_server_close(server);
    fake_wait_fini(&wait_for);
    fake_chat_fini(&chat);
}

/* ---- the owner ---- */

static bool has_room(void *self)
{
    (void)self;
    fake_wait_lock(&wait_for);
    bool room = !owner.no_room;
    fake_wait_unlock(&wait_for);
    return room;
}

static void count_piece(void *self)
{
    (void)self;
    if (owner.stops_at_once) question_stop(owner.question);
    fake_wait_lock(&wait_for);
    owner.pieces++;
    fake_wait_unlock(&wait_for);
}

static void take_text(void *self, const char *text, size_t len)
{
    (void)self;
    fake_wait_lock(&wait_for);
    strncat(owner.text, text, len);
    fake_wait_unlock(&wait_for);
    if (owner.finds_fine) question_fine(owner.question);
}

static void take_end(void *self, const struct question_end *end)
{
    (void)self;
    fake_wait_lock(&wait_for);
    owner.overs++;
    owner.end = *end;
    fake_wait_unlock(&wait_for);
}

static const struct question_ops ops = {.room = has_room, .bytes = count_piece, .over = take_end};

static void run_ask(struct post *post)
{
    (void)post;
    question_ask(owner.question);
}

static void run_stop(struct post *post)
{
    (void)post;
    question_stop(owner.question);
}

static void run_free(struct post *post)
{
    (void)post;
    question_free(owner.question);
    owner.question = NULL;
}

static void run_resume(struct post *post)
{
    (void)post;
    fake_wait_lock(&wait_for);
    owner.no_room = false;
    fake_wait_unlock(&wait_for);
    question_resume(owner.question);
}

static void on_loop(void (*run)(struct post *))
{
    struct post post = {.run = run};
    loop_call(&loop, &post);
}

/* Takes the body. */
static void ask(char *body, size_t len)
{
    static const struct trace none;
    const struct question_spec spec = {.ops = &ops,
                                       .owner = &owner,
                                       .sink = {.content = take_text, .reasoning = take_text},
                                       .streamed = true,
                                       .body = body,
                                       .body_len = len,
                                       .model = "llama",
                                       .breaker = {.model = "llama", .asked = true},
                                       .trace = &none,
                                       .id_name = "message_id",
                                       .id = "the-question"};
    owner.question = question_new(upstream, &spec);
    on_loop(run_ask);
}

static void ask_shortly(void)
{
    static const char body[] = "model=llama \nuser: Why?\n";
    ask(strdup(body), sizeof body - 1);
}

static void assert_over(enum chat_error error)
{
    bool over;
    FAKE_WAIT_UNTIL(&wait_for, owner.overs > 0, over);
    ck_assert(over);
    ck_assert_str_eq(error_code(owner.end.error), error_code(error));
}

static void assert_piece(void)
{
    bool came;
    FAKE_WAIT_UNTIL(&wait_for, owner.pieces > 0, came);
    ck_assert(came);
}

/* ---- how it ends ---- */

START_TEST(it_ends_once_with_all_that_is_known_of_it)
{
    open_upstream(fake_server_port(server), NULL);
    fake_server_reply(server, chunks);
    ask_shortly();
    assert_piece();
    fake_server_open_gate(server);
    assert_over(CHAT_OK);
    const struct question_facts *facts = question_facts(owner.question);
    ck_assert_str_eq(owner.text, "onetwo");
    ck_assert_int_eq(facts->tries, 1);
    ck_assert_str_eq(facts->model, "llama");
    ck_assert_str_eq(facts->told.finish_reason, "stop");
    ck_assert(facts->answered && facts->ending);
    ck_assert_int_eq(facts->outcome, BREAKER_SUCCESS);
    on_loop(run_stop);
    close_upstream();
    ck_assert_int_eq(owner.overs, 1);
}
END_TEST

START_TEST(one_that_is_stopped_within_a_piece_says_no_more_and_its_connection_is_closed)
{
    open_upstream(fake_server_port(server), NULL);
    fake_server_reply(server, chunks);
    owner.stops_at_once = true;
    ask_shortly();
    assert_piece();
    fake_server_open_gate(server);
    ck_assert(fake_server_wait_left(server, 1));
    close_upstream();
    ck_assert_int_eq(owner.overs, 0);
    ck_assert_int_eq(owner.pieces, 1);
    ck_assert_str_eq(owner.text, "one");
}
END_TEST

START_TEST(what_has_no_room_is_kept_until_there_is)
{
    open_upstream(fake_server_port(server), NULL);
    fake_server_reply(server, chunks);
    owner.no_room = true;
    fake_server_open_gate(server);
    ask_shortly();
    ck_assert(fake_server_wait_requests(server, 1));
    usleep(50000);
    ck_assert_int_eq(owner.pieces, 0);
    on_loop(run_resume);
    assert_over(CHAT_OK);
    ck_assert_str_eq(owner.text, "onetwo");
}
END_TEST

/* What the decoder held comes out with the end, and says nothing in favour of a provider that fell silent. */
START_TEST(a_timeout_is_the_models_fault_whatever_text_comes_with_it)
{
    static const char *const silent[] = {FAKE_STREAM_HEAD, "held <th\n", FAKE_HOLD, NULL};
    open_upstream(fake_server_port(server), NULL);
    chat.provider.provider.idle_timeout_ms = 20;
    fake_server_reply(server, silent);
    owner.finds_fine = true;
    ask_shortly();
    assert_over(CHAT_ERR_UPSTREAM_TIMEOUT);
    ck_assert_str_eq(owner.text, "<th");
    ck_assert_int_eq(question_facts(owner.question)->outcome, BREAKER_FAILURE);
}
END_TEST

/* ---- one that flows ---- */

static int64_t stands_at_ms; /* the time, until the test moves it */

static int64_t standing_ms(const struct clock *self)
{
    (void)self;
    return __atomic_load_n(&stands_at_ms, __ATOMIC_SEQ_CST);
}

static void never_sleeps(const struct clock *self, int64_t ms)
{
    (void)self;
    (void)ms;
}

/* As if the loop had been found busy, and wasn't looked at again. */
static void run_pace(struct post *post)
{
    (void)post;
    upstream->pace.now_ms = upstream->pace.max_ms;
    upstream->pace.measured_ms = INT64_MAX / 2;
}

static void look_at_pace(struct post *post)
{
    (void)post;
    owner.paced = upstream->pace.first != NULL;
}

static void wait_for_pieces(int count)
{
    bool came;
    FAKE_WAIT_UNTIL(&wait_for, owner.pieces >= count, came);
    ck_assert_msg(came, "%d pieces", owner.pieces);
}

START_TEST(one_that_flows_is_read_when_the_pace_allows_and_its_end_too)
{
    static const struct clock standing = {standing_ms, standing_ms, never_sleeps};
    static const char *const flow[] = {
        FAKE_STREAM_HEAD, "c 1\n",   FAKE_GATE,           "c 2\n", FAKE_GATE, "c 3\n", FAKE_GATE,
        "c 4\n",          FAKE_GATE, "c 5\nstop\ndone\n", NULL};
    stands_at_ms = clock_mono_ms(clock_system());
    time_of = &standing;
    open_upstream(fake_server_port(server), NULL);
    fake_server_reply(server, flow);
    on_loop(run_pace);
    ask_shortly();
    for (int i = 1; i <= 4; i++) { /* the first ones come at once, though no time passes */
        wait_for_pieces(i);
        fake_server_open_gate(server);
    }
    on_loop(look_at_pace);
    ck_assert(owner.paced);
    ck_assert_int_eq(owner.overs, 0);
    while (!owner.overs || owner.paced) { /* what has come by then is read, the end of the connection too */
        __atomic_add_fetch(&stands_at_ms, PACE_MS, __ATOMIC_SEQ_CST);
        on_loop(look_at_pace);
    }
    assert_over(CHAT_OK);
    ck_assert_str_eq(owner.text, "12345");
}
END_TEST

/* ---- a connection that is kept ---- */

static void turn(struct post *post)
{
    (void)post;
}

START_TEST(an_idle_connection_is_closed_when_its_time_is_over)
{
    static const struct clock standing = {standing_ms, standing_ms, never_sleeps};
    static const char *const kept[] = {
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 16\r\n\r\n"
        "c one\nstop\ndone\n",
        FAKE_HOLD, NULL};
    stands_at_ms = clock_mono_ms(clock_system());
    time_of = &standing;
    open_upstream(fake_server_port(server), NULL);
    fake_server_reply(server, kept);
    ask_shortly();
    assert_over(CHAT_OK);
    on_loop(turn); /* it is idle now */
    __atomic_add_fetch(&stands_at_ms, 110000, __ATOMIC_SEQ_CST);
    on_loop(turn);
    ck_assert(fake_server_wait_left(server, 1));
}
END_TEST

/* ---- the way to the fallback ---- */

/* Holds the one job thread until the test lets it go. */
static struct held_job {
    struct job job;
    bool begun, let_go;
} held;

static void run_held(struct job *job, const void *context)
{
    (void)job;
    (void)context;
    bool let_go;
    fake_wait_lock(&wait_for);
    held.begun = true;
    fake_wait_unlock(&wait_for);
    FAKE_WAIT_UNTIL(&wait_for, held.let_go, let_go);
    ck_assert(let_go);
}

static void hold_jobs(void)
{
    bool begun;
    held = (struct held_job){.job.run = run_held};
    job_pool_submit(jobs, &held.job);
    FAKE_WAIT_UNTIL(&wait_for, held.begun, begun);
    ck_assert(begun);
}

static void let_jobs_go(void)
{
    fake_wait_lock(&wait_for);
    held.let_go = true;
    fake_wait_unlock(&wait_for);
}

static void look_for_ticket(struct post *post)
{
    (void)post;
    owner.pieces = !question_facts(owner.question)->breaker.asked;
}

START_TEST(one_that_goes_on_the_way_to_the_fallback_is_waited_for_by_nobody)
{
    static const char *const busy[] = {"HTTP/1.1 429 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", NULL};
    open_upstream(fake_server_port(server), "spare");
    fake_server_reply(server, busy);
    hold_jobs();
    ask_shortly();
    while (!owner.pieces) on_loop(look_for_ticket); /* until the job has it */
    on_loop(run_stop);
    on_loop(run_free);
    let_jobs_go();
    while (fake_breaker_reports(&chat.breaker, BREAKER_NEITHER) == 0) usleep(1000); /* the fallback's ticket is back */
    close_upstream();
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_int_eq(owner.overs, 0);
}
END_TEST

/* The loop is busy until the job threads have ended. */
static void run_stop_and_end_jobs(struct post *post)
{
    run_stop(post);
    run_free(post);
    let_jobs_go();
    job_pool_stop(jobs);
}

START_TEST(the_fallbacks_ticket_is_given_back_though_no_other_job_runs_any_more)
{
    static const char *const busy[] = {"HTTP/1.1 429 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", NULL};
    open_upstream(fake_server_port(server), "spare");
    fake_server_reply(server, busy);
    hold_jobs();
    ask_shortly();
    while (!owner.pieces) on_loop(look_for_ticket); /* until the job has it */
    on_loop(run_stop_and_end_jobs);
    close_upstream();
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 1);
}
END_TEST

/* ---- a provider that answers early ---- */

static char *long_body(void)
{
    char *body = malloc(BODY_BYTES);
    ck_assert_ptr_nonnull(body);
    memset(body, 'x', BODY_BYTES);
    return body;
}

/* Reads head and body; gives how many bytes of the body are as they were sent. */
static size_t read_body(int fd)
{
    static char bytes[1 << 16];
    size_t right = 0;
    ssize_t got;
    while (right < BODY_BYTES && (got = recv(fd, bytes, sizeof bytes, 0)) > 0)
        for (ssize_t i = 0; i < got; i++) right += bytes[i] == 'x';
    return right;
}

/* A provider that reads when the test does. Returns the connection of a question with a long body. */
static int accept_long_question(int *listen_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int small = 65536;
    *listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(*listen_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ck_assert_int_eq(bind(*listen_fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(*listen_fd, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(*listen_fd, 1), 0);
    open_upstream(ntohs(address.sin_port), NULL);
    ask(long_body(), BODY_BYTES);
    int fd = accept4(*listen_fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

START_TEST(the_body_stays_until_the_provider_has_read_it_though_the_answer_is_whole)
{
    static const char reply[] = FAKE_STREAM_HEAD "c early\nstop\ndone\n";
    int listen_fd, fd = accept_long_question(&listen_fd);
    ck_assert_int_eq(send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL), sizeof reply - 1);
    assert_over(CHAT_OK);
    ck_assert_uint_ge(read_body(fd), BODY_BYTES);
    close(fd);
    close(listen_fd);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* whose malloc doesn't count for mallinfo2 */
START_TEST(a_body_that_was_sent_is_let_go_as_soon_as_the_answer_shows)
{
    static const char reply[] = FAKE_STREAM_HEAD "c text\n";
    int listen_fd, fd = accept_long_question(&listen_fd);
    owner.finds_fine = true;
    ck_assert_uint_ge(read_body(fd), BODY_BYTES);
    size_t before = mallinfo2().hblkhd;
    ck_assert_uint_ge(before, BODY_BYTES); /* so long a one has pages of its own */
    ck_assert_int_eq(send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL), sizeof reply - 1);
    assert_piece();
    ck_assert_uint_le(mallinfo2().hblkhd, before - BODY_BYTES);
    close(fd);
    assert_over(CHAT_ERR_UPSTREAM_INVALID_RESPONSE);
    close(listen_fd);
}
END_TEST
#endif

UNIT_SUITE(upstream_question)
{
    Suite *suite = suite_create("upstream_question");
    TCase *tcase = UNIT_CASE(
        suite, "asking", it_ends_once_with_all_that_is_known_of_it,
        one_that_is_stopped_within_a_piece_says_no_more_and_its_connection_is_closed,
        what_has_no_room_is_kept_until_there_is, one_that_flows_is_read_when_the_pace_allows_and_its_end_too,
        an_idle_connection_is_closed_when_its_time_is_over, a_timeout_is_the_models_fault_whatever_text_comes_with_it,
        one_that_goes_on_the_way_to_the_fallback_is_waited_for_by_nobody,
        the_fallbacks_ticket_is_given_back_though_no_other_job_runs_any_more,
        the_body_stays_until_the_provider_has_read_it_though_the_answer_is_whole);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(tcase, a_body_that_was_sent_is_let_go_as_soon_as_the_answer_shows);
#endif
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
