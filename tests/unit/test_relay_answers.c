/*
 * The relay for real: its thread, its job threads, and a provider's server on loopback, with fake stores behind it.
 * Every wait is for something to happen, never for time to pass; where time counts, the clock is turned.
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "relay/relay.h"
#include "sambanova/provider.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_listener.h"
#include "tests/fakes/fake_server.h"
#include "unit.h"
#include "usecases/send_message.h"
#include "usecases/stop_message.h"

enum { JOB_THREADS = 2, PING_MS = 15000, SLOW_CLIENT_MS = 30000, READERS_A_USER = 3 };

static struct fake_chat chat;
static struct fake_server *server;
static struct job_pool *jobs, *other_jobs, *log_jobs; /* the last: NULL where a test wants none */
static struct relay *relay, *other;                   /* the second plays another process with the same stores */
static struct fake_listener listener, second;
static char answer_id[UUID_TEXT_SIZE];
static const char *fallback_model;
static bool keep_warm;

/* The machine's clock, and what the test has turned it forward by. */
static atomic_llong turned_ms;
static atomic_llong stopped_at_ms; /* not 0: only turning moves it */
static atomic_int turns;           /* the relay looks at the clock once a turn, or little more */

static int64_t turned_wall_ms(const struct clock *self)
{
    (void)self;
    return clock_wall_ms(clock_system()) + turned_ms;
}

static int64_t turned_mono_ms(const struct clock *self)
{
    (void)self;
    turns++;
    return (stopped_at_ms ? stopped_at_ms : clock_mono_ms(clock_system())) + turned_ms;
}

/* Time passes for who would sleep. */
static void turned_sleep_ms(const struct clock *self, int64_t ms)
{
    (void)self;
    turned_ms += ms;
}

static const struct clock turned_clock = {turned_wall_ms, turned_mono_ms, turned_sleep_ms};

static void set_up(void)
{
    turned_ms = stopped_at_ms = 0;
    fallback_model = NULL;
    keep_warm = false;
    log_jobs = NULL;
    relay = other = NULL;
    fake_chat_init(&chat);
    chat.breaker.rule.generation = 1; /* not at rest: it hears of everything */
    chat.ports.clock = &turned_clock;
    server = fake_server_open();
    fake_provider_init(&chat.provider, fake_server_port(server));
    fake_listener_init(&listener);
    fake_listener_init(&second);
}

/* After the provider's timeouts are as the test wants them. */
static void open_relay_for(const struct provider *provider, int grace_ms, int max_streams)
{
    const struct chat_ports *each[JOB_THREADS] = {&chat.ports, &chat.ports};
    const struct relay_settings settings = {.provider = provider,
                                            .clock = &turned_clock,
                                            .max_streams = max_streams,
                                            .max_readers_per_user = READERS_A_USER,
                                            .detach_grace_ms = grace_ms,
                                            .keep_warm = keep_warm,
                                            .log_jobs = log_jobs,
                                            .fallback_model = fallback_model};

    jobs = relay_jobs_open(each, JOB_THREADS);
    relay = relay_open(&settings, jobs);
    ck_assert_ptr_nonnull(relay);
    chat.ports.provider = provider;
    chat.ports.answers = relay_answers(relay);
}

static void open_relay(int grace_ms)
{
    open_relay_for(&chat.provider.provider, grace_ms, 10);
}

static void close_relay(void)
{
    if (!relay) return;
    relay_drain(relay);
    relay_close(relay);
    job_pool_close(jobs);
    job_pool_close(log_jobs);
    relay = NULL;
}

static void open_other_for(int max_streams)
{
    const struct chat_ports *each[JOB_THREADS] = {&chat.ports, &chat.ports};
    const struct relay_settings settings = {.provider = &chat.provider.provider,
                                            .clock = &turned_clock,
                                            .max_streams = max_streams,
                                            .max_readers_per_user =
                                                max_streams > READERS_A_USER ? max_streams : READERS_A_USER,
                                            .detach_grace_ms = 30000};

    other_jobs = relay_jobs_open(each, JOB_THREADS);
    other = relay_open(&settings, other_jobs);
    ck_assert_ptr_nonnull(other);
}

static void open_other(void)
{
    open_other_for(10);
}

static void close_other(void)
{
    if (!other) return;
    relay_drain(other);
    relay_close(other);
    job_pool_close(other_jobs);
    other = NULL;
}

static void tear_down(void)
{
    close_other();
    close_relay();
    log_set_fd(STDERR_FILENO);
    log_set_level(LOG_INFO);
    fake_server_close(server);
    fake_listener_fini(&listener);
    fake_listener_fini(&second);
    fake_chat_fini(&chat);
}

/* The loop has looked at the clock, and has done what was due: the second answer comes in a later turn. */
static void turn_clock(int by_ms)
{
    turned_ms += by_ms;
    for (int i = 0; i < 2; i++) {
        struct admission_ticket *tickets;

        relay_tickets(relay ? relay : other, &tickets);
        free(tickets);
    }
}

static void ask_of(struct fake_listener *to, const char *session_id)
{
    const struct send_message in = {
        .caller = &chat.alice, .session_id = session_id, .content = "Why?", .content_len = 4};
    struct problem problem = {0};
    struct ready_answer ready;

    ck_assert_int_eq(send_message(&chat.ports, &in, &chat.arena, &problem, &ready), CHAT_OK);
    memcpy(answer_id, ready.answer.id, UUID_TEXT_SIZE);
    ready.spec.request_id = "req-1";
    answers_start(chat.ports.answers, &ready.spec, &to->listener);
}

static void ask_for(struct fake_listener *to)
{
    ask_of(to, NULL);
}

static void ask(void)
{
    ask_for(&listener);
}

static struct message row(void)
{
    struct message message = {0};

    ck_assert(fake_repo_message(chat.repo, answer_id, &message));
    return message;
}

static bool attach_to(struct relay *to, struct fake_listener *reader)
{
    struct answers *answers = relay_answers(to);
    const struct quota quota = {0};
    struct message message = row();
    struct session session;
    const struct answer_attach attach = {
        .caller = &chat.alice, .answer = &message, .session = &session, .quota = &quota, .request_id = "req-2"};

    ck_assert_int_eq(session_repo_get(chat.ports.sessions, "alice", message.session_id, &chat.arena, &session),
                     CHAT_OK);
    if (answers_reserve_reader(answers, "alice") != CHAT_OK) return false;
    answers_attach(answers, &attach, &reader->listener);
    return true;
}

static bool attach_second(struct relay *to)
{
    return attach_to(to, &second);
}

/* Ended with this code (CHAT_OK: done), told once, stored as told, lease ended, place free again. */
static void assert_ended(struct fake_listener *to, enum chat_error error, enum message_status status)
{
    ck_assert(fake_listener_wait_end(to));
    ck_assert(fake_listener_wait_closed(to));
    ck_assert_str_eq(error_code(to->error), error_code(error));
    ck_assert_int_eq(to->final.status, status);
    ck_assert_int_eq(to->ends, 1);
    ck_assert_int_eq(to->closes, 1);
    ck_assert_int_eq(to->opens, 1);
    ck_assert(!to->went_back);
    ck_assert(fake_repo_wait_ended(chat.repo, answer_id));
    ck_assert(fake_admission_wait_settled(&chat.admission, 1));
    ck_assert_int_eq(row().status, status);
    close_relay();
    ck_assert_int_eq(fake_repo_writes(chat.repo, answer_id), 1);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 1);
}

static const char *const hello[] = {FAKE_STREAM_HEAD, "c Hel\n", "c lo\nusage 7 2\nstop\ndone\n", NULL};

/* ---- a whole answer ---- */

START_TEST(an_answer_is_told_and_then_stored_with_its_usage)
{
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_str_eq(listener.content, "Hello");
    ck_assert_str_eq(row().content, "Hello");
    ck_assert_str_eq(row().finish_reason, "stop");
    ck_assert_int_eq(row().usage.prompt_tokens, 7);
    ck_assert_int_eq(row().token_count, 2);
    ck_assert(!row().tokens_estimated);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 0);
    ck_assert_int_eq(listener.session.message_count, 2);
}
END_TEST

START_TEST(the_provider_gets_prompt_and_key_over_http_1_1)
{
    const char *request;

    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    request = fake_server_request(server, 0);
    ck_assert_int_eq(strncmp(request, "POST /v1/chat/completions HTTP/1.1\r\n", 36), 0);
    ck_assert_ptr_nonnull(strstr(request, "\r\nAuthorization: Bearer key-of-the-fake\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\n\r\nmodel=llama max_tokens=2048\nuser: Why?\n"));
    ck_assert_ptr_null(strstr(request, "Expect:"));
}
END_TEST

START_TEST(done_comes_only_after_the_row_is_written_and_the_lease_ended)
{
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_end(&listener));
    ck_assert_int_eq(fake_repo_writes(chat.repo, answer_id), 1);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 1);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(reasoning_is_kept_apart_from_content)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD, "r hm\nr m\nc Yes\nstop\n", NULL};

    fake_server_reply(server, reply);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_str_eq(listener.content, "Yes");
    ck_assert_uint_eq(listener.reasoning_len, 3);
    ck_assert_str_eq(row().reasoning, "hmm");
    ck_assert(row().tokens_estimated); /* the provider told none */
}
END_TEST

START_TEST(the_end_marker_ends_the_answer_though_the_connection_stays_open)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD, "c Hi\nstop\ndone\n", FAKE_HOLD, NULL};

    fake_server_reply(server, reply);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert(fake_server_wait_left(server, 1));
}
END_TEST

START_TEST(the_real_decoder_of_the_provider_works_in_the_loop)
{
    static const char *const reply[] = {
        FAKE_STREAM_HEAD,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Gr\xc3",
        "\xbc\xc3\x9f\"}}]}\n\n: comment\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"e\"},",
        "\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n\n",
        "data: [DONE]\n\n",
        NULL,
    };
    char *base = arena_printf(&chat.arena, "http://127.0.0.1:%d/v1", fake_server_port(server));
    const struct sambanova_settings settings = {.api_key = "k",
                                                .api_base = base,
                                                .connect_timeout_ms = 5000,
                                                .first_byte_timeout_ms = 20000,
                                                .idle_timeout_ms = 20000,
                                                .total_timeout_ms = 60000};
    const char *problem;
    struct provider *provider = sambanova_open(&settings, &problem);

    ck_assert_ptr_nonnull(provider);
    fake_server_reply(server, reply);
    open_relay_for(provider, 30000, 10);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_str_eq(listener.content, "Gr\xc3\xbc\xc3\x9f"
                                       "e");
    ck_assert_int_eq(row().usage.total_tokens, 7);
    sambanova_close(provider);
}
END_TEST

START_TEST(answers_one_after_another_leave_no_place_taken)
{
    chat.policy.rate_limit_per_minute = 30;
    open_relay_for(&chat.provider.provider, 30000, 1);
    for (int i = 0; i < 30; i++) {
        struct fake_listener each;

        fake_listener_init(&each);
        fake_server_reply(server, hello);
        ask_for(&each);
        ck_assert(fake_listener_wait_closed(&each));
        ck_assert_str_eq(each.content, "Hello");
        ck_assert(fake_admission_wait_settled(&chat.admission, i + 1));
        while (relay_live(relay)) turn_clock(0); /* the place comes back at the end of the turn */
        fake_listener_fini(&each);
    }
}
END_TEST

/* ---- who is attached ---- */

static const char *const slow[] = {FAKE_STREAM_HEAD,        "c one\n", FAKE_GATE, "c two\n", FAKE_GATE,
                                   "c three\nstop\ndone\n", NULL};
static const char *const endless[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_HOLD, NULL};

START_TEST(who_attaches_later_gets_all_of_the_text)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_content(&second, "one"));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&listener, "onetwo"));
    ck_assert(fake_listener_wait_content(&second, "onetwo"));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "onetwothree");
    ck_assert_int_eq(second.ends, 1);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(a_client_that_reads_slowly_holds_nobody_up_and_gets_all_later)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    fake_listener_block(&second);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_blocked(&second));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&listener, "onetwo"));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&listener));
    ck_assert_str_eq(listener.content, "onetwothree");
    ck_assert(fake_listener_wait_content(&second, ""));
    ck_assert_int_eq(fake_listener_ends(&second), 0);
    fake_listener_unblock(&second);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "onetwothree");
    ck_assert_int_eq(second.writables, 1);
    ck_assert_int_eq(second.ends, 1);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(a_client_that_takes_nothing_for_long_is_let_go)
{
    fake_server_reply(server, slow);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(600000);
    fake_listener_block(&second);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_blocked(&second));
    turn_clock(SLOW_CLIENT_MS + 1);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_int_eq(second.ends, 0);
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

/* Its socket stays full for the kernel, which tells of room only once most of it is read. */
START_TEST(any_byte_that_a_slow_client_takes_renews_its_time)
{
    char some[512];

    fake_server_reply(server, slow);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(600000);
    fake_listener_block(&second);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_blocked(&second));
    for (int i = 0; i < 4; i++) { /* 80 s in all */
        turn_clock(SLOW_CLIENT_MS - 10000);
        for (int taken = 0; taken < 8192; taken += (int)sizeof some)
            ck_assert_int_eq(recv(second.peer, some, sizeof some, MSG_DONTWAIT), (int)sizeof some);
        turn_clock(1);
        ck_assert_int_eq(fake_listener_closes(&second), 0);
    }
    ck_assert_int_eq(second.writables, 0);
    turn_clock(SLOW_CLIENT_MS + 5001); /* what it took last is seen first */
    turn_clock(SLOW_CLIENT_MS + 5001);
    ck_assert(fake_listener_wait_closed(&second));
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(a_blocked_client_makes_no_turns_and_is_given_neither_pings_nor_titles)
{
    int before;

    fake_server_reply(server, slow);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(600000);
    fake_listener_block(&listener);
    ask();
    ck_assert(fake_listener_wait_blocked(&listener));
    stopped_at_ms = turned_mono_ms(&turned_clock) - turned_ms; /* what comes due comes at once, and then nothing */
    for (int at = 0; at < 29; at++) {
        turn_clock(1000);
        before = turns;
        turn_clock(0);
        turn_clock(0);
        ck_assert_int_lt(turns - before, 40);
    }
    ck_assert_int_eq(fake_listener_pings(&listener), 0);
    ck_assert_int_eq(fake_listener_closes(&listener), 0);
    stopped_at_ms = 0;
    turn_clock(SLOW_CLIENT_MS);
    ck_assert(fake_listener_wait_closed(&listener));
}
END_TEST

/* ---- who comes after the end ---- */

static void finished_answer(const char *content, enum message_status status)
{
    const char *id = fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", content, status);

    memcpy(answer_id, id, UUID_TEXT_SIZE);
}

START_TEST(an_answer_that_is_over_is_shown_by_the_loop)
{
    finished_answer("Because", MESSAGE_COMPLETE);
    open_relay(30000);
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "Because");
    ck_assert_int_eq(second.opens, 1);
    ck_assert_int_eq(second.ends, 1);
    ck_assert_int_eq(second.error, CHAT_OK);
    ck_assert_int_eq(second.final.status, MESSAGE_COMPLETE);
    while (relay_live(relay)) turn_clock(0);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_GET), 0); /* its row is known: nobody asks again */
    ck_assert_int_eq(fake_log_exchanges(&chat.log), 0);
}
END_TEST

START_TEST(how_it_ended_is_told_by_the_loop_too)
{
    finished_answer("Bec", MESSAGE_INTERRUPTED);
    open_relay(30000);
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "Bec");
    ck_assert_str_eq(error_code(second.error), "interrupted");
}
END_TEST

START_TEST(a_reader_that_takes_nothing_is_let_go_and_gives_its_place_back)
{
    finished_answer("Because", MESSAGE_COMPLETE);
    open_relay(30000);
    fake_listener_block(&second);
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_blocked(&second));
    ck_assert_int_eq(relay_live(relay), 1);
    turn_clock(SLOW_CLIENT_MS + 1);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_int_eq(second.ends, 0);
    while (relay_live(relay)) turn_clock(0);
}
END_TEST

/* Of an answer that is over, or is being written: places of readers, so many for a user and so many in all. */
START_TEST(readers_take_no_place_of_answers_and_one_user_has_only_so_many)
{
    struct fake_listener readers[READERS_A_USER];
    struct answers *answers;

    open_relay_for(&chat.provider.provider, 30000, READERS_A_USER + 1);
    answers = relay_answers(relay);
    finished_answer("Because", MESSAGE_COMPLETE);
    for (int i = 0; i < READERS_A_USER; i++) {
        fake_listener_init(&readers[i]);
        fake_listener_block(&readers[i]);
        ck_assert(attach_to(relay, &readers[i]));
    }
    ck_assert_int_eq(answers_reserve_reader(answers, "alice"), CHAT_ERR_TOO_MANY_STREAMS);
    ck_assert_int_eq(answers_reserve_reader(answers, "bob"), CHAT_OK);
    ck_assert_int_eq(answers_reserve_reader(answers, "carol"), CHAT_ERR_OVERLOADED);
    answers_unreserve_reader(answers, "bob");
    fake_server_reply(server, hello);
    ask(); /* there is a place for a question */
    ck_assert(fake_listener_wait_closed(&listener));
    ck_assert_str_eq(listener.content, "Hello");
    fake_listener_leave(&readers[0]);
    ck_assert(fake_listener_wait_closed(&readers[0]));
    while (relay_live(relay) > READERS_A_USER - 1) turn_clock(0);
    ck_assert_int_eq(answers_reserve_reader(answers, "alice"), CHAT_OK);
    answers_unreserve_reader(answers, "alice");
    relay_refuse(relay);
    ck_assert_int_eq(answers_reserve_reader(answers, "dave"), CHAT_ERR_SHUTTING_DOWN);
    close_relay(); /* a drain lets readers go */
    for (int i = 0; i < READERS_A_USER; i++) {
        ck_assert_int_eq(readers[i].closes, 1);
        fake_listener_fini(&readers[i]);
    }
}
END_TEST

START_TEST(a_listener_that_is_gone_is_closed_once)
{
    fake_server_reply(server, hello);
    listener.gone = true;
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_closed(&listener));
    ck_assert(fake_repo_wait_ended(chat.repo, answer_id));
    close_relay();
    ck_assert_int_eq(row().status, MESSAGE_COMPLETE); /* within the grace */
    ck_assert_int_eq(listener.closes, 1);
    ck_assert_int_eq(listener.ends, 0);
}
END_TEST

START_TEST(without_grace_the_answer_ends_when_the_last_client_leaves)
{
    fake_server_reply(server, endless);
    open_relay(0);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    fake_listener_leave(&listener);
    ck_assert(fake_server_wait_left(server, 1)); /* upstream is closed */
    ck_assert(fake_repo_wait_ended(chat.repo, answer_id));
    ck_assert(fake_admission_wait_settled(&chat.admission, 1));
    close_relay();
    ck_assert_int_eq(row().status, MESSAGE_STOPPED);
    ck_assert_str_eq(row().content, "one");
    ck_assert(row().tokens_estimated);
    ck_assert_int_eq(listener.closes, 1);
}
END_TEST

START_TEST(with_another_client_attached_it_goes_on)
{
    fake_server_reply(server, slow);
    open_relay(0);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ck_assert(attach_second(relay));
    fake_listener_leave(&listener);
    ck_assert(fake_listener_wait_closed(&listener));
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "onetwothree");
    ck_assert_int_eq(second.error, CHAT_OK);
}
END_TEST

START_TEST(the_grace_runs_from_when_the_last_client_left)
{
    fake_server_reply(server, endless);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(60000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    fake_listener_leave(&listener);
    ck_assert(fake_listener_wait_closed(&listener));
    turn_clock(59000);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    turn_clock(2000);
    ck_assert(fake_repo_wait_ended(chat.repo, answer_id));
    ck_assert_int_eq(row().status, MESSAGE_STOPPED);
    ck_assert(fake_server_wait_left(server, 1));
}
END_TEST

START_TEST(who_comes_back_within_the_grace_ends_it)
{
    fake_server_reply(server, slow);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(60000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    fake_listener_leave(&listener);
    ck_assert(fake_listener_wait_closed(&listener));
    ck_assert(attach_second(relay));
    turn_clock(120000);
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "onetwothree");
    ck_assert_int_eq(second.final.status, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(silence_is_bridged_by_pings)
{
    fake_server_reply(server, slow);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    turn_clock(PING_MS - 1000);
    ck_assert_int_eq(fake_listener_pings(&listener), 0);
    turn_clock(1001);
    ck_assert(fake_listener_wait_pings(&listener, 1));
    turn_clock(PING_MS);
    ck_assert(fake_listener_wait_pings(&listener, 2));
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(text_puts_the_next_ping_off)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    turn_clock(PING_MS - 1000);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&listener, "onetwo"));
    turn_clock(PING_MS - 1000);
    ck_assert_int_eq(fake_listener_pings(&listener), 0);
    turn_clock(1001);
    ck_assert(fake_listener_wait_pings(&listener, 1));
}
END_TEST

START_TEST(who_comes_later_does_not_put_the_ping_of_others_off)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    turn_clock(PING_MS - 1000);
    ck_assert(attach_second(relay));
    ck_assert(fake_listener_wait_content(&second, "one"));
    turn_clock(1001);
    ck_assert(fake_listener_wait_pings(&listener, 1));
}
END_TEST

/* ---- stopping ---- */

START_TEST(a_stop_keeps_the_text_and_closes_upstream)
{
    struct stopping stopping = {0};
    struct message message;
    int64_t wait_ms;

    fake_server_reply(server, endless);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    do { /* as the jobs of a stop look */
        ck_assert_int_eq(stop_message(&chat.ports, &chat.alice, answer_id, &stopping, &chat.arena, &message, &wait_ms),
                         CHAT_OK);
        if (wait_ms) fake_repo_wait_ended(chat.repo, answer_id);
    } while (wait_ms);
    ck_assert_int_eq(message.status, MESSAGE_STOPPED);
    ck_assert_str_eq(message.content, "one");
    ck_assert(fake_server_wait_left(server, 1));
    assert_ended(&listener, CHAT_OK, MESSAGE_STOPPED);
}
END_TEST

START_TEST(an_answer_that_is_not_here_cannot_be_stopped)
{
    open_relay(30000);
    ck_assert_int_eq(answers_stop(chat.ports.answers, "00000000-0000-7000-8000-000000000000"), STOP_NOT_HERE);
}
END_TEST

START_TEST(two_stops_at_once_are_one)
{
    struct answers *answers;

    fake_server_reply(server, endless);
    open_relay(30000);
    answers = relay_answers(relay);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    fake_admission_hold_settle(&chat.admission, true); /* so that the answer is not over before the second */
    for (int i = 0; i < 2; i++) ck_assert_int_eq(answers_stop(answers, answer_id), STOP_REQUESTED);
    fake_admission_hold_settle(&chat.admission, false);
    assert_ended(&listener, CHAT_OK, MESSAGE_STOPPED);
}
END_TEST

/* (F) */
START_TEST(who_only_follows_an_answer_does_not_claim_to_have_stopped_it)
{
    fake_server_reply(server, endless);
    open_relay(30000);
    open_other();
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_content(&second, "one"));
    ck_assert_int_eq(answers_stop(relay_answers(other), answer_id), STOP_NOT_HERE);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    ck_assert_int_eq(answers_stop(relay_answers(relay), answer_id), STOP_REQUESTED);
    ck_assert(fake_listener_wait_closed(&second));
    assert_ended(&listener, CHAT_OK, MESSAGE_STOPPED);
}
END_TEST

/* ---- the provider fails ---- */

static const char *const busy[] = {"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy", NULL};

START_TEST(a_503_is_asked_again_before_any_text)
{
    fake_server_reply(server, busy);
    fake_server_reply(server, busy);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_int_eq(fake_server_requests(server), 3);
    ck_assert_str_eq(fake_server_request(server, 2), fake_server_request(server, 0));
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 0);
}
END_TEST

START_TEST(after_three_tries_the_answer_fails_and_the_daily_unit_comes_back)
{
    for (int i = 0; i < 4; i++) fake_server_reply(server, busy);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_UPSTREAM_ERROR, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 3);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 1);
    ck_assert(!row().tokens_estimated);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
}
END_TEST

START_TEST(retry_after_is_honoured_within_bounds)
{
    static const char *const soon[] = {"HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", NULL};
    int64_t asked_ms;

    fake_server_reply(server, soon);
    fake_server_reply(server, hello);
    open_relay(30000);
    asked_ms = clock_mono_ms(clock_system());
    ask();
    ck_assert(fake_server_wait_requests(server, 2));
    ck_assert_int_ge(clock_mono_ms(clock_system()) - asked_ms, 990);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

/* The body of request `index` asks for this model, and is else the first one's. */
static void assert_asked(int index, const char *model)
{
    const char *first = strstr(fake_server_request(server, 0), "model="), *rest = strchr(first, ' ');
    const char *body = strstr(fake_server_request(server, index), "model=");
    size_t len = strlen(model);

    ck_assert_msg(strncmp(body + 6, model, len) == 0 && body[6 + len] == ' ', "asked for: %.40s", body);
    ck_assert_str_eq(body + 6 + len, rest);
}

/* (B5, retries-multiply) */
START_TEST(a_429_is_not_asked_again_and_the_model_rests)
{
    static const char *const soon[] = {"HTTP/1.1 429 No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", NULL};

    fake_server_reply(server, soon);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_UPSTREAM_RATE_LIMITED, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_int_eq(listener.retry_after_s, 2);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(chat.breaker.rest_s, 2);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 1);
}
END_TEST

START_TEST(a_429_goes_to_the_fallback_at_once_and_both_breakers_hear_of_it)
{
    static const char *const soon[] = {"HTTP/1.1 429 No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", NULL};

    fallback_model = "the-spare";
    chat.breaker.spare.failures = 1;
    fake_server_reply(server, soon);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_int_eq(fake_server_requests(server), 2);
    assert_asked(1, "the-spare");
    ck_assert_str_eq(row().model, "the-spare");
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
    ck_assert(breaker_rests(&chat.breaker.rule, clock_wall_ms(&chat.clock.clock)));
    ck_assert_int_eq(chat.breaker.spare.failures, 0);
}
END_TEST

START_TEST(a_fallback_that_rests_too_is_not_asked)
{
    static const char *const soon[] = {"HTTP/1.1 429 No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", NULL};

    fallback_model = "the-spare";
    chat.breaker.spare.rest_until_ms = clock_wall_ms(&chat.clock.clock) + 30000;
    fake_server_reply(server, soon);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_UPSTREAM_RATE_LIMITED, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_int_eq(listener.retry_after_s, 2);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
}
END_TEST

START_TEST(a_long_retry_after_goes_to_the_client_instead)
{
    static const char *const later[] = {"HTTP/1.1 429 No\r\nretry-after:  60 \r\nContent-Length: 0\r\n\r\n", NULL};

    fake_server_reply(server, later);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_UPSTREAM_RATE_LIMITED, MESSAGE_FAILED);
    ck_assert_int_eq(listener.retry_after_s, 60);
    ck_assert_int_eq(fake_server_requests(server), 1);
}
END_TEST

/* ---- the connection kept warm ---- */

static const char *const models[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", NULL};
static const char *const no_answer[] = {FAKE_RESET, NULL};

static int log_ends[2];

static void open_warm_relay(void)
{
    ck_assert_int_eq(pipe(log_ends), 0);
    log_set_fd(log_ends[1]);
    log_set_level(LOG_DEBUG);
    keep_warm = true;
    open_relay(30000);
}

/* The next line of this event. The loop has set its timer by the time it looks at anything new. */
static const char *wait_logged(const char *event)
{
    static char line[4096];
    size_t len;

    do {
        for (len = 0; len == 0 || line[len - 1] != '\n'; len++)
            ck_assert(len + 1 < sizeof line && read(log_ends[0], &line[len], 1) == 1);
        line[len] = '\0';
    } while (!strstr(line, event));
    return line;
}

START_TEST(the_models_are_asked_for_at_the_start_and_again_in_quiet_times)
{
    for (int i = 0; i < 2; i++) fake_server_reply(server, models);
    open_warm_relay();
    wait_logged("\"provider_reached\"");
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_ptr_nonnull(strstr(fake_server_request(server, 0), "GET /v1/models HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(fake_server_request(server, 0), "Authorization: Bearer key-of-the-fake\r\n"));
    turn_clock(60000);
    wait_logged("\"provider_reached\"");
    ck_assert_int_eq(fake_server_requests(server), 2);
}
END_TEST

START_TEST(a_provider_that_is_away_is_asked_less_and_less_often)
{
    for (int i = 0; i < 9; i++) fake_server_reply(server, no_answer);
    open_warm_relay();
    for (int64_t wait_ms = 5000, requests = 1; requests < 10; wait_ms = wait_ms * 2 < 600000 ? wait_ms * 2 : 600000) {
        const char *line = wait_logged("\"provider_not_reached\""), *told = strstr(line, "\"next_try_ms\":");

        ck_assert_ptr_nonnull(told);
        ck_assert_int_eq(strtoll(told + strlen("\"next_try_ms\":"), NULL, 10), wait_ms);
        ck_assert_ptr_null(strstr(line, "key-of-the-fake"));
        ck_assert_int_eq(fake_server_requests(server), requests++);
        turn_clock((int)wait_ms);
    }
    wait_logged("\"provider_reached\""); /* it is back */
}
END_TEST

START_TEST(after_a_quarter_of_an_hour_without_a_question_the_connection_may_go)
{
    for (int i = 0; i < 15; i++) fake_server_reply(server, models);
    open_warm_relay();
    for (int minute = 0; minute < 15; minute++) {
        wait_logged("\"provider_reached\"");
        turn_clock(60000);
    }
    turn_clock(3600000);
    ck_assert_int_eq(fake_server_requests(server), 15);

    fake_server_reply(server, hello); /* a question begins it anew */
    ask();
    wait_logged("\"answer_ended\"");
    turn_clock(60000);
    wait_logged("\"provider_reached\"");
}
END_TEST

static const char *const withdrawn[] = {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", NULL};

START_TEST(a_model_that_is_not_there_is_replaced_by_the_fallback_at_once)
{
    fallback_model = "the-spare";
    fake_server_reply(server, withdrawn);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_int_eq(fake_server_requests(server), 2);
    assert_asked(1, "the-spare");
    ck_assert_str_eq(row().model, "the-spare");
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 0);
}
END_TEST

/* ---- a conversation that is too long for the model (chat-outgrows-model) ---- */

static char long_session[UUID_TEXT_SIZE];

/* Five messages, the newest of which is asked now. */
static void ask_in_a_long_session(void)
{
    snprintf(long_session, sizeof long_session, "%s", fake_chat_session(&chat));
    fake_chat_exchange(&chat, long_session, "One?", "Uno.", MESSAGE_COMPLETE);
    fake_chat_exchange(&chat, long_session, "Two?", "Due.", MESSAGE_COMPLETE);
    ask_of(&listener, long_session);
}

static struct session stored_session(void)
{
    struct session session = {0};

    ck_assert_int_eq(session_repo_get(chat.ports.sessions, "alice", long_session, &chat.arena, &session), CHAT_OK);
    return session;
}

static const char *sent(int index)
{
    return strstr(fake_server_request(server, index), "model=");
}

static const char *const too_long[] = {"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: 7\r\n\r\ncontext",
                                       NULL};
static const char *const too_long_by_stream[] = {FAKE_STREAM_HEAD, "too_long\n", NULL};

START_TEST(a_conversation_too_long_for_the_model_is_sent_once_more_without_its_first_half)
{
    fake_server_reply(server, _i ? too_long_by_stream : too_long);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask_in_a_long_session();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_int_eq(fake_server_requests(server), 2);
    ck_assert_str_eq(
        sent(0), "model=llama max_tokens=2048\nuser: One?\nassistant: Uno.\nuser: Two?\nassistant: Due.\nuser: Why?\n");
    ck_assert_str_eq(sent(1), "model=llama max_tokens=2048\nuser: Two?\nassistant: Due.\nuser: Why?\n");
    /* and the next begins there at once */
    ck_assert_str_ne(stored_session().context_starts_at, "");
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 0);
}
END_TEST

START_TEST(one_that_is_too_long_by_half_too_fails_as_that)
{
    for (int i = 0; i < 3; i++) fake_server_reply(server, too_long);
    open_relay(30000);
    ask_in_a_long_session();
    assert_ended(&listener, CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 2);
    ck_assert_str_ne(stored_session().context_starts_at, ""); /* the next begins with less */
}
END_TEST

START_TEST(a_single_message_that_is_too_long_is_asked_once)
{
    fake_server_reply(server, too_long);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 1);
}
END_TEST

START_TEST(a_busy_model_is_asked_twice_before_the_fallback_is)
{
    fallback_model = "the-spare";
    fake_server_reply(server, busy);
    fake_server_reply(server, busy);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_str_eq(strstr(fake_server_request(server, 1), "model="),
                     strstr(fake_server_request(server, 0), "model="));
    assert_asked(2, "the-spare");
    ck_assert_str_eq(row().model, "the-spare");
}
END_TEST

START_TEST(three_requests_are_all_whatever_the_models)
{
    fallback_model = "the-spare";
    for (int i = 0; i < 4; i++) fake_server_reply(server, i ? busy : withdrawn);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_UPSTREAM_ERROR, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 3);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 1);
}
END_TEST

START_TEST(a_fallback_that_is_not_there_either_ends_it)
{
    fallback_model = "the-spare";
    for (int i = 0; i < 3; i++) fake_server_reply(server, withdrawn);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_MODEL_NOT_FOUND, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 2);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 2); /* one a model */
}
END_TEST

START_TEST(a_connection_refused_is_tried_again)
{
    fake_provider_init(&chat.provider, fake_server_closed_port());
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_UPSTREAM_ERROR, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 0);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 1);
}
END_TEST

/* One reply that ends the answer at once: what it is told as, and how many requests it took. */
static const struct {
    const char *reply[4];
    enum chat_error error;
    const char *content;
} endings[] = {
    {{"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nkey"}, CHAT_ERR_UPSTREAM_ERROR, ""},
    {{"HTTP/1.1 400 No\r\nContent-Length: 7\r\n\r\ncontext"}, CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, ""},
    {{"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"},
     CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
     ""},
    {{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"},
     CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
     ""},
    {{FAKE_STREAM_HEAD, "c one\nbad\n", FAKE_HOLD}, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, "one"},
    {{FAKE_STREAM_HEAD, "c one\n"}, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, "one"}, /* closed before its end */
    {{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\nc one\n"},
     CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
     "one"},
    {{"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"}, CHAT_ERR_UPSTREAM_ERROR, ""},
    {{"nonsense\r\n\r\n"}, CHAT_ERR_UPSTREAM_ERROR, ""},
};

START_TEST(what_is_no_whole_answer_fails_at_once)
{
    fake_server_reply(server, endings[_i].reply);
    fake_server_reply(server, hello); /* never asked for */
    open_relay(30000);
    ask();
    assert_ended(&listener, endings[_i].error, MESSAGE_FAILED);
    ck_assert_str_eq(listener.content, endings[_i].content);
    ck_assert_str_eq(row().content, endings[_i].content);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), endings[_i].content[0] == '\0');
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 0);
    ck_assert_int_eq(
        fake_breaker_reports(&chat.breaker, BREAKER_FAILURE) + fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 1);
    ck_assert_int_eq(fake_server_requests(server), 1);
}
END_TEST

START_TEST(a_reset_after_text_is_not_asked_again)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_GATE, FAKE_RESET, NULL};

    fake_server_reply(server, reply);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_str_eq(row().content, "one");
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), 0);
}
END_TEST

START_TEST(only_the_first_bytes_of_a_refusal_are_read)
{
    static char big[100000];
    static const char *const reply[] = {"HTTP/1.1 400 No\r\nContent-Length: 10000000\r\n\r\ncontext", big, FAKE_HOLD,
                                        NULL};

    memset(big, 'x', sizeof big - 1);
    fake_server_reply(server, reply);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, MESSAGE_FAILED);
}
END_TEST

static const char *const silent[] = {FAKE_HOLD, NULL};
static const char *const only_head[] = {FAKE_STREAM_HEAD, FAKE_HOLD, NULL};
static const char *const comments[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_GATE, ": still here\n", FAKE_HOLD, NULL};
static const struct {
    const char *const *reply;
    int first_byte_ms, idle_ms, total_ms; /* one of them is what runs out, a minute before the others */
} timeouts[] = {
    {silent, 60000, 120000, 120000},    /* nothing at all */
    {only_head, 60000, 120000, 120000}, /* the first byte of the body counts */
    {endless, 120000, 60000, 120000},   /* silence after text */
    {endless, 120000, 120000, 60000},   /* text, but no end */
};

START_TEST(a_provider_that_takes_too_long_is_given_up)
{
    struct provider *provider = &chat.provider.provider;

    fake_server_reply(server, timeouts[_i].reply);
    provider->first_byte_timeout_ms = timeouts[_i].first_byte_ms;
    provider->idle_timeout_ms = timeouts[_i].idle_ms;
    provider->total_timeout_ms = timeouts[_i].total_ms;
    open_relay(600000);
    ask();
    ck_assert(fake_server_wait_requests(server, 1));
    if (timeouts[_i].reply == endless) ck_assert(fake_listener_wait_content(&listener, "one"));
    turn_clock(50000);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    turn_clock(10001);
    ck_assert(fake_server_wait_left(server, 1));
    assert_ended(&listener, CHAT_ERR_UPSTREAM_TIMEOUT, MESSAGE_FAILED);
    ck_assert_int_eq(fake_server_requests(server), 1);
}
END_TEST

START_TEST(comments_of_the_provider_are_no_data)
{
    int texts;

    fake_server_reply(server, comments);
    chat.provider.provider.idle_timeout_ms = 10000;
    open_relay(600000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    turn_clock(9000);
    texts = fake_listener_texts(&listener);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_texts(&listener, texts + 1)); /* the comment has come through */
    turn_clock(2000);
    assert_ended(&listener, CHAT_ERR_UPSTREAM_TIMEOUT, MESSAGE_FAILED);
}
END_TEST

START_TEST(comments_of_the_provider_do_not_hold_pings_up)
{
    int texts;

    fake_server_reply(server, comments);
    open_relay(600000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    turn_clock(PING_MS - 1000);
    texts = fake_listener_texts(&listener);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_texts(&listener, texts + 1));
    turn_clock(1001);
    ck_assert(fake_listener_wait_pings(&listener, 1));
}
END_TEST

/* ---- the stores fail ---- */

START_TEST(with_the_database_away_the_end_is_told_within_two_seconds_and_stored_later)
{
    int64_t started_ms = clock_mono_ms(clock_system());

    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, -1);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_end(&listener));
    ck_assert_int_ge(clock_mono_ms(clock_system()) - started_ms, 1900);
    ck_assert_int_eq(listener.error, CHAT_OK);
    ck_assert_int_eq(fake_repo_writes(chat.repo, answer_id), 0);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 0);
    ck_assert_int_eq(relay_live(relay), 1);
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_OK, 0);
    while (!fake_repo_writes(chat.repo, answer_id)) turn_clock(500);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

/* Told as complete, and then its process dies: what the row lacks must be known elsewhere. */
START_TEST(with_the_database_away_the_log_knows_how_it_ended_before_it_is_told)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, -1);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    ck_assert(fake_log_wait_end(&chat.log, answer_id));
    ck_assert(!listener.ends);
    ck_assert_int_eq(chat.log.answers[0].end.event, ANSWER_FINISHED);
    ck_assert_str_eq(chat.log.answers[0].content, "Hello");
    ck_assert_str_eq(chat.log.answers[0].finish_reason, "stop");
    ck_assert_int_eq(chat.log.answers[0].end.usage.prompt_tokens, 7);
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_OK, 0);
    while (!fake_repo_writes(chat.repo, answer_id)) turn_clock(500);
    ck_assert(fake_log_wait_ended(&chat.log, answer_id));
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert(!chat.log.answers[0].has_end);
}
END_TEST

START_TEST(a_short_outage_delays_the_end_and_nothing_is_done_twice)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 1);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_END), 2);
    ck_assert_int_eq(chat.admission.settle_calls, 2);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
    ck_assert_int_eq(listener.session.message_count, 2); /* as the write found it, before settling failed */
}
END_TEST

START_TEST(an_error_that_is_no_outage_is_given_up_after_some_tries)
{
    fake_repo_fail(chat.repo, FAKE_MESSAGE_END, CHAT_ERR_INTERNAL, -1);
    fake_server_reply(server, hello);
    open_relay(30000);
    ask();
    while (relay_live(relay)) turn_clock(500);
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_MESSAGE_END), 5);
    ck_assert_int_eq(listener.ends, 1);
}
END_TEST

/* ---- other processes ---- */

START_TEST(the_text_is_written_to_the_log_and_its_end_too)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    fake_server_open_gate(server);
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "onetwo"));
    fake_server_open_gate(server);
    ck_assert(fake_log_wait_ended(&chat.log, answer_id));
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(while_the_log_is_away_clients_feel_nothing_and_then_it_gets_all)
{
    int exchanges;

    fake_server_reply(server, slow);
    fake_log_fail(&chat.log, CHAT_ERR_REDIS_UNAVAILABLE);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&listener, "onetwo"));
    exchanges = fake_log_exchanges(&chat.log);
    ck_assert(fake_log_wait_exchanges(&chat.log, exchanges + 2));
    fake_log_fail(&chat.log, CHAT_OK);
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "onetwo"));
    fake_log_forget(&chat.log); /* an emptied one is filled again with the next text */
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    ck_assert_str_eq(listener.content, "onetwothree");
}
END_TEST

START_TEST(a_log_that_lost_the_beginning_gets_the_whole_text_again)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    fake_log_forget(&chat.log);
    fake_server_open_gate(server);
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "onetwo"));
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

START_TEST(a_log_that_forgot_all_gets_a_silent_answer_again)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    fake_log_forget(&chat.log);
    relay_log_forgotten(relay);
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

/* Not with the texts of all others: that would be a burst of thousands that chunks wait for. */
/* (F) The first to write to a log that came back empty learns that it did: what is silent is written, too. */
START_TEST(one_answer_that_meets_an_empty_log_brings_the_silent_ones_back)
{
    struct fake_listener talking;
    char silent_id[UUID_TEXT_SIZE];

    fake_server_reply(server, endless);
    open_relay(30000);
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    memcpy(silent_id, answer_id, UUID_TEXT_SIZE);
    fake_log_forget(&chat.log);
    fake_server_reply(server, endless);
    fake_listener_init(&talking);
    ask_for(&talking);
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    ck_assert(fake_log_wait_content(&chat.log, silent_id, "one"));
    close_relay();
    fake_listener_fini(&talking);
}
END_TEST

START_TEST(each_answers_text_is_written_at_a_time_of_its_own)
{
    static const char *const one_word[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_HOLD, NULL};
    stopped_at_ms = clock_mono_ms(clock_system());
    fake_server_reply(server, one_word);
    fake_server_reply(server, slow);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    while (!fake_log_has_content(&chat.log, answer_id, "one")) turn_clock(50); /* due again 250 later */
    turn_clock(125);
    long long began = turned_ms;
    ask_for(&second);
    ck_assert(fake_listener_wait_content(&second, "one"));
    while (!fake_log_has_content(&chat.log, answer_id, "one")) turn_clock(5);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&second, "onetwo"));
    while (turned_ms < began + 240) turn_clock(5); /* past when the first is due, before the second is */
    ck_assert(fake_log_has_content(&chat.log, answer_id, "one"));
    while (!fake_log_has_content(&chat.log, answer_id, "onetwo")) turn_clock(50);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
}
END_TEST

/* More than an exchange takes of anything. */
enum { CROWD = 70, AT_ONCE = 64 };
static struct fake_listener crowd[CROWD], crowd_elsewhere[CROWD];
static char crowd_ids[CROWD][UUID_TEXT_SIZE];

/* Each has said "one", which isn't written to the log, as the clock stands still. */
static void ask_for_crowd(void)
{
    static const char *const two_words[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_GATE, "stop\ndone\n", NULL};
    stopped_at_ms = clock_mono_ms(clock_system());
    for (int i = 0; i < CROWD; i++) fake_server_reply(server, two_words);
    chat.policy.max_concurrent_streams = chat.policy.rate_limit_per_minute = chat.policy.daily_message_quota = CROWD;
    open_relay_for(&chat.provider.provider, 30000, CROWD);
    for (int i = 0; i < CROWD; i++) {
        fake_listener_init(&crowd[i]);
        ask_for(&crowd[i]);
        memcpy(crowd_ids[i], answer_id, UUID_TEXT_SIZE);
    }
    for (int i = 0; i < CROWD; i++) ck_assert(fake_listener_wait_content(&crowd[i], "one"));
}

static void wait_until_log_has_crowd(void)
{
    turn_clock(300);
    for (int i = 0; i < CROWD; i++)
        while (!fake_log_has_content(&chat.log, crowd_ids[i], "one")) turn_clock(50);
}

static void forget_crowd(struct fake_listener listeners[CROWD])
{
    for (int i = 0; i < CROWD; i++) fake_listener_fini(&listeners[i]);
}

START_TEST(more_answers_than_one_exchange_takes_are_all_written_a_part_at_a_time)
{
    ask_for_crowd();
    wait_until_log_has_crowd();
    close_relay();
    ck_assert_uint_eq(chat.log.most_writes, AT_ONCE);
    forget_crowd(crowd);
}
END_TEST

START_TEST(many_answers_that_end_at_once_leave_the_log_a_part_at_a_time)
{
    ask_for_crowd();
    wait_until_log_has_crowd();
    chat.log.most_writes = 0;
    for (int i = 0; i < CROWD; i++) fake_server_open_gate(server);
    for (int i = 0; i < CROWD; i++) ck_assert(fake_listener_wait_closed(&crowd[i]));
    turn_clock(0); /* all have gone */
    stopped_at_ms = 0;
    for (int i = 0; i < CROWD; i++) ck_assert(fake_log_wait_ended(&chat.log, crowd_ids[i]));
    ck_assert_uint_eq(chat.log.most_writes, AT_ONCE);
    close_relay();
    forget_crowd(crowd);
}
END_TEST

START_TEST(many_answers_are_followed_a_part_at_a_time)
{
    ask_for_crowd();
    wait_until_log_has_crowd();
    open_other_for(CROWD);
    for (int i = 0; i < CROWD; i++) {
        fake_listener_init(&crowd_elsewhere[i]);
        memcpy(answer_id, crowd_ids[i], UUID_TEXT_SIZE);
        ck_assert(attach_to(other, &crowd_elsewhere[i]));
    }
    stopped_at_ms = 0;
    for (int i = 0; i < CROWD; i++) ck_assert(fake_listener_wait_content(&crowd_elsewhere[i], "one"));
    for (int i = 0; i < CROWD; i++) fake_server_open_gate(server);
    for (int i = 0; i < CROWD; i++) ck_assert(fake_listener_wait_end(&crowd_elsewhere[i]));
    close_other();
    close_relay();
    ck_assert_uint_eq(chat.log.most_reads, AT_ONCE);
    forget_crowd(crowd);
    forget_crowd(crowd_elsewhere);
}
END_TEST

/* The clock stands still once the first exchange has begun: the beat for another never comes. */
START_TEST(notes_that_one_exchange_has_no_room_for_come_with_the_next_at_once)
{
    const int stopped = LOG_NOTES_MAX + 1;

    ask_for_crowd();
    wait_until_log_has_crowd();
    int exchanges = fake_log_ask_stops(&chat.log, crowd_ids, stopped);
    while (fake_log_exchanges(&chat.log) == exchanges) turn_clock(50);
    for (int i = 0; i < stopped; i++) ck_assert(fake_listener_wait_closed(&crowd[i]));
    ck_assert_int_eq(fake_listener_closes(&crowd[stopped]), 0);
    close_relay();
    ck_assert_uint_eq(chat.log.most_notes, LOG_NOTES_MAX);
    forget_crowd(crowd);
}
END_TEST

/* A job that a database which stands still holds up. */
struct stuck_job {
    struct job job; /* first */
    sem_t *until;
};
static void run_stuck_job(struct job *job, const void *context)
{
    (void)context;
    sem_wait(((struct stuck_job *)job)->until);
}

START_TEST(the_log_is_written_while_all_other_jobs_wait_for_the_database)
{
    const struct chat_ports *ports = &chat.ports;
    struct stuck_job stuck[JOB_THREADS];
    sem_t until;

    sem_init(&until, 0, 0);
    log_jobs = relay_jobs_open(&ports, 1);
    fake_server_reply(server, slow);
    open_relay(30000);
    for (int i = 0; i < JOB_THREADS; i++) {
        stuck[i] = (struct stuck_job){.job.run = run_stuck_job, .until = &until};
        job_pool_submit(jobs, &stuck[i].job);
    }
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    for (int i = 0; i < JOB_THREADS; i++) sem_post(&until);
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
    sem_destroy(&until);
}
END_TEST

START_TEST(an_answer_of_another_process_is_followed_to_its_end)
{
    fake_server_reply(server, slow);
    open_relay(30000);
    open_other();
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_content(&second, "one"));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&second, "onetwo"));
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "onetwothree");
    ck_assert_int_eq(second.error, CHAT_OK);
    ck_assert_int_eq(second.final.status, MESSAGE_COMPLETE);
    ck_assert_int_eq(second.ends, 1);
    ck_assert(!second.went_back);
    close_other();
    assert_ended(&listener, CHAT_OK, MESSAGE_COMPLETE);
}
END_TEST

/* An answer whose provider may take its time, with a client here and the second one in the other process. */
static void ask_and_follow_elsewhere(int grace_ms)
{
    fake_server_reply(server, slow);
    chat.provider.provider.idle_timeout_ms = 600000;
    chat.provider.provider.total_timeout_ms = 600000;
    open_relay(grace_ms);
    open_other();
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    ck_assert(attach_second(other));
    ck_assert(fake_log_wait_watched(&chat.log, 1));
    fake_log_wait_exchanges(&chat.log, fake_log_exchanges(&chat.log) + 4); /* and has come through */
}

START_TEST(a_client_attached_elsewhere_keeps_the_answer_going)
{
    ask_and_follow_elsewhere(0);
    fake_listener_leave(&listener);
    ck_assert(fake_listener_wait_closed(&listener));
    fake_server_open_gate(server);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "onetwothree");
    ck_assert_int_eq(second.final.status, MESSAGE_COMPLETE);
}
END_TEST

/* A9: one turn of the loop takes one read of a connection, however much lies there. */
START_TEST(a_provider_that_sends_nothing_without_end_holds_no_other_answer_up)
{
    static const char *const flood[] = {FAKE_STREAM_HEAD, "c one\n", FAKE_FLOOD, NULL};

    fake_server_reply(server, flood);
    fake_server_reply(server, hello);
    open_relay(0);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ask_for(&second);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "Hello");
    ck_assert_int_eq(fake_listener_closes(&listener), 0);
    fake_listener_leave(&listener);
}
END_TEST

START_TEST(once_nobody_is_attached_elsewhere_either_it_ends_soon)
{
    ask_and_follow_elsewhere(0);
    fake_listener_leave(&listener);
    ck_assert(fake_listener_wait_closed(&listener));
    fake_listener_leave(&second);
    ck_assert(fake_listener_wait_closed(&second));
    turn_clock(2000);
    fake_log_wait_exchanges(&chat.log, fake_log_exchanges(&chat.log) + 4);
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
    turn_clock(2001);
    for (int i = 0; i < 20 && row().status == MESSAGE_STREAMING; i++)
        fake_log_wait_exchanges(&chat.log, fake_log_exchanges(&chat.log) + 1);
    ck_assert_int_eq(row().status, MESSAGE_STOPPED);
}
END_TEST

START_TEST(text_from_elsewhere_puts_the_next_ping_off)
{
    ask_and_follow_elsewhere(30000);
    ck_assert(fake_listener_wait_content(&second, "one"));
    turn_clock(PING_MS - 1000);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_content(&second, "onetwo"));
    turn_clock(PING_MS - 1000);
    fake_server_open_gate(server);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_int_eq(fake_listener_pings(&second), 0);
}
END_TEST

START_TEST(a_stop_asked_elsewhere_reaches_the_writer)
{
    bool asked;

    fake_server_reply(server, endless);
    open_relay(30000);
    ask();
    ck_assert(fake_log_wait_content(&chat.log, answer_id, "one"));
    ck_assert_int_eq(answer_log_ask_stop(&chat.log.log, answer_id, &asked), CHAT_OK);
    ck_assert(asked);
    ck_assert(fake_server_wait_left(server, 1));
    assert_ended(&listener, CHAT_OK, MESSAGE_STOPPED);
}
END_TEST

/* A row that a process left behind, and what it had written to the log. */
static void leave_behind(const char *content)
{
    const char *id = fake_chat_exchange(&chat, fake_chat_session(&chat), "Why?", NULL, MESSAGE_STREAMING);

    memcpy(answer_id, id, UUID_TEXT_SIZE);
    fake_log_put(&chat.log, answer_id, content, "");
}

static void end_row(const char *content, enum message_status status)
{
    struct answer_end end = {.message_id = answer_id,
                             .epoch = 1,
                             .status = status,
                             .content = content,
                             .content_len = strlen(content),
                             .usage = USAGE_UNKNOWN};
    struct session session;
    bool written;

    ck_assert_int_eq(message_repo_end(chat.ports.messages, &end, &chat.arena, &written, &session), CHAT_OK);
}

START_TEST(an_answer_whose_process_died_ends_as_interrupted_for_who_follows_it)
{
    leave_behind("Bec");
    open_other();
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_content(&second, "Bec"));
    end_row("Becau", MESSAGE_INTERRUPTED); /* as the reaper does */
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "Becau");
    ck_assert_str_eq(error_code(second.error), "interrupted");
    ck_assert_int_eq(second.final.status, MESSAGE_INTERRUPTED);
    close_other();
    ck_assert_int_eq(second.closes, 1);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 0); /* not the follower's to settle */
}
END_TEST

/* (F) The log had more than was saved: who reads slowly is shown what is stored, as the closing event says. */
START_TEST(what_the_log_had_beyond_the_row_is_cut_back_for_who_has_not_read_it)
{
    struct fake_listener slow_one;

    leave_behind("Becauses");
    open_other();
    fake_listener_init(&slow_one);
    fake_listener_block(&slow_one);
    ck_assert(attach_to(other, &slow_one));
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_content(&second, "Becauses"));
    end_row("Beca", MESSAGE_INTERRUPTED);
    ck_assert(fake_listener_wait_closed(&second));
    fake_listener_unblock(&slow_one);
    ck_assert(fake_listener_wait_closed(&slow_one));
    ck_assert_str_eq(slow_one.content, "Beca");
    ck_assert_uint_eq(slow_one.final.content_len, 4);
    close_other();
    fake_listener_fini(&slow_one);
}
END_TEST

/* Until the exchange with the log that has begun waits for the log's lock, which the test holds. */
static void wait_until_an_exchange_waits(void)
{
    for (int in_a_row = 0; in_a_row < 50; in_a_row++) {
        turn_clock(0);
        usleep(1000);
        if (__atomic_load_n(&metrics->gauges.jobs_queued, __ATOMIC_RELAXED) == 0) in_a_row = -1;
    }
}

/* (F) What was read for one follower of an answer is not for another that has less. */
START_TEST(text_read_from_a_place_where_a_follower_is_not_is_not_taken)
{
    struct fake_listener third;

    leave_behind("Bec");
    open_other();
    fake_listener_init(&third);
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_content(&second, "Bec"));
    ck_assert(fake_repo_wait_calls(chat.repo, FAKE_MESSAGE_GET, 2));
    fake_wait_lock(&chat.log.wait);
    wait_until_an_exchange_waits(); /* it asks for what follows "Bec" */
    memcpy(chat.log.answers[0].content, "Because", 8);
    chat.log.answers[0].content_len = 7;
    fake_listener_leave(&second);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert(attach_to(other, &third));
    ck_assert(fake_listener_wait_opened(&third));
    fake_wait_unlock(&chat.log.wait);
    ck_assert(fake_listener_wait_content(&third, "Because"));
    ck_assert(!third.went_back);
    end_row("Because", MESSAGE_INTERRUPTED);
    ck_assert(fake_listener_wait_closed(&third));
    close_other();
    fake_listener_fini(&third);
}
END_TEST

START_TEST(an_answer_that_is_over_by_now_is_told_from_its_row)
{
    leave_behind("");
    open_other();
    fake_log_forget(&chat.log);
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_opened(&second));
    end_row("Because", MESSAGE_COMPLETE);
    ck_assert(fake_listener_wait_closed(&second));
    ck_assert_str_eq(second.content, "Because");
    ck_assert_int_eq(second.error, CHAT_OK);
}
END_TEST

START_TEST(a_drain_lets_who_follows_go_without_a_closing_event)
{
    leave_behind("Bec");
    open_other();
    ck_assert(attach_second(other));
    ck_assert(fake_listener_wait_content(&second, "Bec"));
    close_other();
    ck_assert_int_eq(second.closes, 1);
    ck_assert_int_eq(second.ends, 0); /* the answer goes on elsewhere, the client comes again */
    ck_assert_int_eq(row().status, MESSAGE_STREAMING);
}
END_TEST

START_TEST(without_a_place_nobody_is_attached)
{
    leave_behind("Bec");
    open_other();
    relay_refuse(other);
    ck_assert(!attach_second(other));
    ck_assert_int_eq(second.opens, 0); /* still the caller's */
    ck_assert_int_eq(second.closes, 0);
}
END_TEST

/* ---- places, tickets, and the end of the process ---- */

START_TEST(there_are_so_many_places_and_no_more)
{
    struct answers *answers;

    open_relay_for(&chat.provider.provider, 30000, 2);
    answers = relay_answers(relay);
    ck_assert_int_eq(answers_reserve(answers), CHAT_OK);
    ck_assert_int_eq(answers_reserve(answers), CHAT_OK);
    ck_assert_int_eq(answers_reserve(answers), CHAT_ERR_OVERLOADED);
    answers_unreserve(answers);
    ck_assert_int_eq(answers_reserve(answers), CHAT_OK);
    ck_assert_int_eq(relay_live(relay), 2);
    answers_unreserve(answers);
    answers_unreserve(answers);
    relay_refuse(relay);
    ck_assert_int_eq(answers_reserve(answers), CHAT_ERR_SHUTTING_DOWN);
}
END_TEST

START_TEST(tickets_of_live_answers_can_be_had_for_renewing)
{
    struct admission_ticket *tickets;

    fake_server_reply(server, endless);
    open_relay(30000);
    ck_assert_uint_eq(relay_tickets(relay, &tickets), 0);
    free(tickets);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    ck_assert_uint_eq(relay_tickets(relay, &tickets), 1);
    ck_assert_str_eq(tickets[0].answer_id, answer_id);
    ck_assert_str_eq(tickets[0].user_id, "alice");
    free(tickets);
}
END_TEST

/* More than one turn of the loop copies. */
enum { MANY = 257 };
static char many_ids[MANY][UUID_TEXT_SIZE];

/* The provider says nothing. The log, which has no room for so many, is away. */
static void ask_for_many(struct fake_listener *listeners)
{
    static const char *const mute[] = {FAKE_HOLD, NULL};

    stopped_at_ms = clock_mono_ms(clock_system());
    fake_log_fail(&chat.log, CHAT_ERR_REDIS_UNAVAILABLE);
    chat.policy.max_concurrent_streams = chat.policy.rate_limit_per_minute = chat.policy.daily_message_quota = MANY;
    open_relay_for(&chat.provider.provider, 30000, MANY);
    for (int i = 0; i < MANY; i++) {
        fake_server_reply(server, mute);
        fake_listener_init(&listeners[i]);
        ask_for(&listeners[i]);
        memcpy(many_ids[i], answer_id, UUID_TEXT_SIZE);
    }
}

START_TEST(tickets_of_more_answers_than_a_turn_copies_can_all_be_had_each_once)
{
    struct fake_listener *listeners = malloc(MANY * sizeof *listeners);
    struct admission_ticket *tickets;

    ck_assert_ptr_nonnull(listeners);
    ask_for_many(listeners);
    ck_assert_uint_eq(relay_tickets(relay, &tickets), MANY);
    for (int i = 0; i < MANY; i++) ck_assert(fake_admission_has_ticket(tickets, MANY, many_ids[i]));
    free(tickets);
    close_relay();
    for (int i = 0; i < MANY; i++) fake_listener_fini(&listeners[i]);
    free(listeners);
}
END_TEST

START_TEST(a_drain_ends_what_is_live_as_interrupted_and_stores_it)
{
    fake_server_reply(server, endless);
    open_relay(30000);
    ask();
    ck_assert(fake_listener_wait_content(&listener, "one"));
    relay_drain(relay);
    ck_assert_int_eq(relay_live(relay), 0);
    assert_ended(&listener, CHAT_ERR_SHUTTING_DOWN, MESSAGE_INTERRUPTED);
    ck_assert_str_eq(row().content, "one");
    ck_assert(fake_server_wait_left(server, 1));
}
END_TEST

START_TEST(a_drain_ends_one_that_waits_for_another_try)
{
    static const char *const soon[] = {"HTTP/1.1 503 No\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n", NULL};

    fake_server_reply(server, soon);
    open_relay(30000);
    ask();
    ck_assert(fake_server_wait_requests(server, 1));
    relay_drain(relay);
    assert_ended(&listener, CHAT_ERR_SHUTTING_DOWN, MESSAGE_INTERRUPTED);
    ck_assert_int_eq(fake_server_requests(server), 1);
}
END_TEST

UNIT_SUITE(relay_answers)
{
    Suite *suite = suite_create("relay_answers");
    TCase *cases[8];

    cases[0] = UNIT_CASE(
        suite, "a whole answer", an_answer_is_told_and_then_stored_with_its_usage,
        the_provider_gets_prompt_and_key_over_http_1_1, done_comes_only_after_the_row_is_written_and_the_lease_ended,
        reasoning_is_kept_apart_from_content, the_end_marker_ends_the_answer_though_the_connection_stays_open,
        the_real_decoder_of_the_provider_works_in_the_loop, answers_one_after_another_leave_no_place_taken);
    cases[1] = UNIT_CASE(
        suite, "who is attached", who_attaches_later_gets_all_of_the_text,
        a_client_that_reads_slowly_holds_nobody_up_and_gets_all_later, a_client_that_takes_nothing_for_long_is_let_go,
        any_byte_that_a_slow_client_takes_renews_its_time,
        a_blocked_client_makes_no_turns_and_is_given_neither_pings_nor_titles,
        an_answer_that_is_over_is_shown_by_the_loop, how_it_ended_is_told_by_the_loop_too,
        a_reader_that_takes_nothing_is_let_go_and_gives_its_place_back,
        readers_take_no_place_of_answers_and_one_user_has_only_so_many, a_listener_that_is_gone_is_closed_once,
        without_grace_the_answer_ends_when_the_last_client_leaves, with_another_client_attached_it_goes_on,
        the_grace_runs_from_when_the_last_client_left, who_comes_back_within_the_grace_ends_it,
        silence_is_bridged_by_pings, text_puts_the_next_ping_off, who_comes_later_does_not_put_the_ping_of_others_off);
    cases[2] = UNIT_CASE(suite, "stopping", a_stop_keeps_the_text_and_closes_upstream,
                         an_answer_that_is_not_here_cannot_be_stopped, two_stops_at_once_are_one,
                         who_only_follows_an_answer_does_not_claim_to_have_stopped_it);
    cases[3] = UNIT_CASE(
        suite, "the provider fails", a_provider_that_sends_nothing_without_end_holds_no_other_answer_up,
        a_503_is_asked_again_before_any_text, after_three_tries_the_answer_fails_and_the_daily_unit_comes_back,
        retry_after_is_honoured_within_bounds, a_long_retry_after_goes_to_the_client_instead,
        a_429_is_not_asked_again_and_the_model_rests, a_429_goes_to_the_fallback_at_once_and_both_breakers_hear_of_it,
        a_fallback_that_rests_too_is_not_asked, a_model_that_is_not_there_is_replaced_by_the_fallback_at_once,
        a_busy_model_is_asked_twice_before_the_fallback_is, three_requests_are_all_whatever_the_models,
        a_fallback_that_is_not_there_either_ends_it, a_connection_refused_is_tried_again,
        a_reset_after_text_is_not_asked_again, only_the_first_bytes_of_a_refusal_are_read,
        comments_of_the_provider_are_no_data, comments_of_the_provider_do_not_hold_pings_up);
    tcase_add_test(cases[3], one_that_is_too_long_by_half_too_fails_as_that);
    tcase_add_test(cases[3], a_single_message_that_is_too_long_is_asked_once);
    tcase_add_loop_test(cases[3], a_conversation_too_long_for_the_model_is_sent_once_more_without_its_first_half, 0, 2);
    tcase_add_loop_test(cases[3], what_is_no_whole_answer_fails_at_once, 0, (int)UNIT_COUNT(endings));
    tcase_add_loop_test(cases[3], a_provider_that_takes_too_long_is_given_up, 0, (int)UNIT_COUNT(timeouts));
    cases[4] =
        UNIT_CASE(suite, "the stores fail", with_the_database_away_the_end_is_told_within_two_seconds_and_stored_later,
                  with_the_database_away_the_log_knows_how_it_ended_before_it_is_told,
                  a_short_outage_delays_the_end_and_nothing_is_done_twice,
                  an_error_that_is_no_outage_is_given_up_after_some_tries);
    cases[5] =
        UNIT_CASE(suite, "the end of the process", there_are_so_many_places_and_no_more,
                  tickets_of_live_answers_can_be_had_for_renewing,
                  tickets_of_more_answers_than_a_turn_copies_can_all_be_had_each_once,
                  a_drain_ends_what_is_live_as_interrupted_and_stores_it, a_drain_ends_one_that_waits_for_another_try);
    cases[6] = UNIT_CASE(
        suite, "other processes", the_text_is_written_to_the_log_and_its_end_too,
        while_the_log_is_away_clients_feel_nothing_and_then_it_gets_all,
        a_log_that_lost_the_beginning_gets_the_whole_text_again,
        more_answers_than_one_exchange_takes_are_all_written_a_part_at_a_time,
        many_answers_that_end_at_once_leave_the_log_a_part_at_a_time, many_answers_are_followed_a_part_at_a_time,
        notes_that_one_exchange_has_no_room_for_come_with_the_next_at_once,
        each_answers_text_is_written_at_a_time_of_its_own, a_log_that_forgot_all_gets_a_silent_answer_again,
        one_answer_that_meets_an_empty_log_brings_the_silent_ones_back,
        the_log_is_written_while_all_other_jobs_wait_for_the_database,
        an_answer_of_another_process_is_followed_to_its_end, a_client_attached_elsewhere_keeps_the_answer_going,
        once_nobody_is_attached_elsewhere_either_it_ends_soon, text_from_elsewhere_puts_the_next_ping_off,
        a_stop_asked_elsewhere_reaches_the_writer, an_answer_whose_process_died_ends_as_interrupted_for_who_follows_it,
        what_the_log_had_beyond_the_row_is_cut_back_for_who_has_not_read_it,
        text_read_from_a_place_where_a_follower_is_not_is_not_taken, an_answer_that_is_over_by_now_is_told_from_its_row,
        a_drain_lets_who_follows_go_without_a_closing_event, without_a_place_nobody_is_attached);
    cases[7] = UNIT_CASE(suite, "warm", the_models_are_asked_for_at_the_start_and_again_in_quiet_times,
                         a_provider_that_is_away_is_asked_less_and_less_often,
                         after_a_quarter_of_an_hour_without_a_question_the_connection_may_go);
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        tcase_add_checked_fixture(cases[i], set_up, tear_down);
    }
    return suite;
}
