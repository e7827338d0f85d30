/* Redis killed, frozen, restarted, locked: every call decides in time, and all goes on when it is back. */
#include "redis_fixture.h"

#include <stdatomic.h>

#include "redis/local_rate.h"

static struct own_redis redis;
static struct desk desk;

static void open_all(void)
{
    own_redis_open(&redis);
    desk_open(&desk, redis.url, REDIS_CALL_MS);
}
static void close_all(void)
{
    desk_close(&desk);
    own_redis_close(&redis);
}

/* Until Redis answers again; the first call after it went away marks it so. */
static void wait_until_back(void)
{
    for (int i = 0; i < 300; i++) {
        if (desk_ping(&desk) == CHAT_OK) return;
        usleep(10000);
    }
    ck_abort_msg("not back after 3 s");
}

static void expect_refused_fast(int times)
{
    for (int i = 0; i < times; i++) {
        struct outcome got = desk_admit(&desk);

        ck_assert_str_eq(error_code(got.error), "quota_unavailable");
        ck_assert_int_eq(got.retry_after_s, 1);
        ck_assert_int_lt(got.took_ms, DECIDED_MS);
    }
}

START_TEST(a_killed_redis_refuses_in_time_and_comes_back)
{
    struct quota quota;
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(held.error, CHAT_OK);
    own_redis_kill(&redis);
    expect_refused_fast(20);
    ck_assert(redis_server_is_away(desk.server));
    ck_assert_int_eq(admission_peek(desk.admission, &desk.user, &quota), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_ERR_REDIS_UNAVAILABLE);
    const struct admission_ticket *const tickets[] = {&held.ticket};
    ck_assert_int_eq(admission_renew(desk.admission, tickets, 1), CHAT_ERR_REDIS_UNAVAILABLE);

    own_redis_start(&redis);
    wait_until_back(); /* AUTH, SELECT and scripts anew */
    ck_assert(!redis_server_is_away(desk.server));
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    redisFree(desk.raw);
    desk.raw = raw_connect(redis.url);
    ck_assert_int_eq(desk_rate(&desk), 1);
}
END_TEST

START_TEST(a_frozen_redis_refuses_in_time_and_comes_back)
{
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    kill(redis.pid, SIGSTOP);
    expect_refused_fast(20);
    usleep(REDIS_PROBE_MS * 1200);
    expect_refused_fast(3); /* one of them a probe that meets the frozen one */
    kill(redis.pid, SIGCONT);
    wait_until_back();
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

/* Three calls that wait in vain would say that Redis is away: the second and third of a request don't wait. */
START_TEST(a_call_right_behind_one_that_waited_in_vain_does_not_wait_too)
{
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    kill(redis.pid, SIGSTOP);
    expect_refused_fast(3);
    ck_assert(!redis_server_is_away(desk.server));
    kill(redis.pid, SIGCONT);
    wait_until_back();
}
END_TEST

/* Or a thread whose start was slow would refuse the first that it is asked. */
START_TEST(another_request_asks_all_the_same)
{
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    kill(redis.pid, SIGSTOP);
    expect_refused_fast(1);
    kill(redis.pid, SIGCONT);
    redis_conn_new_request(desk.conn);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

START_TEST(what_a_frozen_redis_finds_when_it_wakes_is_not_counted)
{
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    kill(redis.pid, SIGSTOP);
    expect_refused_fast(1); /* the command is in its socket now */
    usleep(100000);
    kill(redis.pid, SIGCONT);
    wait_until_back();
    ck_assert_int_eq(desk_rate(&desk), 1);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 1);
    ck_assert_int_eq(desk_streams(&desk), 1);
}
END_TEST

START_TEST(away_costs_nothing_between_probes)
{
    int64_t began_ms;

    own_redis_kill(&redis);
    desk_admit(&desk);
    desk_admit(&desk);
    began_ms = clock_mono_ms(clock_system());
    for (int i = 0; i < 10000; i++) desk_ping(&desk);
    ck_assert_int_lt(clock_mono_ms(clock_system()) - began_ms, 2000);
    own_redis_start(&redis);
}
END_TEST

START_TEST(a_closed_connection_is_replaced_unnoticed)
{
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
        raw_number(desk.raw, "CLIENT KILL TYPE normal SKIPME yes");
        usleep(20000); /* the news travels */
    }
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

START_TEST(failing_open_goes_on_at_this_process_s_share)
{
    struct outcome got;

    desk.policy.quota_fail_open = true;
    own_redis_kill(&redis);
    for (int i = 0; i < 5; i++) { /* 10 a minute, two workers */
        got = desk_admit(&desk);
        ck_assert_int_eq(got.error, CHAT_OK);
        ck_assert(!got.ticket.leased && !got.ticket.daily_counted);
        ck_assert_int_eq(got.quota.rate_limit, 10);
        ck_assert_int_eq(got.quota.rate_remaining, 4 - i);
        ck_assert_int_eq(desk_settle(&desk, &got, true), CHAT_OK); /* nothing was taken */
    }
    got = desk_admit(&desk);
    ck_assert_int_eq(got.error, CHAT_ERR_RATE_LIMITED);
    ck_assert_int_eq(got.retry_after_s, 50);
    ck_assert_int_eq(got.quota.rate_remaining, 0);
    manual_clock_advance(&desk.clock, 50000);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    own_redis_start(&redis);
}
END_TEST

START_TEST(admins_go_on_without_the_day_s_count)
{
    desk.user.is_admin = true;
    own_redis_kill(&redis);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_RATE_LIMITED);
    own_redis_start(&redis);
}
END_TEST

START_TEST(limits_of_0_hold_without_redis)
{
    desk.policy.quota_fail_open = true;
    own_redis_kill(&redis);
    desk.policy.max_concurrent_streams = 0;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    desk.policy.daily_message_quota = 0;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_QUOTA_EXCEEDED);
    desk.policy.rate_limit_per_minute = 0;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_RATE_LIMITED);
    own_redis_start(&redis);
}
END_TEST

START_TEST(no_limit_is_none_without_redis_too)
{
    desk.policy.max_concurrent_streams = desk.policy.daily_message_quota = desk.policy.rate_limit_per_minute =
        QUOTA_UNLIMITED;
    own_redis_kill(&redis);
    for (int i = 0; i < 30; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    own_redis_start(&redis);
}
END_TEST

START_TEST(a_look_lets_pass_without_redis)
{
    struct quota quota;
    int64_t retry_after_s;

    own_redis_kill(&redis);
    ck_assert_int_eq(admission_look(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_OK);
    own_redis_start(&redis);
}
END_TEST

/* (A5) */
START_TEST(making_goes_on_at_this_process_s_share)
{
    struct quota quota;
    int64_t retry_after_s;

    own_redis_kill(&redis);
    for (int i = 0; i < 2; i++) /* 4 a minute, two workers */
        ck_assert_int_eq(admission_admit_making(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_OK);
    ck_assert_int_eq(admission_admit_making(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_ERR_RATE_LIMITED);
    ck_assert_int_eq(retry_after_s, 50);
    desk.policy.quota_fail_open = true;
    ck_assert_int_eq(desk_admit(&desk).quota.rate_remaining, 4); /* of their own share of 5 */
    own_redis_start(&redis);
}
END_TEST

START_TEST(a_wrong_password_is_a_redis_away)
{
    char url[96];
    const char *problem;
    struct redis_server *server;
    struct redis_conn *conn;

    snprintf(url, sizeof url, "redis://:wrong@127.0.0.1:%d", redis.port);
    server = redis_server_open(url, PATIENT_MS, &problem);
    conn = redis_conn_open(server);
    ck_assert(!redis_conn_begin(conn));
    ck_assert(redis_server_is_away(server));
    redis_conn_close(conn);
    redis_server_close(server);
}
END_TEST

START_TEST(a_replica_is_of_no_use)
{
    desk_admit(&desk);
    raw_number(desk.raw, "REPLICAOF 127.0.0.1 1");
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_QUOTA_UNAVAILABLE);
    ck_assert(redis_server_is_away(desk.server));
    raw_number(desk.raw, "REPLICAOF NO ONE");
    wait_until_back();
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

START_TEST(names_and_sockets_lead_there_too)
{
    char urls[4][128];

    snprintf(urls[0], sizeof urls[0], "redis://default:p%%40ss%%20word@localhost:%d/3", redis.port);
    snprintf(urls[1], sizeof urls[1], "unix://:p%%40ss%%20word@%s/redis.sock?db=3", redis.directory);
    snprintf(urls[2], sizeof urls[2], "redis://:p%%40ss%%20word@no-such-host.invalid:%d", redis.port);
    snprintf(urls[3], sizeof urls[3], "unix:%s/no.sock", redis.directory);
    for (int i = 0; i < 4; i++) {
        const char *problem;
        struct redis_server *server = redis_server_open(urls[i], i < 2 ? PATIENT_MS : REDIS_CALL_MS, &problem);
        struct redis_conn *conn = redis_conn_open(server);
        int64_t began_ms = clock_mono_ms(clock_system());

        ck_assert_msg(redis_conn_begin(conn) == (i < 2), "%s", urls[i]);
        if (i >= 2) ck_assert_int_lt(clock_mono_ms(clock_system()) - began_ms, DECIDED_MS);
        redis_conn_close(conn);
        redis_server_close(server);
    }
}
END_TEST

/* ---- threads that meet a Redis going away and coming back ---- */

static atomic_bool stop;

static void *hammer(void *context)
{
    struct desk own = *(const struct desk *)context;
    int64_t longest_ms = 0;

    own.conn = redis_conn_open(own.server);
    own.admission = redis_admission_open(own.conn, &own.policy, &own.clock.clock, 2);
    while (!stop) {
        struct outcome got = desk_admit(&own);

        if (got.took_ms > longest_ms) longest_ms = got.took_ms;
        if (got.error == CHAT_OK) admission_settle(own.admission, &got.ticket, true, NULL);
        usleep(1000);
    }
    redis_admission_close(own.admission);
    redis_conn_close(own.conn);
    return (void *)(intptr_t)longest_ms;
}

START_TEST(threads_share_the_news)
{
    pthread_t threads[8];
    void *longest_ms;

    stop = false;
    desk.policy.rate_limit_per_minute = 1000000;
    desk.policy.max_concurrent_streams = 1000;
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, hammer, &desk);
    usleep(200000);
    kill(redis.pid, SIGSTOP);
    usleep(700000);
    kill(redis.pid, SIGCONT);
    usleep(700000);
    own_redis_kill(&redis);
    usleep(700000);
    own_redis_start(&redis);
    usleep(700000);
    stop = true;
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &longest_ms);
        ck_assert_int_lt((intptr_t)longest_ms, DECIDED_MS);
    }
    wait_until_back();
}
END_TEST

START_TEST(a_share_is_at_least_one_but_0_of_0)
{
    ck_assert_int_eq(local_rate_share(10, 2), 5);
    ck_assert_int_eq(local_rate_share(10, 3), 3);
    ck_assert_int_eq(local_rate_share(1, 8), 1);
    ck_assert_int_eq(local_rate_share(0, 8), 0);
    ck_assert_int_eq(local_rate_share(10, 0), 10);
}
END_TEST

START_TEST(users_past_the_table_are_refused)
{
    const int64_t window = 77;
    int taken = 0;
    int64_t used;
    char user[64];

    for (int i = 0; i < LOCAL_RATE_USERS + 100; i++) {
        snprintf(user, sizeof user, "many:%d", i);
        taken += local_rate_take(user, window, 1, 2, &used);
    }
    ck_assert_int_eq(taken, LOCAL_RATE_USERS);
    ck_assert_int_eq(used, 2);
    ck_assert(local_rate_take("many:0", window, 1, 2, &used));
    ck_assert(!local_rate_take("many:0", window, 1, 2, &used));
    ck_assert_int_eq(local_rate_used("many:0", window), 2);
    ck_assert(local_rate_take(user, window + 1, 1, 2, &used));
    ck_assert_int_eq(used, 1);
    ck_assert_int_eq(local_rate_used("many:0", window + 1), 0);
    ck_assert(!local_rate_take(user, window + 1, 2, 2, &used)); /* all of them or none */
    ck_assert(local_rate_take(user, window + 1, 2, 3, &used));
    ck_assert_int_eq(used, 3);
}
END_TEST

START_TEST(urls_are_taken_apart)
{
    static const struct {
        const char *text, *host;
        int port, db;
        const char *user, *password;
        bool is_unix;
    } good[] = {
        {"redis://127.0.0.1", "127.0.0.1", 6379, 0, "", "", false},
        {"redis://localhost:6380/", "localhost", 6380, 0, "", "", false},
        {"redis://:secret@h:1/15", "h", 1, 15, "", "secret", false},
        {"redis://u:s%3a%2F@h/2", "h", 6379, 2, "u", "s:/", false},
        {"redis://u:a@b@h", "h", 6379, 0, "u", "a@b", false},
        {"redis://[::1]:6380/1", "::1", 6380, 1, "", "", false},
        {"redis://[::1]", "::1", 6379, 0, "", "", false},
        {"redis://h?db=4", "h", 6379, 4, "", "", false},
        {"unix:///run/redis.sock", "/run/redis.sock", 6379, 0, "", "", true},
        {"unix:/run/redis.sock?db=7", "/run/redis.sock", 6379, 7, "", "", true},
        {"unix://:pw@/run/a%20b.sock?db=7", "/run/a b.sock", 6379, 7, "", "pw", true},
    };
    static const char *const bad[] = {
        "",
        "redis:",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h/x",
        "redis://h/-1",
        "redis://user@h",
        "redis://:@h",
        "redis://[::1",
        "redis://[::1]x",
        "redis://h?x=1",
        "redis://h%00",
        "redis://h%4",
        "redis://h%zz",
        "redis://a b",
        "redis://h/1/2",
        "rediss://h",
        "http://h",
        "unix:",
        "unix://",
        "unix://host/path",
        "unix:path",
        "redis://h?db=",
        "127.0.0.1:6379",
        "unix:/"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
    };
    struct redis_url url;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(!redis_url_parse(good[i].text, &url), "%s", good[i].text);
        ck_assert_str_eq(url.host, good[i].host);
        ck_assert_int_eq(url.port, good[i].port);
        ck_assert_int_eq(url.db, good[i].db);
        ck_assert_str_eq(url.user, good[i].user);
        ck_assert_str_eq(url.password, good[i].password);
        ck_assert(url.is_unix == good[i].is_unix);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *problem = NULL;

        ck_assert_msg(redis_url_parse(bad[i], &url) != NULL, "%s", bad[i]);
        ck_assert_ptr_null(redis_server_open(bad[i], REDIS_CALL_MS, &problem));
        ck_assert_ptr_nonnull(problem);
    }
}
END_TEST

CONTRACT_SUITE(redis_away)
{
    Suite *suite = suite_create("redis_away");

    tcase_add_checked_fixture(
        CONTRACT_CASE(
            suite, "away", a_killed_redis_refuses_in_time_and_comes_back, a_frozen_redis_refuses_in_time_and_comes_back,
            a_call_right_behind_one_that_waited_in_vain_does_not_wait_too, another_request_asks_all_the_same,
            what_a_frozen_redis_finds_when_it_wakes_is_not_counted, away_costs_nothing_between_probes,
            a_closed_connection_is_replaced_unnoticed, failing_open_goes_on_at_this_process_s_share,
            admins_go_on_without_the_day_s_count, no_limit_is_none_without_redis_too, a_look_lets_pass_without_redis,
            making_goes_on_at_this_process_s_share, limits_of_0_hold_without_redis, a_wrong_password_is_a_redis_away,
            a_replica_is_of_no_use, names_and_sockets_lead_there_too, threads_share_the_news),
        open_all, close_all);
    CONTRACT_CASE(suite, "alone", a_share_is_at_least_one_but_0_of_0, users_past_the_table_are_refused,
                  urls_are_taken_apart);
    return suite;
}
