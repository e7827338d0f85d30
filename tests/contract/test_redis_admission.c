/* Admission on a real Redis: what is counted, where, and for how long. */
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

#define SECONDS(rfc3339) (desk_time(rfc3339) / 1000)

static void expect(const struct outcome *got, enum chat_error error, int64_t rate_left, int64_t daily_left)
{
    ck_assert_str_eq(error_code(got->error), error_code(error));
    ck_assert_int_eq(got->quota.rate_remaining, rate_left);
    ck_assert_int_eq(got->quota.daily_remaining, daily_left);
}

START_TEST(an_admitted_request_is_counted_and_leased)
{
    struct outcome got = desk_admit(&desk);

    expect(&got, CHAT_OK, 9, 99);
    ck_assert_int_eq(got.quota.rate_limit, 10);
    ck_assert_int_eq(got.quota.daily_limit, 100);
    ck_assert_int_eq(got.quota.daily_used, 1);
    ck_assert_int_eq(got.quota.rate_reset_s, SECONDS("2026-01-31T12:01:00.000Z"));
    ck_assert_int_eq(got.quota.daily_reset_s, SECONDS("2026-02-01T00:00:00.000Z"));
    ck_assert(!got.quota.unlimited);
    ck_assert(got.ticket.leased && got.ticket.daily_counted);
    ck_assert_str_eq(got.ticket.day, "2026-01-31");
    ck_assert_str_eq(got.ticket.user_id, desk.user.user_id);
    ck_assert_int_eq(desk_rate(&desk), 1);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 1);
    ck_assert_int_eq(raw_number(desk.raw, "ZSCORE chat:streams:%s %s", desk.user.user_id, got.ticket.answer_id),
                     desk.clock.now_wall_ms + ADMISSION_LEASE_SECONDS * 1000);
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

START_TEST(the_minute_is_limited_until_its_last_millisecond)
{
    desk.policy.rate_limit_per_minute = 2;
    for (int i = 0; i < 2; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);

    desk.clock.now_wall_ms = desk_time("2026-01-31T12:00:59.999Z");
    struct outcome got = desk_admit(&desk);
    expect(&got, CHAT_ERR_RATE_LIMITED, 0, 98);
    ck_assert_int_eq(got.retry_after_s, 1);
    ck_assert(!got.ticket.leased && !got.ticket.daily_counted);

    manual_clock_advance(&desk.clock, 1);
    got = desk_admit(&desk);
    expect(&got, CHAT_OK, 1, 97);
    ck_assert_int_eq(got.quota.rate_reset_s, SECONDS("2026-01-31T12:02:00.000Z"));
}
END_TEST

START_TEST(the_day_is_limited_until_midnight_utc)
{
    desk.policy.daily_message_quota = 2;
    for (int i = 0; i < 2; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    struct outcome got = desk_admit(&desk);
    expect(&got, CHAT_ERR_QUOTA_EXCEEDED, 8, 0);
    ck_assert_int_eq(got.retry_after_s, 11 * 3600 + 59 * 60 + 50);

    desk.clock.now_wall_ms = desk_time("2026-01-31T23:59:59.999Z");
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_QUOTA_EXCEEDED, 10, 0);
    ck_assert_int_eq(got.retry_after_s, 1);

    manual_clock_advance(&desk.clock, 1);
    got = desk_admit(&desk);
    expect(&got, CHAT_OK, 9, 1);
    ck_assert_str_eq(got.ticket.day, "2026-02-01");
    ck_assert_int_eq(got.quota.daily_reset_s, SECONDS("2026-02-02T00:00:00.000Z"));
}
END_TEST

START_TEST(answers_at_once_are_limited)
{
    struct outcome first = desk_admit(&desk), got;

    for (int i = 0; i < 2; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_TOO_MANY_STREAMS, 7, 97);
    ck_assert_int_eq(got.retry_after_s, 5);
    ck_assert_int_eq(desk_settle(&desk, &first, false), CHAT_OK);
    got = desk_admit(&desk);
    expect(&got, CHAT_OK, 6, 96);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
}
END_TEST

START_TEST(what_is_refused_is_counted_nowhere)
{
    for (int i = 0; i < 3; i++) desk_admit(&desk);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    desk.policy.daily_message_quota = 3;
    for (int i = 0; i < 5; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_QUOTA_EXCEEDED);
    desk.policy.rate_limit_per_minute = 3; /* the minute is asked first */
    for (int i = 0; i < 5; i++) ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_RATE_LIMITED);
    ck_assert_int_eq(desk_rate(&desk), 3);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 3);
    ck_assert_int_eq(desk_streams(&desk), 3);
}
END_TEST

START_TEST(a_limit_of_0_allows_none)
{
    struct outcome got;

    desk.policy.max_concurrent_streams = 0;
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_TOO_MANY_STREAMS, 10, 100);
    desk.policy.daily_message_quota = 0;
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_QUOTA_EXCEEDED, 10, 0);
    desk.policy.rate_limit_per_minute = 0;
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_RATE_LIMITED, 0, 0);
    ck_assert_int_eq(desk_rate(&desk), -1);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), -1);
    ck_assert_int_eq(desk_streams(&desk), 0);
}
END_TEST

START_TEST(a_lease_runs_out_by_itself)
{
    desk.policy.max_concurrent_streams = 1;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    manual_clock_advance(&desk.clock, ADMISSION_LEASE_SECONDS * 1000 - 1);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    manual_clock_advance(&desk.clock, 1);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_streams(&desk), 1);
}
END_TEST

START_TEST(a_renewed_lease_lives_on)
{
    struct outcome held = desk_admit(&desk);
    const struct admission_ticket *tickets[300];

    for (int i = 0; i < 300; i++) tickets[i] = &held.ticket; /* more than one round trip takes */
    desk.policy.max_concurrent_streams = 1;
    for (int i = 0; i < 4; i++) {
        manual_clock_advance(&desk.clock, 10000);
        ck_assert_int_eq(desk.admission->ops->renew(desk.admission, tickets, 300), CHAT_OK);
        ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    }
    ck_assert_int_gt(raw_number(desk.raw, "PTTL chat:streams:%s", desk.user.user_id), 5000);
    manual_clock_advance(&desk.clock, 15000);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

START_TEST(a_settled_lease_is_not_renewed_into_being)
{
    struct outcome held = desk_admit(&desk);
    const struct admission_ticket *const tickets[] = {&held.ticket};

    ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
    ck_assert_int_eq(desk.admission->ops->renew(desk.admission, tickets, 1), CHAT_OK);
    ck_assert_int_eq(desk_streams(&desk), 0);
    ck_assert_int_eq(desk.admission->ops->renew(desk.admission, NULL, 0), CHAT_OK);
}
END_TEST

START_TEST(a_refund_goes_to_the_day_it_came_from)
{
    desk.clock.now_wall_ms = desk_time("2026-01-31T23:59:59.000Z");
    struct outcome late = desk_admit(&desk);

    manual_clock_advance(&desk.clock, 2000);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_settle(&desk, &late, true), CHAT_OK);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 0);
    ck_assert_int_eq(desk_daily(&desk, "2026-02-01"), 1);
    ck_assert_int_eq(desk_streams(&desk), 1);
}
END_TEST

START_TEST(a_refund_leaves_the_minute_spent)
{
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    ck_assert_int_eq(desk_rate(&desk), 1);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 0);
}
END_TEST

START_TEST(settling_counts_once_from_wherever)
{
    struct outcome first = desk_admit(&desk);
    struct desk other;

    desk_admit(&desk);
    desk_open(&other, contract_env("REDIS_URL"), PATIENT_MS);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(desk_settle(&desk, &first, true), CHAT_OK);
        ck_assert_int_eq(desk_settle(&other, &first, true), CHAT_OK);
    }
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 1);
    ck_assert_int_eq(desk_streams(&desk), 1);
    desk_close(&other);
}
END_TEST

START_TEST(settled_without_a_refund_stays_so)
{
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), 1);
}
END_TEST

START_TEST(a_refund_never_goes_below_nothing)
{
    struct outcome held = desk_admit(&desk);

    raw_number(desk.raw, "DEL chat:quota:daily:%s:2026-01-31", desk.user.user_id);
    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), -1);
}
END_TEST

START_TEST(admins_pass_the_daily_quota_alone)
{
    struct outcome got;

    desk.user.is_admin = true;
    desk.policy.daily_message_quota = 0;
    desk.policy.rate_limit_per_minute = 4;
    for (int i = 0; i < 3; i++) {
        got = desk_admit(&desk);
        ck_assert_int_eq(got.error, CHAT_OK);
        ck_assert(got.quota.unlimited && got.ticket.leased && !got.ticket.daily_counted);
    }
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    ck_assert_int_eq(desk_settle(&desk, &got, true), CHAT_OK);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_RATE_LIMITED);
    ck_assert_int_eq(desk_daily(&desk, "2026-01-31"), -1);
}
END_TEST

START_TEST(peeking_counts_nothing)
{
    struct quota quota;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(desk.admission->ops->peek(desk.admission, &desk.user, &quota), CHAT_OK);
        ck_assert_int_eq(quota.rate_remaining, 10);
        ck_assert_int_eq(quota.daily_used, 0);
    }
    desk_admit(&desk);
    ck_assert_int_eq(desk.admission->ops->peek(desk.admission, &desk.user, &quota), CHAT_OK);
    ck_assert_int_eq(quota.rate_remaining, 9);
    ck_assert_int_eq(quota.daily_used, 1);
    ck_assert_int_eq(quota.daily_reset_s, SECONDS("2026-02-01T00:00:00.000Z"));
    ck_assert_int_eq(desk_ping(&desk), CHAT_OK);
}
END_TEST

START_TEST(users_whose_ids_look_like_keys_stay_apart)
{
    static const char *const hostile[] = {
        "a", "a:1", "a:2026-01-31", "a:2026-01-31:2026-01-31", "%s%n", "{x}", "daily:a", "=/+|@.-_", "..", "a|b", "*"};
    struct caller caller = {.is_admin = false};
    struct outcome got;

    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        snprintf(caller.user_id, sizeof caller.user_id, "%.200s:%s", desk.user.user_id, hostile[i]);
        got = desk_admit_as(&desk, &caller);
        expect(&got, CHAT_OK, 9, 99);
    }
    memset(caller.user_id, 'u', USER_ID_SIZE - 1);
    memcpy(caller.user_id, desk.user.user_id, strlen(desk.user.user_id));
    got = desk_admit_as(&desk, &caller);
    expect(&got, CHAT_OK, 9, 99);
    ck_assert_int_eq(raw_number(desk.raw, "GET chat:quota:daily:%s:2026-01-31", caller.user_id), 1);
    caller.user_id[USER_ID_SIZE - 2] = 'v';
    got = desk_admit_as(&desk, &caller);
    expect(&got, CHAT_OK, 9, 99);
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

CONTRACT_SUITE(redis_admission)
{
    Suite *suite = suite_create("redis_admission");
    TCase *counting, *races;

    counting = CONTRACT_CASE(suite, "counting", an_admitted_request_is_counted_and_leased, every_key_goes_by_itself,
                             a_key_lives_at_least_a_second, the_minute_is_limited_until_its_last_millisecond,
                             the_day_is_limited_until_midnight_utc, answers_at_once_are_limited,
                             what_is_refused_is_counted_nowhere, a_limit_of_0_allows_none, a_lease_runs_out_by_itself,
                             a_renewed_lease_lives_on, a_settled_lease_is_not_renewed_into_being,
                             a_refund_goes_to_the_day_it_came_from, a_refund_leaves_the_minute_spent,
                             settling_counts_once_from_wherever, settled_without_a_refund_stays_so,
                             a_refund_never_goes_below_nothing, admins_pass_the_daily_quota_alone,
                             peeking_counts_nothing, users_whose_ids_look_like_keys_stay_apart,
                             a_forgotten_script_is_brought_along, a_key_of_another_kind_is_no_admission);
    tcase_add_checked_fixture(counting, open_desk, close_desk);
    races = tcase_create("races");
    tcase_set_timeout(races, CONTRACT_TIMEOUT_S);
    tcase_add_checked_fixture(races, open_desk, close_desk);
    tcase_add_loop_test(races, racing_requests_admit_exactly_the_limit, 0, 3);
    suite_add_tcase(suite, races);
    return suite;
}
