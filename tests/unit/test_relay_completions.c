/*
 * Completions that the relay passes through, for real: its thread, its job threads, a provider's server on loopback,
 * the provider's own decoder; fake stores and a fake client. Every wait is for something to happen, never for time to
 * pass; where time counts, the clock is turned.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "relay/relay.h"
#include "sambanova/provider.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_client.h"
#include "tests/fakes/fake_server.h"
#include "unit.h"
#include "usecases/take_place.h"
#include "usecases/use_ledger.h"

enum {
    JOB_THREADS = 2,
    FIRST_BYTE_MS = 20000,
    IDLE_MS = 25000,
    TOTAL_MS = 200000,
    LOOK_MS = 5000, /* how often a client that is behind is looked at */
    SLOW_CLIENT_MS = 30000,
    COMMENT_MS = 15000,
    BEHIND_MAX = 112 << 10, /* bytes that wait for one client at most */
    PAUSE_BYTES = 64 << 10, /* with so many the provider has to wait, too */
    RESUME_BYTES = 16 << 10,
    SETTLE_RETRY_MS = 1000,
};

#define CHUNK(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STOP "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE "data: [DONE]\n\n"
#define JSON_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define WHOLE                                                                                \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"}," \
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,"   \
    "\"total_tokens\":9}}"

static struct fake_chat chat;
static struct fake_server *server;
static struct job_pool *jobs;
static struct relay *relay;
static struct provider *provider;
static struct fake_client client;
static char *burst; /* malloc'ed */

/* The machine's clock, and what the test has turned it forward by. */
static atomic_llong turned_ms, stopped_at_ms, looks; /* the second, not 0: only turning moves it */

static int64_t turned_wall_ms(const struct clock *self)
{
    (void)self;
    return clock_wall_ms(clock_system()) + turned_ms;
}

static int64_t turned_mono_ms(const struct clock *self)
{
    (void)self;
    looks++;
    return (stopped_at_ms ? stopped_at_ms : clock_mono_ms(clock_system())) + turned_ms;
}

static void turned_sleep_ms(const struct clock *self, int64_t ms)
{
    (void)self;
    turned_ms += ms;
}

static const struct clock turned_clock = {turned_wall_ms, turned_mono_ms, turned_sleep_ms};

static struct fake_server *through; /* a proxy; NULL: none is named */
static const char *fallback_model;
static int max_streams;

static void open_all(void)
{
    const char *problem;

    turned_ms = 0;
    stopped_at_ms = clock_mono_ms(clock_system());
    burst = NULL;
    fake_chat_init(&chat);
    chat.breaker.rule.generation = 1; /* not at rest: it hears of everything */
    chat.ports.clock = &turned_clock;
    server = fake_server_open();
    fake_client_init(&client);
    const struct sambanova_settings settings = {
        .api_key = "k",
        .api_base = arena_printf(&chat.arena, "http://127.0.0.1:%d/v1", fake_server_port(server)),
        .proxy = through ? arena_printf(&chat.arena, "http://127.0.0.1:%d", fake_server_port(through)) : NULL,
        .connect_timeout_ms = 5000,
        .first_byte_timeout_ms = FIRST_BYTE_MS,
        .idle_timeout_ms = IDLE_MS,
        .total_timeout_ms = TOTAL_MS};
    provider = sambanova_open(&settings, &problem);
    ck_assert_ptr_nonnull(provider);
    const struct chat_ports *each[JOB_THREADS] = {&chat.ports, &chat.ports};
    const struct relay_settings of_relay = {
        .provider = provider, .clock = &turned_clock, .max_streams = max_streams, .fallback_model = fallback_model};
    jobs = relay_jobs_open(each, JOB_THREADS);
    relay = relay_open(&of_relay, jobs);
    ck_assert_ptr_nonnull(relay);
    chat.ports.provider = provider;
    chat.ports.answers = relay_answers(relay);
}

static void set_up(void)
{
    through = NULL;
    fallback_model = NULL;
    max_streams = 4;
    open_all();
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
    log_set_fd(STDERR_FILENO);
    fake_server_close(server);
    fake_client_fini(&client);
    sambanova_close(provider);
    fake_chat_fini(&chat);
    free(burst);
}

/* The loop has looked at the clock, and has done what was due: the second answer comes in a later turn. */
static void turn_clock(int by_ms)
{
    turned_ms += by_ms;
    for (int i = 0; i < 2; i++) {
        struct admission_ticket *tickets;

        relay_tickets(relay, &tickets);
        free(tickets);
    }
}

static void ask_so(const char *body, bool stream)
{
    struct problem problem = {0};
    struct place place = {0};

    ck_assert_int_eq(take_place(&chat.ports, &chat.alice, &(struct wanted_model){.name = "llama"},
                                "0198c5f2-7c00-7000-8000-000000000001", &problem, &place),
                     CHAT_OK);
    const struct completion_spec spec = {.ticket = place.ticket,
                                         .breaker = place.breaker,
                                         .model = "llama",
                                         .body = strdup(body),
                                         .body_len = strlen(body),
                                         .stream = stream,
                                         .request_id = "req-1"};
    answers_complete(chat.ports.answers, &spec, &client.client);
}

static void ask(void)
{
    ask_so("{\"model\":\"llama\",\"stream\":true}", true);
}

/* Ended with this code, told once; lease ended; place free again. */
static void assert_ended(enum chat_error error, bool refunded)
{
    ck_assert(fake_client_wait_closed(&client));
    ck_assert_int_eq(client.ends, 1);
    ck_assert_str_eq(error_code(client.error), error_code(error));
    ck_assert(fake_admission_wait_settled(&chat.admission, 1));
    close_relay();
    ck_assert_int_eq(client.closes, 1);
    ck_assert_int_eq(fake_admission_settled(&chat.admission), 1);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), refunded);
}

static void assert_left(bool refunded)
{
    ck_assert(fake_client_wait_closed(&client));
    ck_assert(fake_admission_wait_settled(&chat.admission, 1));
    close_relay();
    ck_assert_int_eq(client.closes, 1);
    ck_assert_int_eq(fake_admission_refunded(&chat.admission), refunded);
}

/* A stream in one piece: so many chunks, each with so many x. Stays until the test's end. */
static const char *burst_of(int chunks, int size)
{
    struct buf out;
    size_t len;

    buf_init(&out, 64 << 20);
    buf_append_str(&out, FAKE_STREAM_HEAD);
    for (int i = 0; i < chunks; i++) {
        buf_append_str(&out, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
        memset(buf_reserve(&out, (size_t)size), 'x', (size_t)size);
        out.len += (size_t)size;
        buf_append_str(&out, "\"}}]}\n\n");
    }
    buf_append_str(&out, STOP DONE);
    buf_append_char(&out, '\0');
    ck_assert(!out.failed);
    burst = buf_take(&out, &len);
    return burst;
}

static const char *frames_of(const char *reply)
{
    return reply + strlen(FAKE_STREAM_HEAD);
}

/* ---- a client that is behind (B1) ---- */

static const struct {
    int chunks, size, step;
} bursts[] = {
    {600, 950, 20000},  /* 600,000 bytes at once */
    {20000, 0, 100000}, /* 20,000 empty deltas */
    {60, 10000, 5000},  /* events that are longer than what the client takes at a time */
};

START_TEST(a_burst_reaches_a_client_that_reads_slowly_whole_and_never_lies_here_as_a_whole)
{
    static const char *reply[3]; /* outlives the test: the server may still send */

    reply[0] = burst_of(bursts[_i].chunks, bursts[_i].size);

    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    for (int taken = 0; !fake_client_count(&client, &client.closes); taken += bursts[_i].step) {
        ck_assert(fake_client_wait_full(&client));
        ck_assert_int_lt(taken, 8 << 20); /* it comes to an end */
        fake_client_take(&client, (size_t)bursts[_i].step);
    }
    assert_ended(CHAT_OK, false);
    ck_assert_str_eq(fake_client_text(&client), frames_of(reply[0]));
    ck_assert_uint_gt(client.waiting_max, 0);
    ck_assert_uint_lt(client.waiting_max, BEHIND_MAX);
    ck_assert_int_eq(client.let_goes, 0);
}
END_TEST

START_TEST(one_that_reads_at_all_is_kept_however_long_it_takes_and_no_limit_of_the_providers_counts_that)
{
    static const char *reply[3];

    reply[0] = burst_of(600, 950);

    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, 64 << 10));
    for (int64_t ms = 0; ms < 2 * TOTAL_MS; ms += SLOW_CLIENT_MS - LOOK_MS) {
        fake_client_sip(&client);
        turn_clock(SLOW_CLIENT_MS - LOOK_MS);
    }
    ck_assert_int_eq(fake_client_count(&client, &client.closes), 0);
    fake_client_take(&client, 8 << 20);
    assert_ended(CHAT_OK, false);
    ck_assert_str_eq(fake_client_text(&client), frames_of(reply[0]));
}
END_TEST

START_TEST(a_provider_that_falls_silent_after_a_pause_is_given_up_after_its_own_limit)
{
    static const char *reply[4];

    reply[0] = burst_of(600, 950);
    reply[1] = CHUNK("the last");
    reply[2] = FAKE_HOLD;
    burst[strlen(burst) - strlen(STOP DONE)] = '\0';
    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, 64 << 10));
    turn_clock(LOOK_MS);
    fake_client_take(&client, 8 << 20);
    ck_assert(fake_client_wait_text(&client, "the last"));
    turn_clock(IDLE_MS - 1);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    turn_clock(IDLE_MS);
    assert_ended(CHAT_ERR_UPSTREAM_TIMEOUT, false);
    ck_assert(fake_server_wait_left(server, 1));
}
END_TEST

/* Comments alone, so that no event which comes after the pause begins the silence anew. Each is passed on as the
 * relay's own. */
START_TEST(silence_is_not_counted_while_the_client_is_what_keeps_the_provider_waiting)
{
    static const char *reply[4];
    enum { COMMENTS = 20000 };
    const size_t all = strlen(CHUNK("Hi")) + COMMENTS * strlen(": waiting\n\n");

    burst = malloc(COMMENTS * strlen(":\n\n") + 1);
    ck_assert_ptr_nonnull(burst);
    for (int i = 0; i < COMMENTS; i++) memcpy(burst + i * 3, ":\n\n", 4);
    reply[0] = FAKE_STREAM_HEAD CHUNK("Hi");
    reply[1] = burst;
    reply[2] = FAKE_HOLD;
    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, PAUSE_BYTES));
    turn_clock(IDLE_MS - 1); /* which the silence alone may last */
    turn_clock(1);
    fake_client_take(&client, 8 << 20);
    while (fake_client_text_len(&client) < all) {
        ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
        turn_clock(0);
    }
    turn_clock(IDLE_MS - 1);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    turn_clock(1);
    assert_ended(CHAT_ERR_UPSTREAM_TIMEOUT, false);
}
END_TEST

START_TEST(the_provider_is_read_on_before_the_client_has_nothing_left_to_take)
{
    static const char *reply[3];
    size_t given;
    bool came;

    reply[0] = burst_of(600, 950);
    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, PAUSE_BYTES));
    turn_clock(0); /* no more is read for it by now */
    given = fake_client_text_len(&client);
    fake_client_take(&client, fake_client_waiting(&client) - RESUME_BYTES - 1);
    turn_clock(0);
    ck_assert_uint_eq(fake_client_text_len(&client), given);
    fake_client_take(&client, 1);
    FAKE_WAIT_UNTIL(&client.wait, client.out.len > given, came);
    ck_assert(came);
    fake_client_take(&client, 8 << 20);
    assert_ended(CHAT_OK, false);
}
END_TEST

START_TEST(one_that_takes_nothing_is_let_go_and_the_provider_is_closed)
{
    static const char *reply[3];

    reply[0] = burst_of(600, 950);
    reply[1] = FAKE_HOLD;

    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, 64 << 10));
    turn_clock(SLOW_CLIENT_MS - 1);
    ck_assert_int_eq(fake_client_count(&client, &client.closes), 0);
    turn_clock(LOOK_MS);
    assert_left(false);
    ck_assert_int_eq(client.let_goes, 1);
    ck_assert_int_eq(client.ends, 0);
}
END_TEST

START_TEST(one_that_takes_nothing_of_the_end_is_let_go_too)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};

    fake_server_reply(server, reply);
    fake_client_bound(&client, 10);
    ask();
    ck_assert(fake_client_wait_ended(&client));
    turn_clock(SLOW_CLIENT_MS + LOOK_MS);
    assert_left(false);
    ck_assert_int_eq(client.let_goes, 1);
}
END_TEST

/* With a timer that is due all the time each turn follows the last at once: the clock is looked at once a turn. */
START_TEST(waiting_for_a_client_takes_no_turns_of_the_loop)
{
    static const char *reply[3];

    reply[0] = burst_of(600, 950);
    enum { TURNS = 200 };

    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, 64 << 10));
    turn_clock(COMMENT_MS + LOOK_MS); /* a comment would be due */
    turn_clock(0);
    long long before = looks;
    for (int i = 0; i < TURNS / 2; i++) turn_clock(0);
    ck_assert_int_le(looks - before, TURNS + 2);
    ck_assert_int_eq(client.comments, 0); /* it isn't silence that it waits in */
}
END_TEST

START_TEST(a_client_that_has_caught_up_takes_no_turns_of_the_loop_either)
{
    static const char *reply[3];
    enum { TURNS = 200 };

    reply[0] = burst_of(600, 950);
    reply[1] = FAKE_HOLD;
    burst[strlen(burst) - strlen(STOP DONE)] = '\0';
    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, 64 << 10));
    fake_client_take(&client, 8 << 20);
    while (fake_client_text_len(&client) < strlen(frames_of(burst)) || fake_client_waiting(&client)) turn_clock(0);
    turn_clock(0);
    long long before = looks;
    for (int i = 0; i < TURNS / 2; i++) turn_clock(0);
    ck_assert_int_le(looks - before, TURNS + 2);
}
END_TEST

/* ---- the lease, the limits, the client ---- */

START_TEST(its_ticket_can_be_had_for_renewing_as_long_as_it_lives)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_GATE, STOP DONE, NULL};
    struct admission_ticket *tickets;

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    ck_assert_uint_eq(relay_tickets(relay, &tickets), 1);
    ck_assert_str_eq(tickets[0].user_id, "alice");
    free(tickets);
    fake_server_open_gate(server);
    assert_ended(CHAT_OK, false);
}
END_TEST

static void complete(const struct place *place, const char *request_id, struct fake_client *to)
{
    static const char body[] = "{\"model\":\"llama\",\"stream\":true}";
    const struct completion_spec spec = {.ticket = place->ticket,
                                         .breaker = place->breaker,
                                         .model = "llama",
                                         .body = strdup(body),
                                         .body_len = strlen(body),
                                         .stream = true,
                                         .request_id = request_id};
    answers_complete(chat.ports.answers, &spec, &to->client);
}

START_TEST(all_tickets_that_hold_a_lease_can_be_had_and_no_other)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};
    static const char *const ids[] = {"0198c5f2-7c00-7000-8000-000000000001", "0198c5f2-7c00-7000-8000-000000000002",
                                      "0198c5f2-7c00-7000-8000-000000000003"};
    struct fake_client clients[UNIT_COUNT(ids)];
    struct admission_ticket *tickets;

    for (size_t i = 0; i < UNIT_COUNT(ids); i++) {
        struct problem problem = {0};
        struct place place = {0};

        fake_server_reply(server, reply);
        fake_client_init(&clients[i]);
        ck_assert_int_eq(
            take_place(&chat.ports, &chat.alice, &(struct wanted_model){.name = "llama"}, ids[i], &problem, &place),
            CHAT_OK);
        if (i == 1) place.ticket.leased = false;
        complete(&place, ids[i], &clients[i]);
        ck_assert(fake_client_wait_text(&clients[i], "Hi"));
    }
    ck_assert_uint_eq(relay_tickets(relay, &tickets), 2);
    ck_assert_str_eq(tickets[0].answer_id, ids[2]); /* the newest first */
    ck_assert_str_eq(tickets[1].answer_id, ids[0]);
    free(tickets);
    close_relay();
    for (size_t i = 0; i < UNIT_COUNT(ids); i++) fake_client_fini(&clients[i]);
}
END_TEST

/* More than one turn of the loop copies. */
enum { MANY = 257 };
static char many_ids[MANY][UUID_TEXT_SIZE];

/* The provider says nothing. */
static void complete_many(struct fake_client *clients)
{
    static const char *const mute[] = {FAKE_HOLD, NULL};

    tear_down();
    max_streams = MANY;
    open_all();
    chat.policy.max_concurrent_streams = chat.policy.rate_limit_per_minute = chat.policy.daily_message_quota = MANY;
    for (int i = 0; i < MANY; i++) {
        struct problem problem = {0};
        struct place place = {0};
        char *id = many_ids[i];

        snprintf(id, UUID_TEXT_SIZE, "0198c5f2-7c00-7000-8000-%012d", i);
        fake_server_reply(server, mute);
        fake_client_init(&clients[i]);
        ck_assert_int_eq(
            take_place(&chat.ports, &chat.alice, &(struct wanted_model){.name = "llama"}, id, &problem, &place),
            CHAT_OK);
        complete(&place, "req-1", &clients[i]);
    }
}

START_TEST(tickets_of_more_than_a_turn_copies_can_all_be_had_each_once)
{
    struct fake_client *clients = malloc(MANY * sizeof *clients);
    struct admission_ticket *tickets;

    ck_assert_ptr_nonnull(clients);
    complete_many(clients);
    ck_assert_uint_eq(relay_tickets(relay, &tickets), MANY);
    for (int i = 0; i < MANY; i++) ck_assert(fake_admission_has_ticket(tickets, MANY, many_ids[i]));
    free(tickets);
    close_relay();
    for (int i = 0; i < MANY; i++) fake_client_fini(&clients[i]);
    free(clients);
}
END_TEST

START_TEST(one_that_broke_in_mid_stream_is_paid_for)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_GATE, "data: {\"choices\":[{\"in\n\n", NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    fake_server_open_gate(server);
    assert_ended(CHAT_ERR_UPSTREAM_INVALID_RESPONSE, false);
    ck_assert_str_eq(fake_client_text(&client), CHUNK("Hi"));
}
END_TEST

START_TEST(one_that_failed_before_its_first_chunk_costs_nothing)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD "data: {\"choices\":[{\"in\n\n", NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_UPSTREAM_INVALID_RESPONSE, true);
    ck_assert_int_eq(client.frames, 0);
}
END_TEST

START_TEST(a_client_that_leaves_ends_it_upstream_and_pays)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    fake_client_leave(&client);
    ck_assert(fake_server_wait_left(server, 1));
    assert_left(false);
    ck_assert_int_eq(client.ends, 0);
}
END_TEST

/* Its socket says nothing yet: the write is what fails, of a frame or of a comment. */
START_TEST(a_client_that_cannot_be_written_to_ends_it_upstream_and_pays)
{
    static const char *const one[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};
    static const char *const two[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_GATE, CHUNK("ho"), FAKE_HOLD, NULL};
    const bool by_comment = _i;

    fake_admission_hold_settle(&chat.admission, true); /* which its connection doesn't wait for */
    fake_server_reply(server, by_comment ? one : two);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    fake_client_break(&client);
    if (by_comment)
        turn_clock(COMMENT_MS);
    else
        fake_server_open_gate(server);
    ck_assert(fake_client_wait_closed(&client));
    ck_assert(fake_server_wait_left(server, 1));
    fake_admission_hold_settle(&chat.admission, false);
    assert_left(false);
    ck_assert_int_eq(client.ends, 0);
    ck_assert_int_eq(client.comments, by_comment);
}
END_TEST

START_TEST(a_client_that_leaves_ends_it_upstream_though_its_lease_cannot_end)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};

    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, -1);
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    fake_client_leave(&client);
    ck_assert(fake_client_wait_closed(&client));
    ck_assert(fake_server_wait_left(server, 1));
    ck_assert_int_eq(relay_live(relay), 1); /* its lease is still to be ended */
    fake_admission_fail_settle(&chat.admission, CHAT_OK, 0);
    while (!fake_admission_settled(&chat.admission)) turn_clock(1000);
    assert_left(false);
}
END_TEST

START_TEST(a_client_that_leaves_while_the_provider_waits_for_it_ends_it_too)
{
    static const char *reply[3];

    reply[0] = burst_of(600, 950);
    reply[1] = FAKE_HOLD;

    fake_server_reply(server, reply);
    fake_client_bound(&client, 1000);
    ask();
    ck_assert(fake_client_wait_waiting(&client, 64 << 10));
    fake_client_leave(&client);
    assert_left(false);
}
END_TEST

START_TEST(with_the_limits_away_the_end_is_told_within_two_seconds_and_settled_later)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};

    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 3);
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    while (!fake_client_count(&client, &client.ends)) turn_clock(500);
    ck_assert(fake_client_wait_closed(&client));
    while (!fake_admission_settled(&chat.admission)) turn_clock(1000);
    assert_ended(CHAT_OK, false);
}
END_TEST

/* The limits are away for everybody then: thousands of ends would ask for them as fast as they can. */
START_TEST(an_end_that_was_not_settled_is_tried_again_after_a_pause)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};
    enum { TURNS = 200 };

    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 1);
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_admission_wait_settle_calls(&chat.admission, 1));
    turn_clock(SETTLE_RETRY_MS - 1);
    for (int i = 0; i < TURNS / 2; i++) turn_clock(0); /* time for another try */
    ck_assert_int_eq(fake_admission_settle_calls(&chat.admission), 1);
    while (!fake_admission_settled(&chat.admission)) turn_clock(SETTLE_RETRY_MS);
    assert_ended(CHAT_OK, false);
    ck_assert_int_eq(fake_admission_settle_calls(&chat.admission), 2);
}
END_TEST

START_TEST(with_limits_that_do_not_answer_the_end_is_told_after_two_seconds)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};

    fake_admission_hold_settle(&chat.admission, true);
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_admission_wait_settle_calls(&chat.admission, 1));
    turn_clock(1999);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    turn_clock(1);
    ck_assert(fake_client_wait_closed(&client));
    ck_assert_int_eq(relay_live(relay), 1);
    fake_admission_hold_settle(&chat.admission, false);
    assert_ended(CHAT_OK, false);
}
END_TEST

START_TEST(with_the_limits_away_for_long_it_is_given_up_and_its_place_is_free_again)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};

    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, -1);
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    for (int tries = 0; relay_live(relay); tries++) {
        ck_assert_int_lt(tries, 1000); /* each turn may come before the try that it waits for */
        turn_clock(1000);
    }
    ck_assert_int_eq(client.closes, 1);
    ck_assert_str_eq(error_code(client.error), error_code(CHAT_OK));
    close_relay();
}
END_TEST

START_TEST(a_drain_ends_it_with_an_error_and_frees_its_place)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    relay_drain(relay);
    ck_assert_int_eq(relay_live(relay), 0);
    assert_ended(CHAT_ERR_SHUTTING_DOWN, false);
    ck_assert(fake_server_wait_left(server, 1));
}
END_TEST

/* ---- the provider's silence, and what is no answer ---- */

START_TEST(comments_of_the_provider_keep_it_from_no_limit)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_GATE, ": still here\n\n", FAKE_HOLD, NULL};
    bool passed_on;

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    turn_clock(IDLE_MS - 1000);
    fake_server_open_gate(server);
    FAKE_WAIT_UNTIL(&client.wait, client.frames == 2, passed_on); /* the relay's own comments are no frames */
    ck_assert(passed_on);
    turn_clock(999);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    turn_clock(1);
    assert_ended(CHAT_ERR_UPSTREAM_TIMEOUT, false);
}
END_TEST

/* Other choices of `n` could lack their ends. */
START_TEST(a_stream_without_its_end_mark_whose_connection_broke_is_not_whole)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP, FAKE_GATE, FAKE_RESET, NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "stop"));
    fake_server_open_gate(server);
    assert_ended(CHAT_ERR_UPSTREAM_INVALID_RESPONSE, false);
    ck_assert_str_eq(client.finish_reason, "stop");
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
}
END_TEST

START_TEST(silence_after_the_first_chunk_is_bridged_by_comments)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    turn_clock(COMMENT_MS - 1);
    ck_assert_int_eq(fake_client_count(&client, &client.comments), 0);
    turn_clock(1);
    ck_assert_int_eq(fake_client_count(&client, &client.comments), 1);
    turn_clock(IDLE_MS - COMMENT_MS - 1);
    ck_assert_int_eq(fake_client_count(&client, &client.comments), 1);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    turn_clock(1);
    assert_ended(CHAT_ERR_UPSTREAM_TIMEOUT, false);
}
END_TEST

START_TEST(a_first_byte_that_does_not_come_is_a_timeout_and_the_models_failure)
{
    static const char *const reply[] = {FAKE_HOLD, NULL};
    const uint64_t *timeouts = &metrics->counters.upstream_errors[UPSTREAM_TIMEOUT];
    const uint64_t before = *timeouts; /* of earlier tests, where they run in one process */

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_server_wait_requests(server, 1));
    turn_clock(FIRST_BYTE_MS - 1);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    turn_clock(1);
    assert_ended(CHAT_ERR_UPSTREAM_TIMEOUT, true);
    ck_assert_int_eq(client.comments, 0); /* one would have opened the response */
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 1);
    ck_assert_uint_eq(*timeouts, before + 1);
}
END_TEST

/* What a caller can bring about is no failure of the model's. */
static const struct {
    const char *rest;
    enum chat_error error;
    enum breaker_outcome outcome;
} outcomes[] = {
    {CHUNK("Hi") STOP DONE, CHAT_OK, BREAKER_SUCCESS},
    {CHUNK("Hi") STOP, CHAT_OK, BREAKER_SUCCESS}, /* no [DONE], but ended as it should */
    {DONE, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_SUCCESS},
    {CHUNK("Hi"), CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_FAILURE}, /* cut off */
    {"data: {\"choi\n\n", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_FAILURE},
    {"{\"error\":\"no\"}", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_NEITHER},
    {CHUNK("Hi") "data: {\"choi\n\n", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_FAILURE},
};

START_TEST(the_breaker_is_told_what_a_stream_says_of_its_model)
{
    static const char *reply[3];
    int reports = 0;

    reply[0] = FAKE_STREAM_HEAD;
    reply[1] = outcomes[_i].rest;
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_closed(&client));
    assert_ended(outcomes[_i].error, client.frames == 0 && outcomes[_i].error != CHAT_OK);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, outcomes[_i].outcome), 1);
    for (int i = BREAKER_SUCCESS; i <= BREAKER_BUSY; i++)
        reports += fake_breaker_reports(&chat.breaker, (enum breaker_outcome)i);
    ck_assert_int_eq(reports, 1);
}
END_TEST

START_TEST(a_429_lets_the_model_rest_as_long_as_it_says)
{
    static const char *const reply[] = {
        "HTTP/1.1 429 Busy\r\nRetry-After: 17\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_UPSTREAM_RATE_LIMITED, true);
    ck_assert_int_eq(client.retry_after_s, 17);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(chat.breaker.rest_s, 17);
}
END_TEST

START_TEST(a_trial_that_brings_text_is_told_before_its_end)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_HOLD, NULL};

    chat.breaker.rule = (struct breaker){.state = BREAKER_OPEN, .until_ms = 1, .generation = 1};
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    while (!fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS)) turn_clock(0); /* a job does */
    fake_client_leave(&client);
    assert_left(false);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
}
END_TEST

START_TEST(a_comment_opens_nothing_so_what_fails_later_is_a_status)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD ": one moment\n\nevent: ping\n\n", FAKE_GATE,
                                        "data: {\"error\":{\"message\":\"no\"}}\n\n", NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_server_wait_requests(server, 1));
    fake_server_open_gate(server);
    assert_ended(CHAT_ERR_UPSTREAM_ERROR, true);
    ck_assert_int_eq(client.frames, 0);
}
END_TEST

static const char *const broken[] = {
    "",                          /* nothing at all */
    DONE,                        /* an end without a beginning */
    ": comment\n\n",             /* no chunk */
    CHUNK("Hi"),                 /* cut off */
    CHUNK("Hi") ": comment\n\n", /* likewise */
    "data: {\"choices\":[]}\n\n"
    "data: {\"cho", /* an event without its end */
};

START_TEST(what_is_no_whole_stream_is_never_told_as_one)
{
    static const char *reply[3];

    reply[0] = FAKE_STREAM_HEAD;
    reply[1] = broken[_i];

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_closed(&client));
    assert_ended(CHAT_ERR_UPSTREAM_INVALID_RESPONSE, client.frames == 0);
    ck_assert_ptr_null(client.out.len ? strstr(fake_client_text(&client), "[DONE]") : NULL);
}
END_TEST

START_TEST(an_event_over_its_bound_is_the_end)
{
    static const char *reply[3];

    reply[0] = burst_of(1, 600000);
    reply[1] = FAKE_HOLD;

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_UPSTREAM_INVALID_RESPONSE, true);
    ck_assert_int_eq(client.frames, 0);
}
END_TEST

/* ---- how often the client is written to ---- */

#define CHUNKED_HEAD                                                                       \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" \
    "Connection: close\r\n\r\n"
#define FRAMED "39\r\n" CHUNK("x") "\r\n"

/* As the provider's proxy frames them: each event has a chunk of its own, and many come at once. */
START_TEST(what_one_reading_brings_goes_to_the_client_in_one_piece)
{
    static const char *const reply[] = {CHUNKED_HEAD FRAMED FRAMED FRAMED FRAMED FRAMED FRAMED, FAKE_HOLD, NULL};
    static const char all[] = CHUNK("x") CHUNK("x") CHUNK("x") CHUNK("x") CHUNK("x") CHUNK("x");

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, all));
    fake_client_leave(&client);
    assert_left(false);
    ck_assert_int_eq(client.frames, 1);
}
END_TEST

START_TEST(the_last_frames_go_out_together_with_the_end)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi"), FAKE_GATE, STOP DONE, NULL};

    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    fake_server_open_gate(server);
    assert_ended(CHAT_OK, false);
    ck_assert_int_eq(client.corked_frames, 1); /* [DONE], and none before */
    ck_assert_int_ge(client.frames, 2);
}
END_TEST

/* ---- one that is asked for whole ---- */

START_TEST(a_whole_answer_has_the_time_of_the_whole_alone)
{
    static const char *const reply[] = {JSON_HEAD, FAKE_GATE, "{\"choices\"", FAKE_GATE, WHOLE + 10, NULL};

    fake_server_reply(server, reply);
    ask_so("{\"model\":\"llama\"}", false);
    ck_assert(fake_server_wait_requests(server, 1));
    turn_clock(FIRST_BYTE_MS + IDLE_MS);
    fake_server_open_gate(server);
    turn_clock(FIRST_BYTE_MS + IDLE_MS);
    ck_assert_int_eq(fake_client_count(&client, &client.ends), 0);
    fake_server_open_gate(server);
    assert_ended(CHAT_OK, false);
    ck_assert_str_eq(fake_client_text(&client), WHOLE);
}
END_TEST

START_TEST(a_whole_answer_that_takes_longer_than_that_is_given_up)
{
    static const char *const reply[] = {JSON_HEAD, FAKE_HOLD, NULL};

    fake_server_reply(server, reply);
    ask_so("{\"model\":\"llama\"}", false);
    ck_assert(fake_server_wait_requests(server, 1));
    turn_clock(TOTAL_MS);
    assert_ended(CHAT_ERR_UPSTREAM_TIMEOUT, true);
}
END_TEST

/* ---- what it has used ---- */

static int log_ends[2];

static void log_to_pipe(void)
{
    ck_assert_int_eq(pipe(log_ends), 0);
    log_set_fd(log_ends[1]);
}

/* Of the completion that has ended: its line, without what comes before it. */
static const char *logged_end(void)
{
    static char text[65536];

    log_set_fd(STDERR_FILENO);
    close(log_ends[1]);
    ssize_t len = read(log_ends[0], text, sizeof text - 1);
    close(log_ends[0]);
    ck_assert_int_gt(len, 0);
    text[len] = '\0';
    const char *line = strstr(text, "completion_ended");
    ck_assert_ptr_nonnull(line);
    return line;
}

/* All that the ledger has. */
static struct usage_counts counted(void)
{
    const struct usage_query query = {
        .from = "1970-01-01", .to = "9999-12-31", .user_id = "alice", .group = USAGE_BY_USER, .limit = 1};
    struct usage_page page;

    ck_assert(use_ledger_flush(chat.ports.ledger, chat.ports.usage));
    ck_assert_int_eq(usage_repo_list(chat.ports.usage, &query, &chat.arena, &page), CHAT_OK);
    ck_assert_uint_eq(page.count, 1);
    return page.items[0].counts;
}

#define TELLS(usage) "data: {\"choices\":[],\"usage\":{" usage "}}\n\n"
#define OTHER "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"12345678\"}}]}\n\n"
#define NO_USAGE                                                                             \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"}," \
    "\"finish_reason\":\"stop\"}]}"

/* A request is taken for a third of its bytes, an answer for a quarter of its text's. Prices are 0.60 and 1.20. */
static const struct {
    const char *head, *rest;
    int64_t prompt_tokens, completion_tokens, cost_micro_usd;
    bool estimated;
} used[] = {
    {FAKE_STREAM_HEAD, CHUNK("Hello") STOP TELLS("\"prompt_tokens\":700,\"completion_tokens\":20") DONE, 700, 20, 444,
     false},
    {FAKE_STREAM_HEAD, CHUNK("Hello") STOP TELLS("\"prompt_tokens\":700") DONE, 700, 2, 422, true},
    {FAKE_STREAM_HEAD, CHUNK("Hello") STOP TELLS("\"completion_tokens\":20") DONE, 11, 20, 31, true},
    {FAKE_STREAM_HEAD, CHUNK("Hello") OTHER STOP DONE, 11, 4, 11, true},
    {JSON_HEAD, WHOLE, 7, 2, 7, false},
    {JSON_HEAD, NO_USAGE, 11, 4, 11, true},
};

START_TEST(what_the_provider_tells_is_counted_and_only_the_rest_is_estimated)
{
    static const char *reply[3];
    static const char body[] = "{\"model\":\"llama\",\"n\":\"fillers\"}";

    reply[0] = used[_i].head;
    reply[1] = used[_i].rest;
    log_to_pipe();
    fake_server_reply(server, reply);
    ask_so(body, strstr(used[_i].head, "event-stream") != NULL);
    assert_ended(CHAT_OK, false);
    const struct usage_counts counts = counted();
    ck_assert_int_eq(counts.completions, 1);
    ck_assert_int_eq(counts.prompt_tokens, used[_i].prompt_tokens);
    ck_assert_int_eq(counts.completion_tokens, used[_i].completion_tokens);
    ck_assert_int_eq(counts.cost_micro_usd, used[_i].cost_micro_usd);
    ck_assert_ptr_nonnull(
        strstr(logged_end(), used[_i].estimated ? "\"tokens_estimated\":true" : "\"tokens_estimated\":false"));
}
END_TEST

static const struct {
    const char *rest;
    enum metrics_completion result;
} results[] = {
    {STOP DONE, COMPLETIONS_OK},
    {"data: {\"cho\n\n", COMPLETIONS_FAILED},
    {NULL, COMPLETIONS_CLIENT_LEFT},
};

START_TEST(each_completion_is_counted_by_how_it_ended)
{
    static const char *reply[4];
    uint64_t before[COMPLETION_RESULTS]; /* of earlier tests, where they run in one process */

    memcpy(before, metrics->counters.completions, sizeof before);
    reply[0] = FAKE_STREAM_HEAD CHUNK("Hi");
    reply[1] = results[_i].rest ? results[_i].rest : FAKE_HOLD;
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_client_wait_text(&client, "Hi"));
    if (!results[_i].rest) fake_client_leave(&client);
    assert_left(false);
    for (int i = 0; i < COMPLETION_RESULTS; i++)
        ck_assert_uint_eq(metrics->counters.completions[i] - before[i], i == (int)results[_i].result);
}
END_TEST

START_TEST(what_was_refused_has_used_no_tokens)
{
    static const char *const reply[] = {"HTTP/1.1 400 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_INVALID_REQUEST, true);
    ck_assert_int_eq(counted().prompt_tokens, 0);
    ck_assert_int_eq(counted().cost_micro_usd, 0);
}
END_TEST

/* Its end is tried until the limits are back. */
START_TEST(it_is_counted_once_however_often_its_end_is_tried)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};

    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 3);
    fake_server_reply(server, reply);
    ask();
    for (int calls = 1; calls <= 4; calls++) {
        ck_assert(fake_admission_wait_settle_calls(&chat.admission, calls));
        while (calls < 4 && fake_admission_settle_calls(&chat.admission) == calls) turn_clock(1000);
    }
    assert_ended(CHAT_OK, false);
    ck_assert_int_eq(counted().completions, 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), 1);
}
END_TEST

/* ---- refused by the provider ---- */

#define REFUSE(status, type, body) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n" body

/* (provider-reason-of-a-400) */
START_TEST(who_wrote_the_request_is_told_what_the_provider_has_against_it)
{
    static const char *const reply[] = {
        REFUSE("400 No", "application/json",
               "{\"error\":{\"message\":\"Invalid schema\\nfor function 'search'\","
               "\"param\":\"tools[0].function.parameters\",\"code\":\"invalid_function_parameters\"}}"),
        NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_INVALID_REQUEST, true);
    ck_assert_str_eq(client.message, "Invalid schema for function 'search'");
    ck_assert_str_eq(client.param, "tools[0].function.parameters");
}
END_TEST

START_TEST(a_422_is_the_callers_to_put_right_too)
{
    static const char *const reply[] = {
        REFUSE("422 No", "application/json", "{\"error\":{\"message\":\"no such tool\"}}"), NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_INVALID_REQUEST, true);
    ck_assert_str_eq(client.message, "no such tool");
}
END_TEST

START_TEST(what_the_provider_says_of_itself_goes_to_nobody)
{
    static const char *const reply[] = {
        REFUSE("500 No", "application/json", "{\"error\":{\"message\":\"node 10.0.0.7\",\"param\":\"x\"}}"), NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_UPSTREAM_ERROR, true);
    ck_assert_str_eq(client.message, "");
    ck_assert_str_eq(client.param, "");
    ck_assert(!client.tried_out); /* asked once */
}
END_TEST

/* ---- the fallback ---- */

static const char *const rests[] = {
    "HTTP/1.1 429 Busy\r\nRetry-After: 17\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", NULL};

static void open_with_fallback(void)
{
    tear_down();
    fallback_model = "the-spare";
    open_all();
    fake_server_reply(server, rests);
}

static const struct {
    const char *rest;
    enum chat_error error;
    enum breaker_outcome outcome;
    int failures;
} spares[] = {
    {CHUNK("Hi") STOP DONE, CHAT_OK, BREAKER_SUCCESS, 0},
    {CHUNK("Hi"), CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_FAILURE, 4}, /* cut off */
};

START_TEST(what_the_fallback_shows_is_told_of_the_fallback_and_not_of_the_model_that_was_wanted)
{
    static const char *reply[3];

    open_with_fallback();
    chat.breaker.rule.failures = 1;
    chat.breaker.spare.failures = 3;
    reply[0] = FAKE_STREAM_HEAD;
    reply[1] = spares[_i].rest;
    fake_server_reply(server, reply);
    ask();
    assert_ended(spares[_i].error, false);
    ck_assert_int_eq(fake_server_requests(server), 2);
    ck_assert_ptr_nonnull(strstr(fake_server_request(server, 1), "\"the-spare\""));
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, spares[_i].outcome), 1);
    ck_assert_int_eq(chat.breaker.spare.failures, spares[_i].failures);
    ck_assert_int_eq(chat.breaker.rule.failures, 1);
}
END_TEST

START_TEST(a_fallback_that_has_shown_nothing_yet_does_not_rest_for_the_model_that_was_wanted)
{
    static const char *const reply[] = {FAKE_HOLD, NULL};

    open_with_fallback();
    fake_server_reply(server, reply);
    ask();
    ck_assert(fake_server_wait_requests(server, 2));
    fake_client_leave(&client);
    assert_left(false);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_BUSY), 1);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_NEITHER), 1);
    ck_assert_int_gt(chat.breaker.rule.rest_until_ms, 0);
    ck_assert_int_eq(chat.breaker.spare.rest_until_ms, 0);
}
END_TEST

static uint64_t failed_upstream(void)
{
    return __atomic_load_n(&metrics->counters.upstream_errors[UPSTREAM_OTHER], __ATOMIC_RELAXED);
}

/* (retries-multiply) */
START_TEST(after_tries_of_our_own_the_client_is_told_that_more_make_no_sense)
{
    static const char *const busy[] = {REFUSE("503 Busy", "text/plain", "busy"), NULL};

    const uint64_t before = failed_upstream(); /* of earlier tests, where they run in one process */

    for (int i = 0; i < 3; i++) fake_server_reply(server, busy);
    ask();
    for (uint64_t i = 1; i < 3; i++) {
        while (failed_upstream() - before < i) turn_clock(0);
        turn_clock(1000); /* the pause before the next is over */
    }
    assert_ended(CHAT_ERR_UPSTREAM_ERROR, true);
    ck_assert_int_eq(fake_server_requests(server), 3);
    ck_assert(client.tried_out);
}
END_TEST

/* (E5) */
START_TEST(that_the_account_is_refused_is_said_as_what_it_is_and_kept_until_the_next_success)
{
    static const char *const no[] = {REFUSE("401 No", "application/json", "{\"error\":{\"message\":\"key k\"}}"), NULL};
    static const char *const yes[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};

    fake_server_reply(server, no);
    ask();
    ck_assert(fake_client_wait_closed(&client));
    ck_assert_str_eq(error_code(client.error), "upstream_error");
    ck_assert_ptr_nonnull(strstr(client.message, "operator"));
    ck_assert(client.account_refused);
    ck_assert_int_eq(metrics_account(), ACCOUNT_REFUSED);
    fake_client_fini(&client);
    fake_client_init(&client);
    fake_server_reply(server, yes);
    ask();
    ck_assert(fake_client_wait_closed(&client));
    ck_assert_str_eq(error_code(client.error), "ok");
    ck_assert_int_eq(metrics_account(), ACCOUNT_FINE);
}
END_TEST

/* A mutant let http_proxy of the environment get the requests (F). */
START_TEST(requests_go_through_the_proxy_that_is_named_and_never_through_the_environment_s)
{
    static const char *const reply[] = {FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};
    static const char *const proxied[] = {"HTTP/1.1 200 Connection established\r\n\r\n",
                                          FAKE_STREAM_HEAD CHUNK("Hi") STOP DONE, NULL};
    struct fake_server *other = fake_server_open();
    char *url = arena_printf(&chat.arena, "http://127.0.0.1:%d", fake_server_port(other));

    setenv("http_proxy", url, 1);
    setenv("all_proxy", url, 1);
    fake_server_reply(server, reply);
    fake_server_reply(other, proxied);
    ask();
    assert_ended(CHAT_OK, false);
    ck_assert_int_eq(fake_server_requests(server), 1);
    ck_assert_int_eq(fake_server_requests(other), 0);
    tear_down();

    through = other;
    setenv("no_proxy", "*", 1);
    open_all();
    ask();
    assert_ended(CHAT_OK, false);
    ck_assert_int_eq(fake_server_requests(server), 0);
    ck_assert_int_eq(strncmp(fake_server_request(other, 0), "CONNECT 127.0.0.1:", 18), 0);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("no_proxy");
    close_relay();
    fake_server_close(other);
}
END_TEST

/* (A9) One KB of it could become megabytes, which would stall the loop. */
static const struct {
    const char *encoding;
    enum chat_error error;
} encodings[] = {
    {"gzip", CHAT_ERR_UPSTREAM_INVALID_RESPONSE},
    {"br", CHAT_ERR_UPSTREAM_INVALID_RESPONSE},
    {"GZIP", CHAT_ERR_UPSTREAM_INVALID_RESPONSE},
    {"identity, gzip", CHAT_ERR_UPSTREAM_INVALID_RESPONSE},
    {"identity", CHAT_OK},
    {"", CHAT_OK},
};

START_TEST(a_content_encoding_that_was_not_asked_for_is_refused)
{
    static char head[256];
    static const char *reply[] = {head, CHUNK("Hi") STOP DONE, NULL};

    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: %s\r\nConnection: close\r\n\r\n",
             encodings[_i].encoding);
    fake_server_reply(server, reply);
    ask();
    assert_ended(encodings[_i].error, encodings[_i].error != CHAT_OK);
    ck_assert_ptr_nonnull(strstr(fake_server_request(server, 0), "\r\nAccept-Encoding: identity\r\n"));
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_SUCCESS), encodings[_i].error == CHAT_OK);
}
END_TEST

/* (A3) It took tokens: the unit doesn't come back, and the provider has done what it was asked. */
START_TEST(a_stream_without_a_chunk_that_took_tokens_is_counted)
{
    static const char *const reply[] = {
        FAKE_STREAM_HEAD "data: {\"error\":{\"code\":\"never_heard_of\"},\"usage\":{\"prompt_tokens\":7}}\n\n", NULL};

    fake_server_reply(server, reply);
    ask();
    assert_ended(CHAT_ERR_UPSTREAM_ERROR, false);
    ck_assert_int_eq(fake_breaker_reports(&chat.breaker, BREAKER_FAILURE), 0);
}
END_TEST

UNIT_SUITE(relay_completions)
{
    Suite *suite = suite_create("relay_completions");
    TCase *cases[8];

    cases[0] = UNIT_CASE(
        suite, "a client that is behind",
        one_that_reads_at_all_is_kept_however_long_it_takes_and_no_limit_of_the_providers_counts_that,
        a_provider_that_falls_silent_after_a_pause_is_given_up_after_its_own_limit,
        silence_is_not_counted_while_the_client_is_what_keeps_the_provider_waiting,
        the_provider_is_read_on_before_the_client_has_nothing_left_to_take,
        one_that_takes_nothing_is_let_go_and_the_provider_is_closed, one_that_takes_nothing_of_the_end_is_let_go_too,
        waiting_for_a_client_takes_no_turns_of_the_loop, a_client_that_has_caught_up_takes_no_turns_of_the_loop_either);
    tcase_add_loop_test(cases[0], a_burst_reaches_a_client_that_reads_slowly_whole_and_never_lies_here_as_a_whole, 0,
                        (int)UNIT_COUNT(bursts));
    cases[1] = UNIT_CASE(suite, "lease, limits, client", its_ticket_can_be_had_for_renewing_as_long_as_it_lives,
                         one_that_broke_in_mid_stream_is_paid_for, one_that_failed_before_its_first_chunk_costs_nothing,
                         all_tickets_that_hold_a_lease_can_be_had_and_no_other,

                         a_client_that_leaves_ends_it_upstream_and_pays,
                         a_client_that_leaves_ends_it_upstream_though_its_lease_cannot_end,
                         a_client_that_leaves_while_the_provider_waits_for_it_ends_it_too,
                         with_the_limits_away_the_end_is_told_within_two_seconds_and_settled_later,
                         an_end_that_was_not_settled_is_tried_again_after_a_pause,
                         with_limits_that_do_not_answer_the_end_is_told_after_two_seconds,
                         with_the_limits_away_for_long_it_is_given_up_and_its_place_is_free_again,
                         a_drain_ends_it_with_an_error_and_frees_its_place);
    tcase_add_test(cases[1], tickets_of_more_than_a_turn_copies_can_all_be_had_each_once);
    tcase_add_loop_test(cases[1], a_client_that_cannot_be_written_to_ends_it_upstream_and_pays, 0, 2);
    cases[2] = UNIT_CASE(suite, "no answer", comments_of_the_provider_keep_it_from_no_limit,
                         a_stream_without_its_end_mark_whose_connection_broke_is_not_whole,
                         silence_after_the_first_chunk_is_bridged_by_comments,
                         a_first_byte_that_does_not_come_is_a_timeout_and_the_models_failure,
                         a_429_lets_the_model_rest_as_long_as_it_says, a_trial_that_brings_text_is_told_before_its_end,
                         a_comment_opens_nothing_so_what_fails_later_is_a_status, an_event_over_its_bound_is_the_end);
    tcase_add_loop_test(cases[2], what_is_no_whole_stream_is_never_told_as_one, 0, (int)UNIT_COUNT(broken));
    tcase_add_loop_test(cases[2], the_breaker_is_told_what_a_stream_says_of_its_model, 0, (int)UNIT_COUNT(outcomes));
    cases[3] = UNIT_CASE(suite, "whole", a_whole_answer_has_the_time_of_the_whole_alone,
                         a_whole_answer_that_takes_longer_than_that_is_given_up);
    cases[4] = UNIT_CASE(suite, "refused", who_wrote_the_request_is_told_what_the_provider_has_against_it,
                         a_422_is_the_callers_to_put_right_too, what_the_provider_says_of_itself_goes_to_nobody,
                         after_tries_of_our_own_the_client_is_told_that_more_make_no_sense,
                         that_the_account_is_refused_is_said_as_what_it_is_and_kept_until_the_next_success,
                         requests_go_through_the_proxy_that_is_named_and_never_through_the_environment_s,
                         a_stream_without_a_chunk_that_took_tokens_is_counted);
    tcase_add_loop_test(cases[4], a_content_encoding_that_was_not_asked_for_is_refused, 0, (int)UNIT_COUNT(encodings));
    cases[5] = UNIT_CASE(suite, "used", what_was_refused_has_used_no_tokens,
                         it_is_counted_once_however_often_its_end_is_tried);
    tcase_add_loop_test(cases[5], what_the_provider_tells_is_counted_and_only_the_rest_is_estimated, 0,
                        (int)UNIT_COUNT(used));
    tcase_add_loop_test(cases[5], each_completion_is_counted_by_how_it_ended, 0, (int)UNIT_COUNT(results));
    cases[6] =
        UNIT_CASE(suite, "fallback", a_fallback_that_has_shown_nothing_yet_does_not_rest_for_the_model_that_was_wanted);
    tcase_add_loop_test(cases[6], what_the_fallback_shows_is_told_of_the_fallback_and_not_of_the_model_that_was_wanted,
                        0, (int)UNIT_COUNT(spares));
    cases[7] = UNIT_CASE(suite, "writes", what_one_reading_brings_goes_to_the_client_in_one_piece,
                         the_last_frames_go_out_together_with_the_end);
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        tcase_add_checked_fixture(cases[i], set_up, tear_down);
    }
    return suite;
}
