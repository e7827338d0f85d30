/* Admission on a real Redis: under which keys it counts, for how long, and many at once. */
#include "redis_fixture.h"

#include <sys/mman.h>
#include <stdatomic.h>

static struct desk desk;

static void open_desk(void)
{
    desk_open(&desk, contract_env("REDIS_URL"), PATIENT_MS);
}
static void close_desk(void)
{
    desk_close(&desk);
}

START_TEST(counts_and_leases_stand_under_the_user_s_keys)
{
    struct outcome got = desk_admit(&desk);

    ck_assert_int_eq(got.error, CHAT_OK);
    ck_assert_int_eq(desk_rate(&desk), 1);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 1);
    ck_assert_int_eq(desk_streams(&desk), 1);
    ck_assert_int_eq(raw_number(desk.raw, "ZSCORE chat:streams:%s %s", desk.user.user_id, got.ticket.answer_id),
                     desk.clock.now_wall_ms + ADMISSION_LEASE_SECONDS * 1000);
}
END_TEST

START_TEST(what_is_refused_makes_no_keys)
{
    desk.policy.max_concurrent_streams = 0;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    ck_assert_int_eq(desk_rate(&desk), -1);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), -1);
    ck_assert_int_eq(desk_streams(&desk), 0);
}
END_TEST

START_TEST(a_renewed_lease_s_key_lives_on)
{
    struct outcome held = desk_admit(&desk);
    const struct admission_ticket *const tickets[] = {&held.ticket};

    raw_number(desk.raw, "PEXPIRE chat:streams:%s 1000", desk.user.user_id);
    ck_assert_int_eq(admission_renew(desk.admission, tickets, 1), CHAT_OK);
    ck_assert_int_gt(raw_number(desk.raw, "PTTL chat:streams:%s", desk.user.user_id), 5000);
}
END_TEST

START_TEST(a_lease_has_the_age_of_its_last_renewal)
{
    struct outcome held = desk_admit(&desk);
    const struct admission_ticket *const tickets[] = {&held.ticket};
    int64_t age_ms;

    desk.clock.now_wall_ms += 4000;
    ck_assert_int_eq(admission_lease_age(desk.admission, &held.ticket, &age_ms), CHAT_OK);
    ck_assert_int_eq(age_ms, 4000);
    ck_assert_int_eq(admission_renew(desk.admission, tickets, 1), CHAT_OK);
    ck_assert_int_eq(admission_lease_age(desk.admission, &held.ticket, &age_ms), CHAT_OK);
    ck_assert_int_eq(age_ms, 0);
    ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
    ck_assert_int_eq(admission_lease_age(desk.admission, &held.ticket, &age_ms), CHAT_OK);
    ck_assert(age_ms == LEASE_GIVEN_BACK);
    raw_number(desk.raw, "DEL chat:settled:%s", held.ticket.answer_id);
    ck_assert_int_eq(admission_lease_age(desk.admission, &held.ticket, &age_ms), CHAT_OK);
    ck_assert_int_eq(age_ms, -1);
}
END_TEST

START_TEST(every_key_goes_by_itself)
{
    struct outcome got = desk_admit(&desk);
    long long rate_ms, daily_ms, streams_ms, settled_s;

    rate_ms = raw_number(desk.raw, "PTTL chat:rate:%s:%lld", desk.user.user_id,
                         (long long)quota_window(desk.clock.now_wall_ms));
    daily_ms = raw_number(desk.raw, "PTTL chat:quota:daily:%s:2026-01-31", desk.user.user_id);
    streams_ms = raw_number(desk.raw, "PTTL chat:streams:%s", desk.user.user_id);
    ck_assert(rate_ms > 40000 && rate_ms <= 50000);
    ck_assert(daily_ms > 43180000 && daily_ms <= 43190000);
    ck_assert(streams_ms > 5000 && streams_ms <= 15000);
    ck_assert_int_eq(desk_settle(&desk, &got, true), CHAT_OK);
    settled_s = raw_number(desk.raw, "TTL chat:settled:%s", got.ticket.answer_id);
    ck_assert(settled_s > 86300 && settled_s <= 86400);
    daily_ms = raw_number(desk.raw, "PTTL chat:quota:daily:%s:2026-01-31", desk.user.user_id);
    ck_assert(daily_ms > 43180000 && daily_ms <= 43190000);
}
END_TEST

START_TEST(a_key_lives_at_least_a_second)
{
    long long rate_ms;

    desk.clock.now_wall_ms = desk_time("2026-01-31T12:00:59.999Z");
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    rate_ms = raw_number(desk.raw, "PTTL chat:rate:%s:%lld", desk.user.user_id,
                         (long long)quota_window(desk.clock.now_wall_ms));
    ck_assert_int_le(rate_ms, 1000);
    ck_assert_int_ne(rate_ms, -1); /* no life at all */
}
END_TEST

/* 1: the day's key is there. */
static long long daily_exists(void)
{
    return raw_number(desk.raw, "EXISTS chat:quota:daily:%s:2026-01-31", desk.user.user_id);
}

/* What Redis lost must not come back without a life: nothing would ever end it. (F) */
START_TEST(a_refund_never_goes_below_nothing)
{
    struct outcome gone = desk_admit(&desk), empty = desk_admit(&desk);

    raw_number(desk.raw, "DEL chat:quota:daily:%s:2026-01-31", desk.user.user_id);
    ck_assert_int_eq(desk_settle(&desk, &gone, true), CHAT_OK);
    ck_assert_int_eq(daily_exists(), 0);
    freeReplyObject(redisCommand(desk.raw, "SET chat:quota:daily:%s:2026-01-31 0 EX 500", desk.user.user_id));
    ck_assert_int_eq(desk_settle(&desk, &empty, true), CHAT_OK);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 0);
    ck_assert_int_gt(raw_number(desk.raw, "TTL chat:quota:daily:%s:2026-01-31", desk.user.user_id), 0);
}
END_TEST

START_TEST(a_unit_that_is_taken_again_makes_no_key)
{
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    raw_number(desk.raw, "DEL chat:quota:daily:%s:2026-01-31", desk.user.user_id);
    ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
    ck_assert_int_eq(daily_exists(), 0);
}
END_TEST

START_TEST(a_forgotten_script_is_brought_along)
{
    for (int i = 0; i < 3; i++) {
        struct outcome got = desk_admit(&desk);

        ck_assert_int_eq(got.error, CHAT_OK);
        raw_number(desk.raw, "SCRIPT FLUSH");
        ck_assert_int_eq(desk_settle(&desk, &got, false), CHAT_OK);
        raw_number(desk.raw, "SCRIPT FLUSH");
    }
    ck_assert_int_eq(desk_rate(&desk), 3);
}
END_TEST

START_TEST(a_key_of_another_kind_is_no_admission)
{
    raw_number(desk.raw, "LPUSH chat:streams:%s x", desk.user.user_id);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_QUOTA_UNAVAILABLE);
    ck_assert(!redis_server_is_away(desk.server));
    ck_assert_int_eq(desk_rate(&desk), -1);
    raw_number(desk.raw, "DEL chat:streams:%s", desk.user.user_id);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

/* ---- many at once ---- */

enum { RACE_PROCESSES = 2, RACE_THREADS = 8, RACE_EACH = 63 /* 1,008 in all */, RACE_LIMIT = 100 };

struct race {
    const struct desk *desk;
    struct redis_server *server;
    atomic_int *admitted;
    atomic_int *failed;
};

static void *race_thread(void *context)
{
    struct race *race = context;
    struct desk own = *race->desk;

    own.conn = redis_conn_open(race->server);
    own.admission = redis_admission_open(own.conn, &own.policy, &own.clock.clock, 2);
    for (int i = 0; i < RACE_EACH; i++) {
        enum chat_error error = desk_admit(&own).error;

        if (error == CHAT_OK) (*race->admitted)++;
        if (error == CHAT_ERR_QUOTA_UNAVAILABLE) (*race->failed)++;
    }
    redis_admission_close(own.admission);
    redis_conn_close(own.conn);
    return NULL;
}

static void race_process(struct race race)
{
    pthread_t threads[RACE_THREADS];
    const char *problem;

    race.server = redis_server_open(contract_env("REDIS_URL"), PATIENT_MS, &problem);
    for (int i = 0; i < RACE_THREADS; i++) pthread_create(&threads[i], NULL, race_thread, &race);
    for (int i = 0; i < RACE_THREADS; i++) pthread_join(threads[i], NULL);
    redis_server_close(race.server);
}

START_TEST(racing_requests_admit_exactly_the_limit)
{
    int *limits[] = {&desk.policy.rate_limit_per_minute, &desk.policy.daily_message_quota,
                     &desk.policy.max_concurrent_streams};
    atomic_int *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct race race = {.desk = &desk, .admitted = &counts[0], .failed = &counts[1]};
    pid_t children[RACE_PROCESSES];

    for (int i = 0; i < 3; i++) *limits[i] = 1000000;
    *limits[_i] = RACE_LIMIT;
    for (int i = 0; i < RACE_PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            race_process(race);
            _exit(0);
        }
    }
    for (int i = 0; i < RACE_PROCESSES; i++) {
        int status;

        waitpid(children[i], &status, 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(counts[1], 0);
    ck_assert_int_eq(counts[0], RACE_LIMIT);
    ck_assert_int_eq(desk_rate(&desk), RACE_LIMIT);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), RACE_LIMIT);
    ck_assert_int_eq(desk_streams(&desk), RACE_LIMIT);
    munmap(counts, 4096);
}
END_TEST

static struct outcome admit_at_rest(const char *model)
{
    struct outcome out = {.error = CHAT_OK};
    char id[UUID_TEXT_SIZE];

    uuid_v7(clock_wall_ms(clock_system()), id);
    out.error =
        admission_admit_at_rest(desk.admission, model, &desk.user, 1, id, &out.ticket, &out.quota, &out.retry_after_s);
    return out;
}

/* Of the model that is asked for; of all where it isn't known. */
START_TEST(the_breaker_is_looked_at_in_the_same_step)
{
    raw_number(desk.raw, "DEL chat:breakers");
    struct outcome calm = admit_at_rest("llama");
    ck_assert_int_eq(calm.error, CHAT_OK);
    ck_assert(calm.ticket.leased && calm.ticket.daily_counted);
    ck_assert_int_eq(calm.quota.rate_remaining, 9);

    freeReplyObject(redisCommand(desk.raw, "HSET chat:breakers llama something"));
    for (int i = 0; i < 2; i++) {
        struct outcome stopped = admit_at_rest(i ? "llama" : NULL);
        ck_assert_int_eq(stopped.error, CHAT_ERR_UNDECIDED);
        ck_assert(!stopped.ticket.leased && !stopped.ticket.daily_counted);
    }
    ck_assert_int_eq(admit_at_rest("qwen").quota.rate_remaining, 8);
    raw_number(desk.raw, "DEL chat:breakers");
    ck_assert_int_eq(admit_at_rest(NULL).quota.rate_remaining, 7);
}
END_TEST

CONTRACT_SUITE(redis_admission_keys)
{
    Suite *suite = suite_create("redis_admission_keys");
    TCase *keys, *races;

    keys = CONTRACT_CASE(suite, "keys", counts_and_leases_stand_under_the_user_s_keys, what_is_refused_makes_no_keys,
                         every_key_goes_by_itself, a_key_lives_at_least_a_second, a_renewed_lease_s_key_lives_on,
                         a_lease_has_the_age_of_its_last_renewal, a_refund_never_goes_below_nothing,
                         a_unit_that_is_taken_again_makes_no_key, a_forgotten_script_is_brought_along,
                         a_key_of_another_kind_is_no_admission, the_breaker_is_looked_at_in_the_same_step);
    contract_fixture(keys, "real", open_desk, close_desk);
    races = tcase_create("races");
    tcase_set_timeout(races, CONTRACT_TIMEOUT_S);
    contract_fixture(races, "real", open_desk, close_desk);
    tcase_add_loop_test(races, racing_requests_admit_exactly_the_limit, 0, 3);
    suite_add_tcase(suite, races);
    return suite;
}
