/* The breakers that workers share, one for each model: the same on Redis and on the fake. The rule itself has unit
 * tests. */
#include "redis_fixture.h"

#include "redis/breaker.h"
#include "tests/fakes/fake_breaker.h"

/* Two of them, as two workers have; of the fake one alone. */
static struct shared_breaker *one, *other;
static struct manual_clock watch;
static int64_t retry_after_s;

static struct redis_server *server;
static struct redis_conn *conns[2];
static struct local_breaker *locals[2];
static redisContext *raw;
static struct fake_breaker fake;

static void set_up_redis(void)
{
    const char *problem, *url = getenv("REDIS_URL");
    ck_assert_msg(url != NULL, "REDIS_URL is not set");
    signal(SIGPIPE, SIG_IGN);
    manual_clock_init(&watch, desk_time("2026-01-31T12:00:10.000Z"));
    raw = raw_connect(url);
    raw_number(raw, "DEL chat:breakers");
    server = redis_server_open(url, PATIENT_MS, &problem);
    ck_assert_msg(server != NULL, "%s", problem);
    for (int i = 0; i < 2; i++) {
        conns[i] = redis_conn_open(server);
        locals[i] = local_breaker_open();
    }
    one = redis_breaker_open(conns[0], locals[0], &watch.clock);
    other = redis_breaker_open(conns[1], locals[1], &watch.clock);
}

static void tear_down_redis(void)
{
    raw_number(raw, "DEL chat:breakers");
    redisFree(raw);
    redis_breaker_close(one);
    redis_breaker_close(other);
    for (int i = 0; i < 2; i++) {
        redis_conn_close(conns[i]);
        local_breaker_close(locals[i]);
    }
    redis_server_close(server);
}

static void set_up_fake(void)
{
    manual_clock_init(&watch, desk_time("2026-01-31T12:00:10.000Z"));
    fake_breaker_init(&fake, &watch.clock);
    one = other = &fake.breaker;
}

static enum chat_error ask(struct shared_breaker *breaker, struct breaker_ticket *ticket)
{
    return shared_breaker_allow(breaker, "llama", ticket, &retry_after_s);
}

static struct breaker look(struct shared_breaker *breaker, const char *model)
{
    struct breaker out;
    shared_breaker_look(breaker, &model, 1, &out);
    return out;
}

static void answer(struct shared_breaker *breaker, enum breaker_outcome outcome)
{
    struct breaker_ticket ticket;
    ck_assert_int_eq(ask(breaker, &ticket), CHAT_OK);
    shared_breaker_report(breaker, &ticket, outcome, 0);
}

static void open_it(void)
{
    for (int i = 0; i < BREAKER_FAILURES; i++) answer(i % 2 ? other : one, BREAKER_FAILURE);
}

START_TEST(failures_of_all_workers_count_together)
{
    struct breaker_ticket ticket;
    open_it();
    ck_assert_int_eq(look(one, "llama").state, BREAKER_OPEN);
    ck_assert_int_eq(look(other, "llama").state, BREAKER_OPEN);
    ck_assert_int_eq(ask(one, &ticket), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(ask(other, &ticket), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(retry_after_s, 30);
}
END_TEST

START_TEST(one_trial_is_let_through_among_all)
{
    struct breaker_ticket trial, ticket;
    open_it();
    manual_clock_advance(&watch, 30000);
    ck_assert_int_eq(ask(one, &trial), CHAT_OK);
    ck_assert_int_eq(ask(other, &ticket), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(look(other, "llama").state, BREAKER_HALF_OPEN);
    shared_breaker_report(one, &trial, BREAKER_SUCCESS, 0);
    ck_assert_int_eq(look(other, "llama").state, BREAKER_CLOSED);
    ck_assert_int_eq(ask(other, &ticket), CHAT_OK);
}
END_TEST

START_TEST(what_was_begun_before_decides_nothing)
{
    struct breaker_ticket early;
    ck_assert_int_eq(ask(other, &early), CHAT_OK);
    open_it();
    shared_breaker_report(other, &early, BREAKER_SUCCESS, 0);
    ck_assert_int_eq(look(one, "llama").state, BREAKER_OPEN);
}
END_TEST

START_TEST(a_request_that_never_asked_reports_nothing)
{
    struct breaker_ticket none = {0};
    for (int i = 0; i < BREAKER_FAILURES; i++) shared_breaker_report(one, &none, BREAKER_FAILURE, 0);
    ck_assert_int_eq(look(one, "llama").state, BREAKER_CLOSED);
}
END_TEST

/* (A3) */
START_TEST(one_models_trouble_leaves_the_others_alone)
{
    static const char *const models[] = {"llama", "spare"};
    struct breaker_ticket ticket;
    struct breaker both[2];
    open_it();
    ck_assert_int_eq(shared_breaker_allow(other, "spare", &ticket, &retry_after_s), CHAT_OK);
    ck_assert_str_eq(ticket.model, "spare");
    shared_breaker_look(one, models, 2, both);
    ck_assert_int_eq(both[0].state, BREAKER_OPEN);
    ck_assert_int_eq(both[1].state, BREAKER_CLOSED);
}
END_TEST

/* (B5) */
START_TEST(a_model_that_is_told_to_rest_by_one_rests_for_all_until_its_time_is_over)
{
    struct breaker_ticket ticket;
    ck_assert_int_eq(ask(one, &ticket), CHAT_OK);
    shared_breaker_report(one, &ticket, BREAKER_BUSY, 7);
    ck_assert(breaker_rests(&(struct breaker[]){look(other, "llama")}[0], clock_wall_ms(&watch.clock)));
    ck_assert_int_eq(ask(other, &ticket), CHAT_ERR_UPSTREAM_RATE_LIMITED);
    ck_assert_int_eq(retry_after_s, 7);
    ck_assert(!ticket.asked);
    manual_clock_advance(&watch, 7000);
    ck_assert_int_eq(ask(other, &ticket), CHAT_OK);
}
END_TEST

static void *race(void *breaker)
{
    struct breaker_ticket ticket;
    int64_t wait_s;
    struct shared_breaker *port = breaker;
    return shared_breaker_allow(port, "llama", &ticket, &wait_s) == CHAT_OK ? breaker : NULL;
}

START_TEST(of_two_that_race_one_is_the_trial)
{
    for (int i = 0; i < 50; i++) {
        pthread_t threads[2];
        void *let_through[2];
        raw_number(raw, "DEL chat:breakers");
        open_it();
        manual_clock_advance(&watch, 30000);
        ck_assert_int_eq(pthread_create(&threads[0], NULL, race, one), 0);
        ck_assert_int_eq(pthread_create(&threads[1], NULL, race, other), 0);
        for (int k = 0; k < 2; k++) pthread_join(threads[k], &let_through[k]);
        ck_assert_int_eq((let_through[0] != NULL) + (let_through[1] != NULL), 1);
    }
}
END_TEST

START_TEST(what_it_left_goes_by_itself)
{
    open_it();
    long long life_ms = raw_number(raw, "PTTL chat:breakers");
    ck_assert(life_ms > 0 && life_ms <= 3600 * 1000);
}
END_TEST

START_TEST(a_rest_is_remembered_as_long_as_it_lasts)
{
    struct breaker_ticket ticket;
    ck_assert_int_eq(ask(one, &ticket), CHAT_OK);
    shared_breaker_report(one, &ticket, BREAKER_BUSY, 7);
    long long life_ms = raw_number(raw, "PTTL chat:breakers");
    ck_assert(life_ms > 0 && life_ms <= 7000);
    manual_clock_advance(&watch, 7000); /* where the key lives on, another model's being there */
    ck_assert_int_eq(ask(one, &ticket), CHAT_OK);
    ck_assert_int_eq(raw_number(raw, "EXISTS chat:breakers"), 0);
}
END_TEST

START_TEST(a_rest_does_not_shorten_what_others_left)
{
    struct breaker_ticket ticket;
    open_it();
    ck_assert_int_eq(shared_breaker_allow(one, "spare", &ticket, &retry_after_s), CHAT_OK);
    shared_breaker_report(one, &ticket, BREAKER_BUSY, 7);
    ck_assert_int_gt(raw_number(raw, "PTTL chat:breakers"), 60000);
}
END_TEST

START_TEST(at_rest_again_it_has_no_key)
{
    answer(one, BREAKER_FAILURE);
    ck_assert_int_eq(raw_number(raw, "EXISTS chat:breakers"), 1);
    answer(other, BREAKER_SUCCESS);
    ck_assert_int_eq(raw_number(raw, "EXISTS chat:breakers"), 0);
}
END_TEST

START_TEST(nonsense_in_its_place_is_a_closed_one)
{
    struct breaker_ticket ticket;
    freeReplyObject(redisCommand(raw, "HSET chat:breakers llama ajar"));
    ck_assert_int_eq(ask(one, &ticket), CHAT_OK);
    open_it();
    ck_assert_int_eq(look(one, "llama").state, BREAKER_OPEN);
}
END_TEST

/* Without Redis each process goes on by its own. */
static struct own_redis own;

START_TEST(while_redis_is_away_each_process_decides_alone)
{
    const char *problem;
    struct breaker_ticket ticket;
    own_redis_open(&own);
    manual_clock_init(&watch, desk_time("2026-01-31T12:00:10.000Z"));
    struct redis_server *away = redis_server_open(own.url, REDIS_CALL_MS, &problem);
    struct redis_conn *conn = redis_conn_open(away);
    struct local_breaker *local = local_breaker_open();
    struct shared_breaker *breaker = redis_breaker_open(conn, local, &watch.clock);
    own_redis_kill(&own);
    for (int i = 0; i < BREAKER_FAILURES; i++) answer(breaker, BREAKER_FAILURE);
    ck_assert_int_eq(ask(breaker, &ticket), CHAT_ERR_API_UNAVAILABLE);
    ck_assert_int_eq(look(breaker, "llama").state, BREAKER_OPEN);
    manual_clock_advance(&watch, 30000);
    answer(breaker, BREAKER_SUCCESS);
    ck_assert_int_eq(look(breaker, "llama").state, BREAKER_CLOSED);
    redis_breaker_close(breaker);
    local_breaker_close(local);
    redis_conn_close(conn);
    redis_server_close(away);
    own_redis_close(&own);
}
END_TEST

#define SHARED_TESTS                                                                                                   \
    failures_of_all_workers_count_together, one_trial_is_let_through_among_all, what_was_begun_before_decides_nothing, \
        a_request_that_never_asked_reports_nothing, one_models_trouble_leaves_the_others_alone,                        \
        a_model_that_is_told_to_rest_by_one_rests_for_all_until_its_time_is_over

CONTRACT_SUITE(shared_breaker)
{
    Suite *suite = suite_create("shared_breaker");
    TCase *real =
        CONTRACT_CASE(suite, "redis", SHARED_TESTS, of_two_that_race_one_is_the_trial, what_it_left_goes_by_itself,
                      at_rest_again_it_has_no_key, a_rest_is_remembered_as_long_as_it_lasts,
                      a_rest_does_not_shorten_what_others_left, nonsense_in_its_place_is_a_closed_one);
    TCase *in_memory = CONTRACT_CASE(suite, "fake", SHARED_TESTS);
    tcase_add_checked_fixture(real, set_up_redis, tear_down_redis);
    tcase_add_checked_fixture(in_memory, set_up_fake, NULL);
    tcase_set_tags(real, "real");
    tcase_set_tags(in_memory, "fake");
    CONTRACT_CASE(suite, "away", while_redis_is_away_each_process_decides_alone);
    return suite;
}
