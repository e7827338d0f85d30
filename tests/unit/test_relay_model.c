/*
 * The life of an answer as a model: random orders of what may happen to one (text, a client that leaves or comes, here
 * or in another process, a stop asked here or there, its process taken for dead, the stores away, the same said twice)
 * against the relay, and after each run the invariants. What may be the end is known from what happened; where only one
 * thing that ends an answer happened, it must be that one.
 *
 * MODEL_RUNS=n runs n orders instead of the few of every day, MODEL_SEED=s begins with another one. A failure names
 * its seed and its order.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "domain/answer.h"
#include "relay/relay.h"
#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_listener.h"
#include "tests/fakes/fake_server.h"
#include "unit.h"
#include "usecases/reap_answers.h"
#include "usecases/send_message.h"
#include "usecases/stop_message.h"

enum { RUNS = 100, STEPS = 24, CHUNKS = 6, CLIENTS = 8, GRACE_MS = 30000, LONGEST_MS = 600000, IDLE_MS = 100000 };

enum upstream_end { END_WHOLE, END_CUT, END_RESET, UPSTREAM_ENDS };

/* One client, and where it is attached. */
struct client {
    struct fake_listener listener;
    bool here; /* at the process that writes */
    bool left;
};

static struct {
    unsigned seed;
    char order[1024]; /* what happened, for who reads a failure */
    struct fake_chat chat;
    struct fake_server *server;
    struct job_pool *jobs, *other_jobs;
    struct relay *owner, *other;
    char answer_id[UUID_TEXT_SIZE];
    struct client *clients[CLIENTS];
    int client_count;
    const char *steps[2 * CHUNKS + 4]; /* of the provider */
    enum upstream_end upstream_end;
    int gates_opened;
    int64_t quiet_ms, alone_ms; /* turned since the last text; since the last client here left */
    bool may_be[5];             /* by enum message_status */
    bool reaped;
} run;

static atomic_llong turned_ms;

static int64_t turned_wall_ms(const struct clock *self)
{
    (void)self;
    return clock_wall_ms(clock_system()) + turned_ms;
}

static int64_t turned_mono_ms(const struct clock *self)
{
    (void)self;
    return clock_mono_ms(clock_system()) + turned_ms;
}

static void turned_sleep_ms(const struct clock *self, int64_t ms)
{
    (void)self;
    (void)ms;
    usleep(1000);
}

static const struct clock turned_clock = {turned_wall_ms, turned_mono_ms, turned_sleep_ms};

static unsigned draw(unsigned below)
{
    run.seed = run.seed * 1103515245u + 12345u;
    return (run.seed >> 16) % below;
}

static void note(const char *what)
{
    size_t len = strlen(run.order);
    snprintf(run.order + len, sizeof run.order - len, " %s", what);
}

#define HOLDS(condition) ck_assert_msg((condition), "%s, after:%s", #condition, run.order)

/* ---- the world of one run ---- */

static const char *const chunks[CHUNKS] = {"c one\n", "c two\n", "c three\n", "c four\n", "c five\n", "c six\n"};
static const char whole_text[] = "onetwothreefourfivesix";

static struct relay *open_relay(struct job_pool **jobs)
{
    const struct chat_ports *each[2] = {&run.chat.ports, &run.chat.ports};
    const struct relay_settings settings = {.provider = &run.chat.provider.provider,
                                            .clock = &turned_clock,
                                            .max_streams = 2 * CLIENTS,
                                            .max_readers_per_user = 2 * CLIENTS,
                                            .detach_grace_ms = GRACE_MS};
    *jobs = relay_jobs_open(each, 2);
    struct relay *relay = relay_open(&settings, *jobs);
    ck_assert_ptr_nonnull(relay);
    return relay;
}

static void close_relay(struct relay **relay, struct job_pool *jobs)
{
    if (!*relay) return;
    relay_drain(*relay);
    relay_close(*relay);
    job_pool_close(jobs);
    *relay = NULL;
}

static void script_provider(void)
{
    size_t at = 0;
    run.steps[at++] = FAKE_STREAM_HEAD;
    for (int i = 0; i < CHUNKS; i++) {
        run.steps[at++] = chunks[i];
        run.steps[at++] = FAKE_GATE;
    }
    run.upstream_end = draw(UPSTREAM_ENDS);
    if (run.upstream_end == END_WHOLE) run.steps[at++] = "usage 7 6\nstop\ndone\n";
    if (run.upstream_end == END_RESET) run.steps[at++] = FAKE_RESET;
    fake_server_reply(run.server, run.steps);
}

static struct client *new_client(bool here)
{
    struct client *client = calloc(1, sizeof *client);
    ck_assert_ptr_nonnull(client);
    fake_listener_init(&client->listener);
    client->here = here;
    run.clients[run.client_count++] = client;
    return client;
}

static void send_question(void)
{
    const struct send_message in = {.caller = &run.chat.alice, .content = "Why?", .content_len = 4};
    struct problem problem = {0};
    struct ready_answer ready;
    ck_assert_int_eq(send_message(&run.chat.ports, &in, &run.chat.arena, &problem, &ready), CHAT_OK);
    memcpy(run.answer_id, ready.answer.id, UUID_TEXT_SIZE);
    ready.spec.request_id = "req-1";
    answers_start(run.chat.ports.answers, &ready.spec, &new_client(true)->listener.listener);
}

static void open_world(unsigned seed)
{
    memset(&run, 0, sizeof run);
    run.seed = seed;
    snprintf(run.order, sizeof run.order, " seed=%u:", seed);
    turned_ms = 0;
    fake_chat_init(&run.chat);
    run.chat.ports.clock = &turned_clock;
    run.server = fake_server_open();
    fake_provider_init(&run.chat.provider, fake_server_port(run.server));
    run.chat.provider.provider.first_byte_timeout_ms = run.chat.provider.provider.idle_timeout_ms = IDLE_MS;
    run.chat.provider.provider.total_timeout_ms = LONGEST_MS;
    script_provider();
    run.owner = open_relay(&run.jobs);
    run.other = open_relay(&run.other_jobs);
    run.chat.ports.answers = relay_answers(run.owner);
    send_question();
}

static void close_world(void)
{
    for (int i = 0; i < run.client_count; i++) {
        fake_listener_fini(&run.clients[i]->listener);
        free(run.clients[i]);
    }
    fake_server_close(run.server);
    fake_chat_fini(&run.chat);
}

static struct message row(void)
{
    struct message message = {0};
    ck_assert(fake_repo_message(run.chat.repo, run.answer_id, &message));
    return message;
}

/* Both loops have looked at the clock and at what had come by now. */
static void settle_down(void)
{
    for (int i = 0; i < 2; i++) {
        struct admission_ticket *tickets;
        relay_tickets(run.owner, &tickets);
        free(tickets);
        relay_tickets(run.other, &tickets);
        free(tickets);
    }
}

/* One attached elsewhere counts too, but only once the log has said so, which the turned clock may outrun. */
static bool anybody_attached_here(void)
{
    for (int i = 0; i < run.client_count; i++)
        if (run.clients[i]->here && !run.clients[i]->left) return true;
    return false;
}

/* ---- what may happen ---- */

static void text_comes(void)
{
    if (run.gates_opened == CHUNKS) return;
    note("text");
    run.gates_opened++;
    run.quiet_ms = 0;
    fake_server_open_gate(run.server);
    if (run.gates_opened == CHUNKS) {
        run.may_be[run.upstream_end == END_WHOLE ? MESSAGE_COMPLETE : MESSAGE_FAILED] = true;
        note("end");
    }
}

static void client_leaves(void)
{
    struct client *client = run.clients[draw((unsigned)run.client_count)];
    if (client->left) return;
    note("leave");
    client->left = true;
    if (!anybody_attached_here()) run.alone_ms = 0;
    fake_listener_leave(&client->listener);
    ck_assert(fake_listener_wait_closed(&client->listener));
}

static void client_comes(bool here)
{
    const struct quota quota = {0};
    struct message message = row();
    struct session session;
    if (run.client_count == CLIENTS || message.status != MESSAGE_STREAMING) return; /* else it is told from the row */
    const struct answer_attach attach = {
        .caller = &run.chat.alice, .answer = &message, .session = &session, .quota = &quota, .request_id = "req-2"};
    if (session_repo_get(run.chat.ports.sessions, "alice", message.session_id, &run.chat.arena, &session) != CHAT_OK)
        return;
    struct answers *answers = relay_answers(here ? run.owner : run.other);
    ck_assert_int_eq(answers_reserve_reader(answers, "alice"), CHAT_OK);
    note(here ? "attach" : "attach_elsewhere");
    answers_attach(answers, &attach, &new_client(here)->listener.listener);
    if (here) run.alone_ms = 0;
}

static void stop_here(void)
{
    note("stop");
    run.may_be[MESSAGE_STOPPED] = true;
    answers_stop(run.chat.ports.answers, run.answer_id);
}

static void stop_elsewhere(void)
{
    bool asked;
    if (answer_log_ask_stop(&run.chat.log.log, run.answer_id, &asked) != CHAT_OK || !asked) return;
    note("stop_elsewhere");
    run.may_be[MESSAGE_STOPPED] = true;
}

/* It stood still for so long that the others took it for dead. */
static void taken_for_dead(void)
{
    int before = fake_repo_writes(run.chat.repo, run.answer_id);
    run.chat.log.writers = WRITER_DEAD;
    struct reaper reaper = {.longest_ms = LONGEST_MS};
    reap_answers(&run.chat.ports, &reaper); /* which may write the row and then find the limits away */
    run.chat.log.writers = WRITER_ALIVE;
    enum message_status status = row().status; /* before the count: its owner may be ending it right now */
    int written = fake_repo_writes(run.chat.repo, run.answer_id) - before;
    if (written < 2 && status != MESSAGE_INTERRUPTED) return; /* twice: the owner has had the last word already */
    if (written == 0) return;
    note("reaped");
    run.reaped = true;
}

static void time_passes(void)
{
    int by_ms = (int)draw(20) * 1000 + 100;
    note("time");
    turned_ms += by_ms;
    run.quiet_ms += by_ms;
    run.alone_ms = anybody_attached_here() ? 0 : run.alone_ms + by_ms;
    /* the machine's own time passes too: near the bound either may be */
    if (run.quiet_ms >= IDLE_MS - 15000) run.may_be[MESSAGE_FAILED] = true;
    if (run.alone_ms >= GRACE_MS - 15000) run.may_be[MESSAGE_STOPPED] = true;
    settle_down();
}

static void database(enum chat_error error)
{
    note(error ? "no_database" : "database");
    fake_repo_fail(run.chat.repo, FAKE_MESSAGE_END, error, error ? -1 : 0);
    fake_repo_fail(run.chat.repo, FAKE_MESSAGE_GET, error, error ? -1 : 0);
}

static void limits(enum chat_error error)
{
    note(error ? "no_limits" : "limits");
    fake_admission_fail_settle(&run.chat.admission, error, error ? -1 : 0);
}

static void answer_log(enum chat_error error)
{
    note(error ? "no_log" : "log");
    fake_log_fail(&run.chat.log, error);
}

static void something_happens(void)
{
    switch (draw(16)) {
    case 0:
    case 1:
    case 2:
    case 3: text_comes(); break;
    case 4: client_leaves(); break;
    case 5: client_comes(true); break;
    case 6: client_comes(false); break;
    case 7:
        if (draw(4) == 0) stop_here();
        break;
    case 8:
        if (draw(4) == 0) stop_elsewhere();
        break;
    case 9: taken_for_dead(); break;
    case 10: time_passes(); break;
    case 11: database(draw(2) ? CHAT_ERR_DATABASE_UNAVAILABLE : CHAT_OK); break;
    case 12: limits(draw(2) ? CHAT_ERR_REDIS_UNAVAILABLE : CHAT_OK); break;
    case 13: answer_log(draw(2) ? CHAT_ERR_REDIS_UNAVAILABLE : CHAT_OK); break;
    case 14:
        note("forget");
        fake_log_forget(&run.chat.log);
        break;
    default: settle_down(); break;
    }
}

/* All stores are back. The provider ends what it began, or the process is shut down before. */
static void come_to_an_end(void)
{
    database(CHAT_OK);
    limits(CHAT_OK);
    answer_log(CHAT_OK);
    if (draw(4) == 0) {
        note("shut_down");
        run.may_be[MESSAGE_INTERRUPTED] = true;
    } else {
        while (run.gates_opened < CHUNKS) text_comes();
        while (relay_live(run.owner)) settle_down();
    }
    close_relay(&run.owner, run.jobs);
    close_relay(&run.other, run.other_jobs);
}

/* ---- what must hold ---- */

static void check_client(const struct client *client, const struct message *stored)
{
    const struct fake_listener *seen = &client->listener;
    /* who follows a process that died is cut back to what is stored, where the log had more than was saved */
    HOLDS(!seen->went_back || (!client->here && run.reaped));
    HOLDS(seen->opens <= 1 && seen->closes == 1 && seen->ends <= 1);
    HOLDS(strncmp(seen->content, whole_text, seen->content_len) == 0);
    if (!seen->ends) {
        /* left, or followed a process that went: it saw a beginning */
        HOLDS(client->left || !client->here || seen->content_len <= stored->content_len);
        return;
    }
    HOLDS(answer_is_final(seen->final.status));
    /* One who followed elsewhere may have been told of the interruption before the owner came back. */
    bool told_early = !client->here && run.reaped && seen->final.status == MESSAGE_INTERRUPTED;
    if (told_early) return;
    HOLDS(seen->final.status == stored->status);
    /* shut down after it was taken for dead: what the reaper found stays, which may lack the end */
    bool lacks_end = run.reaped && stored->status == MESSAGE_INTERRUPTED && stored->content_len <= seen->content_len;
    HOLDS(seen->content_len == stored->content_len || lacks_end);
}

static void check_invariants(void)
{
    struct message stored = row();
    char end[64];
    int count = 0;
    snprintf(end, sizeof end, "→ %s, written %d times", message_status_name(stored.status),
             fake_repo_writes(run.chat.repo, run.answer_id));
    note(end);
    HOLDS(answer_is_final(stored.status));
    HOLDS(run.may_be[stored.status]);
    HOLDS(strncmp(stored.content, whole_text, stored.content_len) == 0);
    HOLDS(stored.status != MESSAGE_COMPLETE || stored.content_len == strlen(whole_text));
    HOLDS(fake_admission_settled(&run.chat.admission) == 1);
    bool in_vain = !stored.content_len && (stored.status == MESSAGE_FAILED || stored.status == MESSAGE_INTERRUPTED);
    int refunded = fake_admission_refunded(&run.chat.admission);
    /* its owner, shut down after it was taken for dead, may have known of text that the log had lost */
    bool either = run.reaped && stored.status == MESSAGE_INTERRUPTED;
    HOLDS(either ? refunded <= in_vain : refunded == in_vain);
    bool woken = run.reaped && stored.status != MESSAGE_INTERRUPTED; /* its live owner had the last word */
    HOLDS(fake_repo_writes(run.chat.repo, run.answer_id) == (woken ? 2 : 1));
    for (int i = 0; i < run.client_count; i++) check_client(run.clients[i], &stored);
    for (int status = 0; status < 5; status++) count += run.may_be[status];
    HOLDS(count > 0);
}

static long from_environment(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

START_TEST(in_any_order_an_answer_ends_once_as_one_of_what_happened_and_is_stored_as_shown)
{
    long runs = from_environment("MODEL_RUNS", RUNS);
    unsigned first = (unsigned)from_environment("MODEL_SEED", 1);
    int ends[5] = {0};
    log_set_level(LOG_ERROR);
    for (unsigned i = 0; i < (unsigned)runs; i++) {
        open_world(first + i);
        for (int step = 0; step < STEPS; step++) something_happens();
        come_to_an_end();
        check_invariants();
        ends[row().status]++;
        close_world();
    }
    log_set_level(LOG_INFO);
    /* the orders are of all kinds: each end was among them */
    for (int status = MESSAGE_COMPLETE; runs >= RUNS && status <= MESSAGE_FAILED; status++)
        ck_assert_int_gt(ends[status], 0);
}
END_TEST

UNIT_SUITE(relay_model)
{
    Suite *suite = suite_create("relay_model");
    TCase *tcase = UNIT_CASE(suite, "random orders",
                             in_any_order_an_answer_ends_once_as_one_of_what_happened_and_is_stored_as_shown);
    tcase_set_timeout(tcase, 3600);
    return suite;
}
