/* A switch-over: the address leads to another Redis, the old one lives on as a replica, and connections to it stay
 * open. The address is a link to the socket of one of two servers, so a new connection goes where the link points. */
#include "redis_fixture.h"

#include "redis/answer_log.h"
#include "redis/processes.h"
#include "redis/breaker.h"

static struct own_redis old, new;
static struct desk desk, other;
static char link_path[64];

static void point_to(const struct own_redis *redis)
{
    char target[64];

    unlink(link_path);
    snprintf(target, sizeof target, "%s/redis.sock", redis->directory);
    ck_assert_int_eq(symlink(target, link_path), 0);
}

/* A second thread's connection of the same process. */
static void open_other(void)
{
    other = desk;
    other.conn = redis_conn_open(desk.server);
    other.admission = redis_admission_open(other.conn, &desk.policy, &desk.clock.clock, 2);
}

static void open_both(void)
{
    char url[128];

    own_redis_open(&old);
    own_redis_open(&new);
    snprintf(link_path, sizeof link_path, "%s/link.sock", old.directory);
    point_to(&old);
    snprintf(url, sizeof url, "unix://:p%%40ss%%20word@%s?db=3", link_path);
    desk_open(&desk, url, PATIENT_MS);
    open_other();
}

static void close_both(void)
{
    redis_admission_close(other.admission);
    redis_conn_close(other.conn);
    desk_close(&desk);
    unlink(link_path);
    own_redis_close(&new);
    own_redis_close(&old);
}

/* The old one, to which desk.raw leads, becomes a replica that nobody tells anything new. */
static void demote(void)
{
    raw_number(desk.raw, "REPLICAOF 127.0.0.1 1");
}

static void switch_over(void)
{
    point_to(&new);
    demote();
}

static void look_behind(struct desk *at, const struct own_redis *redis)
{
    redisFree(at->raw);
    at->raw = raw_connect(redis->url);
}

static int connections_of(const struct own_redis *redis)
{
    redisContext *raw = raw_connect(redis->url);
    redisReply *reply = redisCommand(raw, "CLIENT LIST TYPE normal");
    int count = -1; /* this one */

    for (const char *at = reply->str; (at = strchr(at, '\n')) != NULL; at++) count++;
    freeReplyObject(reply);
    redisFree(raw);
    return count;
}

/* (redis-demoted-connections) */
START_TEST(what_a_replica_refuses_is_sent_once_more_to_the_primary)
{
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_admit(&other).error, CHAT_OK);
    switch_over();
    struct outcome got = desk_admit(&desk);
    ck_assert_int_eq(got.error, CHAT_OK);
    ck_assert(got.ticket.leased);
    ck_assert(!redis_server_is_away(desk.server));
    look_behind(&desk, &new);
    ck_assert_int_eq(desk_rate(&desk), 1);
    /* the other thread's connection is known to be of no use: nothing is sent over it any more */
    ck_assert_int_eq(desk_admit(&other).error, CHAT_OK);
    ck_assert_int_eq(desk_rate(&desk), 2);
    ck_assert_int_eq(desk_settle(&desk, &got, true), CHAT_OK);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 1);
}
END_TEST

START_TEST(one_refusal_renews_the_connections_that_only_read)
{
    struct quota quota;

    for (int i = 0; i < 3; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(admission_peek(other.admission, &desk.user, &quota), CHAT_OK);
    ck_assert_int_eq(quota.daily_used, 3);
    switch_over();
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(admission_peek(other.admission, &desk.user, &quota), CHAT_OK);
    ck_assert_int_eq(quota.daily_used, 1);
}
END_TEST

START_TEST(who_only_reads_looks_for_the_role_within_two_seconds)
{
    struct quota quota;

    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    switch_over();
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(admission_peek(desk.admission, &desk.user, &quota), CHAT_OK);
        if (quota.daily_used == 0) return;
        usleep(100000);
    }
    ck_abort_msg("still shown what the old one has");
}
END_TEST

START_TEST(readiness_looks_for_the_role_each_time)
{
    ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
    demote();
    ck_assert_int_eq(desk_ping(&desk), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert(redis_server_is_away(desk.server));
}
END_TEST

/* One that is cut off may not know for long that it is none any more: another's new connection tells. */
START_TEST(a_connection_to_another_primary_renews_the_others)
{
    struct quota quota;

    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_ping(&other), CHAT_OK);
    point_to(&new); /* the old one goes on as it was */
    redis_conn_abandon(other.conn);
    ck_assert_int_eq(desk_ping(&other), CHAT_OK);
    ck_assert_int_eq(admission_peek(desk.admission, &desk.user, &quota), CHAT_OK);
    ck_assert_int_eq(quota.daily_used, 0);
    ck_assert_int_eq(connections_of(&new), 2);
}
END_TEST

START_TEST(one_that_loads_or_lacks_its_replicas_is_left_too)
{
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    point_to(&new);
    raw_number(desk.raw, "CONFIG SET min-replicas-to-write 1");
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    look_behind(&desk, &new);
    ck_assert_int_eq(desk_rate(&desk), 1);
}
END_TEST

START_TEST(renewals_and_words_of_life_go_to_the_new_one_at_once)
{
    struct processes *processes = redis_processes_open(other.conn);
    char process_id[UUID_TEXT_SIZE];
    bool forgotten;
    struct outcome held = desk_admit(&desk);
    const struct admission_ticket *const tickets[] = {&held.ticket};

    uuid_v7(clock_wall_ms(clock_system()), process_id);
    ck_assert_int_eq(processes_say_alive(processes, process_id, &forgotten), CHAT_OK);
    switch_over();
    ck_assert_int_eq(processes_say_alive(processes, process_id, &forgotten), CHAT_OK);
    ck_assert(forgotten); /* so the texts are written anew */
    ck_assert_int_eq(admission_renew(desk.admission, tickets, 1), CHAT_OK);
    look_behind(&desk, &new);
    ck_assert_int_eq(raw_number(desk.raw, "EXISTS chat:process:%s:alive", process_id), 1);
    redis_processes_close(processes);
}
END_TEST

START_TEST(texts_go_to_the_new_one_at_once)
{
    struct answer_log *log = redis_answer_log_open(other.conn);
    struct log_write write = {.content = "Because", .content_len = 7, .whole = true};
    struct log_exchange exchange = {.writes = &write, .write_count = 1};
    char process_id[UUID_TEXT_SIZE];
    struct arena arena;

    arena_init(&arena);
    uuid_v7(clock_wall_ms(clock_system()), process_id);
    uuid_v7(clock_wall_ms(clock_system()), write.answer_id);
    exchange.process_id = process_id;
    ck_assert_int_eq(answer_log_exchange(log, &exchange, &arena), CHAT_OK);
    switch_over();
    write.whole = false;
    write.content = " it is", write.content_len = 6, write.content_at = 7;
    ck_assert_int_eq(answer_log_exchange(log, &exchange, &arena), CHAT_OK);
    ck_assert(write.lost);
    write.whole = true;
    write.content = "Because it is", write.content_len = 13, write.content_at = 0;
    ck_assert_int_eq(answer_log_exchange(log, &exchange, &arena), CHAT_OK);
    look_behind(&desk, &new);
    ck_assert_int_eq(raw_number(desk.raw, "STRLEN chat:answer:%s:content", write.answer_id), 13);
    arena_fini(&arena);
    redis_answer_log_close(log);
}
END_TEST

START_TEST(the_breaker_is_told_to_the_new_one)
{
    struct local_breaker *local = local_breaker_open();
    struct shared_breaker *breaker = redis_breaker_open(other.conn, local, &desk.clock.clock);
    struct breaker_ticket ticket;
    int64_t retry_after_s;

    ck_assert_int_eq(shared_breaker_allow(breaker, "llama", &ticket, &retry_after_s), CHAT_OK);
    switch_over();
    shared_breaker_report(breaker, &ticket, BREAKER_FAILURE, 0);
    look_behind(&desk, &new);
    ck_assert_int_eq(raw_number(desk.raw, "EXISTS %s", REDIS_BREAKER_KEY), 1);
    redis_breaker_close(breaker);
    local_breaker_close(local);
}
END_TEST

CONTRACT_SUITE(redis_switch)
{
    Suite *suite = suite_create("redis_switch");
    TCase *tcase = CONTRACT_CASE(
        suite, "switch over", what_a_replica_refuses_is_sent_once_more_to_the_primary,
        one_refusal_renews_the_connections_that_only_read, who_only_reads_looks_for_the_role_within_two_seconds,
        readiness_looks_for_the_role_each_time, a_connection_to_another_primary_renews_the_others,
        one_that_loads_or_lacks_its_replicas_is_left_too, renewals_and_words_of_life_go_to_the_new_one_at_once,
        texts_go_to_the_new_one_at_once, the_breaker_is_told_to_the_new_one);

    contract_fixture(tcase, "real", open_both, close_both);
    return suite;
}
