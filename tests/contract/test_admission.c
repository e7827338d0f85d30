/* Who may start an answer: on Redis and on the fake. */
#include "redis_fixture.h"
#include "tests/fakes/fake_admission.h"

static struct fake_admission fake;
static struct desk desk;

static void open_redis(void)
{
    desk_open(&desk, contract_env("REDIS_URL"), PATIENT_MS);
}
static void close_redis(void)
{
    desk_close(&desk);
}

static void open_fake(void)
{
    desk_prepare(&desk);
    fake_admission_init(&fake, &desk.policy, &desk.clock.clock);
    desk.admission = &fake.admission;
}
static void close_fake(void)
{
    fake_admission_fini(&fake);
}

/* Another process's way to the same counts. */
static void join_desk(struct desk *other)
{
    if (desk.server) {
        desk_open(other, contract_env("REDIS_URL"), PATIENT_MS);
    } else {
        desk_prepare(other);
        other->admission = &fake.admission;
    }
}
static void leave_desk(struct desk *other)
{
    if (other->server) desk_close(other);
}

#define SECONDS(rfc3339) (desk_time(rfc3339) / 1000)

static void expect(const struct outcome *got, enum chat_error error, int64_t rate_left, int64_t daily_left)
{
    ck_assert_str_eq(error_code(got->error), error_code(error));
    ck_assert_int_eq(got->quota.rate_remaining, rate_left);
    ck_assert_int_eq(got->quota.daily_remaining, daily_left);
}

static struct quota peek_at(const char *rfc3339)
{
    const struct chat_policy policy = desk.policy;
    const int64_t now_ms = desk.clock.now_wall_ms;
    struct quota quota;

    desk.policy.rate_limit_per_minute = desk.policy.daily_message_quota = 1000; /* so that none hides a count */
    desk.clock.now_wall_ms = desk_time(rfc3339);
    ck_assert_int_eq(admission_peek(desk.admission, &desk.user, &quota), CHAT_OK);
    desk.clock.now_wall_ms = now_ms;
    desk.policy = policy;
    return quota;
}

static void expect_daily(const char *rfc3339, int64_t used)
{
    ck_assert_int_eq(peek_at(rfc3339).daily_used, used);
}

/* What counted in the minute and on the day of that time. */
static void expect_used(const char *rfc3339, int64_t rate, int64_t daily)
{
    struct quota quota = peek_at(rfc3339);

    ck_assert_int_eq(quota.rate_limit - quota.rate_remaining, rate);
    ck_assert_int_eq(quota.daily_used, daily);
}

/* Leases held: one more is admitted where one more is allowed, and none where not. For the end of a test. */
static void expect_streams(int held)
{
    desk.policy.rate_limit_per_minute = desk.policy.daily_message_quota = 1000;
    desk.policy.max_concurrent_streams = held;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    desk.policy.max_concurrent_streams = held + 1;
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
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
    expect_used("2026-01-31T12:00:10.000Z", 1, 1);
    expect_streams(1);
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
    expect_used("2026-01-31T12:00:10.000Z", 3, 3);
    expect_streams(3);
}
END_TEST

START_TEST(a_limit_of_0_allows_none)
{
    struct outcome got;

    desk.policy.max_concurrent_streams = 0;
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_TOO_MANY_STREAMS, 10, 100);
    ck_assert_int_gt(got.retry_after_s, 60); /* no SDK need wait for it */
    desk.policy.daily_message_quota = 0;
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_QUOTA_EXCEEDED, 10, 0);
    desk.policy.rate_limit_per_minute = 0;
    got = desk_admit(&desk);
    expect(&got, CHAT_ERR_RATE_LIMITED, 0, 0);
    expect_used("2026-01-31T12:00:10.000Z", 0, 0);
    expect_streams(0);
}
END_TEST

/* What nothing bounds is counted all the same. */
START_TEST(unlimited_allows_all)
{
    struct outcome got;

    desk.policy.max_concurrent_streams = desk.policy.daily_message_quota = desk.policy.rate_limit_per_minute =
        QUOTA_UNLIMITED;
    for (int i = 0; i < 150; i++) {
        got = desk_admit(&desk);
        expect(&got, CHAT_OK, QUOTA_UNLIMITED, QUOTA_UNLIMITED);
        ck_assert(got.quota.unlimited);
        ck_assert(got.ticket.leased && got.ticket.daily_counted);
        ck_assert_int_eq(got.quota.daily_used, i + 1);
    }
    expect_used("2026-01-31T12:00:10.000Z", 150, 150);
    expect_streams(150);
}
END_TEST

static enum chat_error make(struct quota *quota, int64_t *retry_after_s)
{
    return admission_admit_making(desk.admission, &desk.user, quota, retry_after_s);
}

/* (A7) */
START_TEST(a_look_says_what_would_be_and_counts_nothing)
{
    struct quota quota;
    int64_t retry_after_s;
    struct outcome held[3];

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(admission_look(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_OK);
        held[i] = desk_admit(&desk);
    }
    ck_assert_int_eq(admission_look(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_ERR_TOO_MANY_STREAMS);
    ck_assert_int_eq(retry_after_s, 5);
    ck_assert_int_eq(quota.rate_remaining, 7);
    desk_settle(&desk, &held[0], false);
    ck_assert_int_eq(admission_look(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_OK);
    desk.policy.daily_message_quota = 3;
    ck_assert_int_eq(admission_look(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_ERR_QUOTA_EXCEEDED);
    desk.policy.rate_limit_per_minute = 3;
    ck_assert_int_eq(admission_look(desk.admission, &desk.user, &quota, &retry_after_s), CHAT_ERR_RATE_LIMITED);
    ck_assert_int_eq(retry_after_s, 50);
    expect_used("2026-01-31T12:00:10.000Z", 3, 3);
    expect_streams(2);
}
END_TEST

/* (A5) */
START_TEST(making_has_a_limit_of_its_own)
{
    struct quota quota;
    int64_t retry_after_s;

    desk.policy.rate_limit_per_minute = 0;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(make(&quota, &retry_after_s), CHAT_OK);
        ck_assert_int_eq(quota.rate_limit, 4);
        ck_assert_int_eq(quota.rate_remaining, 3 - i);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(make(&quota, &retry_after_s), CHAT_ERR_RATE_LIMITED);
        ck_assert_int_eq(retry_after_s, 50);
        ck_assert_int_eq(quota.rate_remaining, 0);
    }
    desk.policy.rate_limit_per_minute = 10;
    expect_used("2026-01-31T12:00:10.000Z", 0, 0);
    expect_streams(0);
    manual_clock_advance(&desk.clock, 50000);
    ck_assert_int_eq(make(&quota, &retry_after_s), CHAT_OK);
    desk.policy.create_rate_per_minute = 0;
    ck_assert_int_eq(make(&quota, &retry_after_s), CHAT_ERR_RATE_LIMITED);
    desk.policy.create_rate_per_minute = QUOTA_UNLIMITED;
    for (int i = 0; i < 10; i++) ck_assert_int_eq(make(&quota, &retry_after_s), CHAT_OK);
    ck_assert_int_eq(quota.rate_remaining, QUOTA_UNLIMITED);
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
    expect_streams(1);
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
        ck_assert_int_eq(admission_renew(desk.admission, tickets, 300), CHAT_OK);
        ck_assert_int_eq(desk_admit(&desk).error, CHAT_ERR_TOO_MANY_STREAMS);
    }
    manual_clock_advance(&desk.clock, 15000);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
}
END_TEST

START_TEST(a_settled_lease_is_not_renewed_into_being)
{
    struct outcome held = desk_admit(&desk);
    const struct admission_ticket *const tickets[] = {&held.ticket};

    ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
    ck_assert_int_eq(admission_renew(desk.admission, tickets, 1), CHAT_OK);
    ck_assert_int_eq(admission_renew(desk.admission, NULL, 0), CHAT_OK);
    expect_streams(0);
}
END_TEST

START_TEST(a_refund_goes_to_the_day_it_came_from)
{
    desk.clock.now_wall_ms = desk_time("2026-01-31T23:59:59.000Z");
    struct outcome late = desk_admit(&desk);

    manual_clock_advance(&desk.clock, 2000);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_settle(&desk, &late, true), CHAT_OK);
    expect_used("2026-02-01T00:00:01.000Z", 1, 1);
    expect_daily("2026-01-31T23:59:59.000Z", 0);
    expect_streams(1);
}
END_TEST

START_TEST(a_refund_leaves_the_minute_spent)
{
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    expect_used("2026-01-31T12:00:10.000Z", 1, 0);
}
END_TEST

START_TEST(settling_counts_once_from_wherever)
{
    struct outcome first = desk_admit(&desk);
    struct desk other;

    desk_admit(&desk);
    join_desk(&other);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(desk_settle(&desk, &first, true), CHAT_OK);
        ck_assert_int_eq(desk_settle(&other, &first, true), CHAT_OK);
    }
    expect_used("2026-01-31T12:00:10.000Z", 2, 1);
    expect_streams(1);
    leave_desk(&other);
}
END_TEST

START_TEST(settling_tells_where_the_user_stands_then)
{
    struct outcome first = desk_admit(&desk), second = desk_admit(&desk);
    struct settled stand;

    ck_assert_int_eq(admission_settle(desk.admission, &first.ticket, true, &stand), CHAT_OK);
    ck_assert(stand.known && stand.breaker_at_rest);
    ck_assert_int_eq(stand.quota.rate_remaining, 8);
    ck_assert_int_eq(stand.quota.daily_used, 1);
    ck_assert_int_eq(stand.quota.daily_reset_s, SECONDS("2026-02-01T00:00:00.000Z"));
    /* again, and on another day: nothing changes but the day */
    desk.clock.now_wall_ms = desk_time("2026-02-01T00:00:01.000Z");
    ck_assert_int_eq(admission_settle(desk.admission, &first.ticket, true, &stand), CHAT_OK);
    ck_assert_int_eq(stand.quota.daily_used, 0);
    ck_assert_int_eq(stand.quota.rate_remaining, 10);
    struct admission_ticket none = second.ticket;
    none.leased = none.daily_counted = false;
    ck_assert_int_eq(admission_settle(desk.admission, &none, true, &stand), CHAT_OK);
    ck_assert(!stand.known);
}
END_TEST

/* Of a process that was taken for dead before the first token, and wrote the answer when it woke. */
START_TEST(a_refund_is_taken_back_once_where_the_answer_came_after_all)
{
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    expect_used("2026-01-31T12:00:10.000Z", 1, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
        expect_used("2026-01-31T12:00:10.000Z", 1, 1);
    }
    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    expect_used("2026-01-31T12:00:10.000Z", 1, 1);
    expect_streams(0);
}
END_TEST

/* A completion that asks for several answers counts each (A4). */
START_TEST(several_units_are_taken_all_or_none_and_go_back_together)
{
    desk.policy.rate_limit_per_minute = 5;
    desk.policy.daily_message_quota = 4;
    struct outcome first = desk_admit_units(&desk, &desk.user, 3);

    expect(&first, CHAT_OK, 2, 1);
    struct outcome over = desk_admit_units(&desk, &desk.user, 3);
    expect(&over, CHAT_ERR_RATE_LIMITED, 2, 1);
    over = desk_admit_units(&desk, &desk.user, 2);
    expect(&over, CHAT_ERR_QUOTA_EXCEEDED, 2, 1);
    ck_assert_int_eq(desk_admit(&desk).error, CHAT_OK);
    ck_assert_int_eq(desk_settle(&desk, &first, true), CHAT_OK);
    expect_used("2026-01-31T12:00:10.000Z", 4, 1);
    ck_assert_int_eq(desk_settle(&desk, &first, true), CHAT_OK);
    expect_used("2026-01-31T12:00:10.000Z", 4, 1);
    ck_assert_int_eq(desk_settle(&desk, &first, false), CHAT_OK); /* it came after all */
    expect_used("2026-01-31T12:00:10.000Z", 4, 4);
}
END_TEST

START_TEST(settled_without_a_refund_stays_so)
{
    struct outcome held = desk_admit(&desk);

    ck_assert_int_eq(desk_settle(&desk, &held, false), CHAT_OK);
    ck_assert_int_eq(desk_settle(&desk, &held, true), CHAT_OK);
    expect_used("2026-01-31T12:00:10.000Z", 1, 1);
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
    expect_daily("2026-01-31T12:00:10.000Z", 0);
}
END_TEST

START_TEST(peeking_counts_nothing)
{
    struct quota quota;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(admission_peek(desk.admission, &desk.user, &quota), CHAT_OK);
        ck_assert_int_eq(quota.rate_remaining, 10);
        ck_assert_int_eq(quota.daily_used, 0);
    }
    desk_admit(&desk);
    ck_assert_int_eq(admission_peek(desk.admission, &desk.user, &quota), CHAT_OK);
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
    caller.user_id[USER_ID_SIZE - 2] = 'v';
    got = desk_admit_as(&desk, &caller);
    expect(&got, CHAT_OK, 9, 99);
}
END_TEST

/* Being away is tested on Redis alone (test_redis_away.c): the fake refuses when a test says so. So is the race: the
 * fake decides under one lock. */
static Suite *admission(const char *name, const char *tag, SFun open, SFun close)
{
    Suite *suite = suite_create(name);

    contract_fixture(
        CONTRACT_CASE(suite, "admission", an_admitted_request_is_counted_and_leased,
                      the_minute_is_limited_until_its_last_millisecond, the_day_is_limited_until_midnight_utc,
                      answers_at_once_are_limited, what_is_refused_is_counted_nowhere, a_limit_of_0_allows_none,
                      unlimited_allows_all, a_look_says_what_would_be_and_counts_nothing, making_has_a_limit_of_its_own,
                      a_lease_runs_out_by_itself, a_renewed_lease_lives_on, a_settled_lease_is_not_renewed_into_being,
                      a_refund_goes_to_the_day_it_came_from, a_refund_leaves_the_minute_spent,
                      settling_counts_once_from_wherever, settling_tells_where_the_user_stands_then,
                      settled_without_a_refund_stays_so, a_refund_is_taken_back_once_where_the_answer_came_after_all,
                      admins_pass_the_daily_quota_alone, peeking_counts_nothing,
                      users_whose_ids_look_like_keys_stay_apart,
                      several_units_are_taken_all_or_none_and_go_back_together),
        tag, open, close);
    return suite;
}

CONTRACT_SUITE(redis_admission)
{
    return admission("redis_admission", "real", open_redis, close_redis);
}
CONTRACT_SUITE(fake_admission)
{
    return admission("fake_admission", "fake", open_fake, close_fake);
}
