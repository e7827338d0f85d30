/* Redis late, but not away: a call waits on while anybody hears from it, and what is refused is counted nowhere. */
#include "redis_fixture.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "redis/owed.h"

enum {
    SLOW_CALL_MS = 300, /* where a test holds a time against it: a busy machine adds some */
    LONGEST_CALLS = 10, /* as conn.c has it */
    OWED_MAX = 64,      /* as owed.c has these two */
    AT_ONCE = 4,
    PAUSE_MS = 60, /* longer than a call, shorter than Redis is away */
    RACE_MS = 2500,
    RACE_THREADS = 8,
    RACE_LIMIT = 3000,
};

static struct own_redis redis;
static struct desk desk;

static void open_redis(void)
{
    own_redis_open(&redis);
}

static void open_all(void)
{
    open_redis();
    desk_open(&desk, redis.url, REDIS_CALL_MS);
}

static void close_all(void)
{
    desk_close(&desk);
    own_redis_close(&redis);
}

static void open_slow(void)
{
    open_redis();
    desk_open(&desk, redis.url, SLOW_CALL_MS);
}

/* ---- another thread of the process, which hears from Redis ---- */

static atomic_bool stop;

static void *keep_asking(void *context)
{
    struct desk own = *(const struct desk *)context;
    own.conn = redis_conn_open(own.server);
    own.admission = redis_admission_open(own.conn, &own.policy, &own.clock.clock, 2);
    while (!stop) {
        desk_ping(&own);
        usleep(2000);
    }
    redis_admission_close(own.admission);
    redis_conn_close(own.conn);
    return NULL;
}

/* Redis takes no writes for so long; reads it answers. */
static struct outcome admit_while_writes_wait(int pause_ms)
{
    pthread_t other;
    ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
    stop = false;
    pthread_create(&other, NULL, keep_asking, &desk);
    usleep(20000);
    freeReplyObject(redisCommand(desk.raw, "CLIENT PAUSE %d WRITE", pause_ms));
    struct outcome got = desk_admit(&desk);
    stop = true;
    pthread_join(other, NULL);
    return got;
}

static void expect_counted(int count)
{
    const int none = count ? count : -1;
    ck_assert_int_eq(desk_rate(&desk), none);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), none);
    ck_assert_int_eq(desk_streams(&desk), count);
}

START_TEST(a_late_redis_that_answers_others_admits_and_counts_once)
{
    const struct metrics_counters before = metrics->counters;
    struct outcome got = admit_while_writes_wait(100);

    ck_assert_str_eq(error_code(got.error), error_code(CHAT_OK));
    ck_assert_int_gt(got.took_ms, REDIS_CALL_MS);
    ck_assert(!redis_server_is_away(desk.server));
    expect_counted(1);
    ck_assert_uint_ge(metrics->counters.redis_late, before.redis_late + 1);
    ck_assert_uint_ge(metrics->counters.redis_repeated, before.redis_repeated + 1);
    ck_assert_uint_eq(metrics->counters.redis_given_up, before.redis_given_up);
}
END_TEST

START_TEST(a_call_ends_however_lively_redis_is)
{
    const uint64_t before = metrics->counters.redis_given_up;
    struct outcome got = admit_while_writes_wait(3000);

    ck_assert_str_eq(error_code(got.error), "quota_unavailable");
    ck_assert_int_ge(got.took_ms, LONGEST_CALLS * REDIS_CALL_MS);
    ck_assert_int_lt(got.took_ms, LONGEST_CALLS * REDIS_CALL_MS + DECIDED_MS);
    ck_assert(!redis_server_is_away(desk.server));
    ck_assert_uint_ge(metrics->counters.redis_given_up, before + 1);
    freeReplyObject(redisCommand(desk.raw, "CLIENT UNPAUSE"));
    expect_counted(0);
}
END_TEST

/* Here the process would hear of it as long as others get answers. Nobody does. */
START_TEST(a_silent_redis_is_not_waited_for)
{
    pthread_t other;
    ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
    stop = false;
    pthread_create(&other, NULL, keep_asking, &desk);
    usleep(20000);
    kill(redis.pid, SIGSTOP);
    usleep(20000); /* what was under way has come */
    struct outcome got = desk_admit(&desk);
    kill(redis.pid, SIGCONT);
    stop = true;
    pthread_join(other, NULL);

    ck_assert_str_eq(error_code(got.error), "quota_unavailable");
    ck_assert_int_ge(got.took_ms, SLOW_CALL_MS);
    ck_assert_int_lt(got.took_ms, SLOW_CALL_MS + DECIDED_MS);
    expect_counted(0);
}
END_TEST

/* Many threads wait at once, so many are given up at once: that alone doesn't say that Redis is away. */
START_TEST(threads_that_are_late_at_once_do_not_make_it_away)
{
    pthread_t threads[RACE_THREADS];
    ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
    stop = false;
    for (int i = 0; i < RACE_THREADS; i++) pthread_create(&threads[i], NULL, keep_asking, &desk);
    usleep(100000);
    kill(redis.pid, SIGSTOP);
    usleep((SLOW_CALL_MS + 50) * 1000);
    bool away = redis_server_is_away(desk.server);
    kill(redis.pid, SIGCONT);
    stop = true;
    for (int i = 0; i < RACE_THREADS; i++) pthread_join(threads[i], NULL);
    ck_assert(!away);
}
END_TEST

/* ---- what was counted in vain ---- */

/* As the admission would hold what it asked for, had it not heard that it was counted. */
static struct owed_count count_of(const struct outcome *counted, int64_t deadline_ms)
{
    struct owed_count count = {.rate_units = 1, .daily_units = 1, .deadline_ms = deadline_ms};
    snprintf(count.rate, sizeof count.rate, "chat:rate:%s:%lld", desk.user.user_id,
             (long long)quota_window(desk.clock.now_wall_ms));
    snprintf(count.daily, sizeof count.daily, "chat:quota:daily:%s:2026-01-31", desk.user.user_id);
    snprintf(count.streams, sizeof count.streams, "chat:streams:%s", desk.user.user_id);
    snprintf(count.answer_id, sizeof count.answer_id, "%s", counted->ticket.answer_id);
    return count;
}

static void give_back(struct owed *owed, const char *answer_id)
{
    ck_assert(redis_conn_begin(desk.conn));
    ck_assert(owed_give_back(owed, answer_id));
}

START_TEST(what_was_counted_in_vain_is_taken_back_once)
{
    static struct owed mine, others;
    struct outcome kept = desk_admit(&desk), vain = desk_admit(&desk);
    const struct owed_count count = count_of(&vain, 0);
    ck_assert_int_eq(kept.error, CHAT_OK);
    owed_open(&mine, desk.conn);
    owed_open(&others, desk.conn);
    redis_conn_abandon(desk.conn); /* the next one loads their scripts */

    owed_hold(&mine, &count);
    owed_let_go(&mine);
    give_back(&others, "");
    expect_counted(1);
    owed_hold(&mine, &count);
    give_back(&mine, "");
    expect_counted(1);
}
END_TEST

START_TEST(what_may_still_be_counted_is_taken_back_later)
{
    static struct owed owed;
    struct outcome vain = desk_admit(&desk);
    struct owed_count early = count_of(&vain, clock_wall_ms(clock_system()) + 300);
    owed_open(&owed, desk.conn);
    redis_conn_abandon(desk.conn);

    owed_hold(&owed, &early);
    give_back(&owed, "");
    expect_counted(1);
    usleep(350000);
    give_back(&owed, "");
    ck_assert_int_eq(desk_streams(&desk), 0);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 0);
}
END_TEST

/* Or the answer that is admitted now would lose its lease. */
START_TEST(what_is_asked_for_again_is_not_taken_back_later)
{
    static struct owed owed;
    struct outcome again = desk_admit(&desk);
    struct owed_count early = count_of(&again, clock_wall_ms(clock_system()) + 300);
    owed_open(&owed, desk.conn);
    redis_conn_abandon(desk.conn);

    owed_hold(&owed, &early);
    give_back(&owed, again.ticket.answer_id);
    usleep(350000);
    give_back(&owed, "");
    expect_counted(1);
}
END_TEST

/* Admits so many; each is owed but the first `kept`. */
static void owe(struct owed *owed, struct outcome *admitted, int count, int kept)
{
    desk.policy.rate_limit_per_minute = desk.policy.max_concurrent_streams = count;
    for (int i = 0; i < count; i++) {
        admitted[i] = desk_admit(&desk);
        ck_assert_int_eq(admitted[i].error, CHAT_OK);
    }
    owed_open(owed, desk.conn);
    redis_conn_abandon(desk.conn);
    for (int i = kept; i < count; i++) {
        struct owed_count vain = count_of(&admitted[i], 0);

        owed_hold(owed, &vain);
        owed_let_go(owed);
    }
}

static bool is_counted(const struct outcome *admitted)
{
    return raw_number(desk.raw, "ZSCORE chat:streams:%s %s", desk.user.user_id, admitted->ticket.answer_id) >= 0;
}

START_TEST(an_admission_waits_for_only_some_of_what_is_owed_the_oldest_first)
{
    static struct owed owed;
    struct outcome admitted[1 + AT_ONCE + 1];

    owe(&owed, admitted, 1 + AT_ONCE + 1, 1);
    give_back(&owed, "");
    expect_counted(2);
    ck_assert(is_counted(&admitted[AT_ONCE + 1]));
    give_back(&owed, "");
    expect_counted(1);
    ck_assert(is_counted(&admitted[0]));
}
END_TEST

/* Takes a pipe that the log was written to, and closes it. Writes what was logged to `out`, as a string. */
static void read_log(int ends[2], char *out, size_t size)
{
    log_set_fd(-1);
    ssize_t len = read(ends[0], out, size - 1);
    out[len > 0 ? len : 0] = '\0';
    close(ends[0]);
    close(ends[1]);
}

START_TEST(of_more_than_may_be_owed_the_oldest_is_forgotten_and_that_is_logged)
{
    static struct owed owed;
    static struct outcome admitted[OWED_MAX + 1];
    char said[4096];
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    owe(&owed, admitted, OWED_MAX + 1, 1);
    struct owed_count first = count_of(&admitted[0], 0); /* one too many */
    log_set_fd(ends[1]);
    owed_hold(&owed, &first);
    owed_let_go(&owed);
    read_log(ends, said, sizeof said);
    ck_assert_ptr_nonnull(strstr(said, "\"count_not_given_back\""));
    for (int i = 0; i < OWED_MAX; i += AT_ONCE) give_back(&owed, "");
    expect_counted(1);
    ck_assert(is_counted(&admitted[1]));
}
END_TEST

START_TEST(as_many_as_may_be_owed_are_all_taken_back)
{
    static struct owed owed;
    static struct outcome admitted[OWED_MAX + 1];
    char said[4096];
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    log_set_level(LOG_WARN);
    log_set_fd(ends[1]);
    owe(&owed, admitted, OWED_MAX + 1, 1);
    read_log(ends, said, sizeof said);
    ck_assert_ptr_null(strstr(said, "count_not_given_back"));
    for (int i = 0; i < OWED_MAX; i += AT_ONCE) give_back(&owed, "");
    expect_counted(1);
    ck_assert(is_counted(&admitted[0]));
}
END_TEST

/* As Redis would have done with an answer that never came. */
static void count_in_vain(const struct outcome *refused)
{
    const struct owed_count count = count_of(refused, 0);

    raw_number(desk.raw, "INCR %s", count.rate);
    raw_number(desk.raw, "INCR %s", count.daily);
    raw_number(desk.raw, "ZADD %s %lld %s", count.streams, (long long)desk.clock.now_wall_ms + 15000, count.answer_id);
}

/* Its own thread may not ask again for long. */
START_TEST(what_was_refused_without_an_answer_is_taken_back_by_any_thread)
{
    struct desk other = desk;

    ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
    kill(redis.pid, SIGSTOP);
    struct outcome refused = desk_admit(&desk);
    kill(redis.pid, SIGCONT);
    ck_assert_str_eq(error_code(refused.error), "quota_unavailable");
    usleep(50000); /* past its deadline */
    expect_counted(0);
    count_in_vain(&refused);

    other.conn = redis_conn_open(other.server);
    other.admission = redis_admission_open(other.conn, &other.policy, &other.clock.clock, 2);
    ck_assert_int_eq(desk_admit(&other).error, CHAT_OK);
    expect_counted(1);
    ck_assert(!is_counted(&refused));
    redis_admission_close(other.admission);
    redis_conn_close(other.conn);
}
END_TEST

/* ---- limits are exact ---- */

static atomic_int admitted, refused, unavailable;

static void ask_once(struct desk *own)
{
    redis_conn_new_request(own->conn);
    switch (desk_admit(own).error) {
    case CHAT_OK: admitted++; break;
    case CHAT_ERR_QUOTA_UNAVAILABLE: unavailable++; break;
    default: refused++; break;
    }
}

static void *race(void *context)
{
    struct desk own = *(const struct desk *)context;
    own.conn = redis_conn_open(own.server);
    own.admission = redis_admission_open(own.conn, &own.policy, &own.clock.clock, 2);
    while (!stop) {
        ask_once(&own);
        usleep(200);
    }
    ask_once(&own); /* Redis is well again: what it may have counted in vain is given back, and asked for */
    redis_admission_close(own.admission);
    redis_conn_close(own.conn);
    return NULL;
}

static void pause_now_and_then(void)
{
    for (int left_ms = RACE_MS; left_ms > 0; left_ms -= 100) {
        kill(redis.pid, SIGSTOP);
        usleep(PAUSE_MS * 1000);
        kill(redis.pid, SIGCONT);
        usleep((100 - PAUSE_MS + 7) * 1000);
    }
}

START_TEST(limits_are_exact_although_redis_is_late)
{
    pthread_t threads[RACE_THREADS];
    int *limits[] = {&desk.policy.rate_limit_per_minute, &desk.policy.daily_message_quota,
                     &desk.policy.max_concurrent_streams};

    for (int i = 0; i < 3; i++) *limits[i] = 1000000;
    *limits[_i] = RACE_LIMIT;
    admitted = refused = unavailable = 0;
    stop = false;
    for (int i = 0; i < RACE_THREADS; i++) pthread_create(&threads[i], NULL, race, &desk);
    pause_now_and_then();
    usleep(700000);
    stop = true;
    for (int i = 0; i < RACE_THREADS; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(admitted, RACE_LIMIT);
    expect_counted(RACE_LIMIT);
}
END_TEST

CONTRACT_SUITE(redis_late)
{
    Suite *suite = suite_create("redis_late");
    TCase *races = tcase_create("races");

    tcase_add_checked_fixture(
        CONTRACT_CASE(suite, "late", a_late_redis_that_answers_others_admits_and_counts_once,
                      a_call_ends_however_lively_redis_is, what_was_counted_in_vain_is_taken_back_once,
                      what_may_still_be_counted_is_taken_back_later, what_is_asked_for_again_is_not_taken_back_later),
        open_all, close_all);
    tcase_add_checked_fixture(CONTRACT_CASE(suite, "slow", a_silent_redis_is_not_waited_for,
                                            threads_that_are_late_at_once_do_not_make_it_away,
                                            an_admission_waits_for_only_some_of_what_is_owed_the_oldest_first,
                                            as_many_as_may_be_owed_are_all_taken_back,
                                            of_more_than_may_be_owed_the_oldest_is_forgotten_and_that_is_logged,
                                            what_was_refused_without_an_answer_is_taken_back_by_any_thread),
                              open_slow, close_all);
    tcase_set_timeout(races, CONTRACT_TIMEOUT_S);
    tcase_add_checked_fixture(races, open_all, close_all);
    tcase_add_loop_test(races, limits_are_exact_although_redis_is_late, 0, 3);
    suite_add_tcase(suite, races);
    return suite;
}
