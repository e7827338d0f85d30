/* Windows, days, what is left, and what an answer cost. */
#include "domain/quota.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "domain/cost.h"
#include "unit.h"

static int64_t at(const char *time)
{
    int64_t wall_ms = 0;

    ck_assert(clock_parse_rfc3339(time, &wall_ms));
    return wall_ms;
}

START_TEST(a_window_is_a_minute_of_the_clock)
{
    const int64_t noon = at("2026-01-31T12:00:00.000Z");

    ck_assert_int_eq(quota_window(noon), noon / 60000);
    ck_assert_int_eq(quota_window(noon - 1), noon / 60000 - 1);
    ck_assert_int_eq(quota_window(noon + 59999), noon / 60000);
    ck_assert_int_eq(quota_window_reset_s(noon), noon / 1000 + 60);
    ck_assert_int_eq(quota_window_reset_s(noon + 59999), noon / 1000 + 60);
    ck_assert_int_eq(quota_window_reset_s(noon - 1), noon / 1000);
}
END_TEST

START_TEST(a_day_ends_at_midnight_utc)
{
    static const struct {
        const char *now, *day, *reset;
    } cases[] = {
        {"2026-01-31T00:00:00.000Z", "2026-01-31", "2026-02-01T00:00:00.000Z"},
        {"2026-01-31T23:59:59.999Z", "2026-01-31", "2026-02-01T00:00:00.000Z"},
        {"2028-02-28T12:00:00.000Z", "2028-02-28", "2028-02-29T00:00:00.000Z"},
        {"2026-12-31T23:59:59.999Z", "2026-12-31", "2027-01-01T00:00:00.000Z"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char day[QUOTA_DAY_SIZE];

        quota_day(at(cases[i].now), day);
        ck_assert_str_eq(day, cases[i].day);
        ck_assert_int_eq(quota_day_reset_s(at(cases[i].now)), at(cases[i].reset) / 1000);
    }
}
END_TEST

START_TEST(what_is_left_is_never_below_zero)
{
    static const struct {
        int64_t rate_limit, rate_used, daily_limit, daily_used;
        bool unlimited;
        int64_t rate_remaining, daily_used_out, daily_remaining;
    } cases[] = {
        {10, 0, 100, 0, false, 10, 0, 100},
        {10, 3, 100, 40, false, 7, 40, 60},
        {10, 10, 100, 100, false, 0, 100, 0},
        {10, 12, 100, 130, false, 0, 130, 0},
        {0, 0, 0, 0, false, 0, 0, 0},
        {10, -1, 100, -1, false, 10, 0, 100},
        {10, 10, 100, 130, true, 0, 130, 100},
        {QUOTA_UNLIMITED, 12, QUOTA_UNLIMITED, 7, true, QUOTA_UNLIMITED, 7, QUOTA_UNLIMITED},
    };
    const int64_t now = at("2026-01-31T12:00:30.000Z");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct quota quota = quota_of(now, cases[i].rate_limit, cases[i].rate_used, cases[i].daily_limit,
                                      cases[i].daily_used, cases[i].unlimited);

        ck_assert_int_eq(quota.rate_limit, cases[i].rate_limit);
        ck_assert_int_eq(quota.rate_remaining, cases[i].rate_remaining);
        ck_assert_int_eq(quota.rate_reset_s, at("2026-01-31T12:01:00.000Z") / 1000);
        ck_assert_int_eq(quota.daily_limit, cases[i].daily_limit);
        ck_assert_int_eq(quota.daily_used, cases[i].daily_used_out);
        ck_assert_int_eq(quota.daily_remaining, cases[i].daily_remaining);
        ck_assert_int_eq(quota.daily_reset_s, at("2026-02-01T00:00:00.000Z") / 1000);
        ck_assert(quota.unlimited == cases[i].unlimited);
    }
}
END_TEST

START_TEST(a_daily_limit_of_none_is_unlimited_for_everybody)
{
    const int64_t now = at("2026-01-31T12:00:30.000Z");

    ck_assert(quota_of(now, 10, 0, QUOTA_UNLIMITED, 7, false).unlimited);
    ck_assert(quota_of(now, 10, 0, 100, 7, true).unlimited);
    ck_assert(!quota_of(now, QUOTA_UNLIMITED, 0, 100, 7, false).unlimited);
}
END_TEST

START_TEST(a_unit_given_back_is_left_again_and_never_more_than_there_are)
{
    static const struct {
        int64_t limit, used, used_out, remaining;
    } cases[] = {
        {100, 40, 39, 61},
        {100, 100, 99, 1},
        {100, 130, 129, 0}, /* the limit was lowered meanwhile */
        {100, 0, 0, 100},   /* another day has begun */
        {QUOTA_UNLIMITED, 7, 6, QUOTA_UNLIMITED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct quota quota = quota_of(0, 10, 0, cases[i].limit, cases[i].used, false);

        quota_give_back(&quota);
        ck_assert_int_eq(quota.daily_used, cases[i].used_out);
        ck_assert_int_eq(quota.daily_remaining, cases[i].remaining);
    }
}
END_TEST

START_TEST(retry_after_is_rounded_up_and_at_least_a_second)
{
    ck_assert_int_eq(quota_retry_after_s(0, 60), 60);
    ck_assert_int_eq(quota_retry_after_s(1, 60), 60);
    ck_assert_int_eq(quota_retry_after_s(1000, 60), 59);
    ck_assert_int_eq(quota_retry_after_s(59999, 60), 1);
    ck_assert_int_eq(quota_retry_after_s(60000, 60), 1);
    ck_assert_int_eq(quota_retry_after_s(70000, 60), 1);
}
END_TEST

static struct price_list prices;

START_TEST(price_lists_are_read)
{
    ck_assert_ptr_null(
        price_list_parse(" Meta-Llama-3.3-70B-Instruct=0.60/1.20 ,\tgpt-oss-120b=0.22/0.59,a/b:c=3/.000001,"
                         "free=0/0.",
                         &prices));
    ck_assert_uint_eq(prices.count, 4);
    ck_assert_str_eq(prices.prices[0].model, "Meta-Llama-3.3-70B-Instruct");
    ck_assert_int_eq(prices.prices[0].in_micro_usd_per_million, 600000);
    ck_assert_int_eq(prices.prices[0].out_micro_usd_per_million, 1200000);
    ck_assert_str_eq(prices.prices[1].model, "gpt-oss-120b");
    ck_assert_int_eq(prices.prices[1].out_micro_usd_per_million, 590000);
    ck_assert_str_eq(prices.prices[2].model, "a/b:c");
    ck_assert_int_eq(prices.prices[2].in_micro_usd_per_million, 3000000);
    ck_assert_int_eq(prices.prices[2].out_micro_usd_per_million, 1);
    ck_assert_int_eq(prices.prices[3].out_micro_usd_per_million, 0);

    ck_assert_ptr_null(price_list_parse("", &prices));
    ck_assert_uint_eq(prices.count, 0);
    ck_assert_ptr_null(price_list_parse("  ", &prices));
}
END_TEST

START_TEST(bad_price_lists_are_refused_whole)
{
    static const char *const bad[] = {
        "a",           "a=",       "a=1",     "a=1/",          "a=/1",         "=1/1",
        "a b=1/1",     "a=1/1,",   ",a=1/1",  "a=1/1,,b=1/1",  "a=-1/1",       "a=1/1e3",
        "a=1.2.3/1",   "a=./1",    "a=1 / 1", "a=1/0.0000001", "a=12345678/1", "a=1/1,a=2/2",
        "a=1/1;b=1/1", "a/1=1",    "a=nan/1", "\x7f=1/1",      "a=1/1/",       "a=1//1",
        "a=1/1/1/1",   "a=1/1/-1",
    };
    char name[200];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(price_list_parse(bad[i], &prices) != NULL, "taken: %s", bad[i]);
        ck_assert_uint_eq(prices.count, 0);
    }
    memset(name, 'm', sizeof name);
    memcpy(name + MODEL_NAME_SIZE, "=1/1", 5);
    ck_assert_ptr_nonnull(price_list_parse(name, &prices));
    ck_assert_ptr_null(price_list_parse(name + 1, &prices));
}
END_TEST

START_TEST(at_most_64_models_have_a_price)
{
    char text[65 * 16] = "";

    for (int i = 0; i < 65; i++) {
        sprintf(text + strlen(text), "%sm%d=1/1", i ? "," : "", i);
        if (i == 63) ck_assert_ptr_null(price_list_parse(text, &prices));
    }
    ck_assert_ptr_nonnull(price_list_parse(text, &prices));
}
END_TEST

START_TEST(cost_is_rounded_to_the_nearest_micro_usd)
{
    static const struct {
        const char *model;
        struct token_usage usage;
        int64_t cost;
    } cases[] = {
        {"llama", {1000000, 1000000, 2000000, 0}, 1800000},
        {"llama", {43, 100, 143, 0}, 146}, /* 25.8 + 120.0 */
        {"llama", {1, 0, 1, 0}, 1},        /* 0.6 */
        {"half", {1, 0, 1, 0}, 1},         /* 0.5 */
        {"half", {0, 1, 1, 0}, 0},         /* 0.499999 */
        {"llama", {-1, 100, -1, 0}, 120},
        {"llama", {100, -1, -1, 0}, 60},
        {"llama", USAGE_UNKNOWN, 0},
        {"llama", {9500, 10, 9510, 9000}, 5712}, /* without a price of their own: 5,700 + 12 */
        {"cache", {9500, 10, 9510, 9000}, 1212}, /* 500 at 0.6, 9,000 at 0.1, 10 at 1.2 */
        {"cache", {9500, 10, 9510, 0}, 5712},
        {"cache", {100, 0, 100, 200}, 10}, /* never more than there are */
        {"cache", {100, 0, 100, -1}, 60},
        {"cache", {-1, 10, -1, 200}, 12},
        {"other", {1000, 1000, 2000, 0}, 0},
        {NULL, {1000, 1000, 2000, 0}, 0},
        {"llama", {INT64_MAX, INT64_MAX, -1, 0}, INT64_MAX},
    };

    ck_assert_ptr_null(price_list_parse("llama=0.60/1.20,half=0.5/0.499999,cache=0.6/1.2/0.1", &prices));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(cost_micro_usd(&prices, cases[i].model, &cases[i].usage), cases[i].cost);
}
END_TEST

UNIT_SUITE(domain_quota)
{
    Suite *suite = suite_create("domain_quota");
    UNIT_CASE(suite, "rules", a_window_is_a_minute_of_the_clock, a_day_ends_at_midnight_utc,
              what_is_left_is_never_below_zero, a_daily_limit_of_none_is_unlimited_for_everybody,
              a_unit_given_back_is_left_again_and_never_more_than_there_are,
              retry_after_is_rounded_up_and_at_least_a_second, price_lists_are_read, bad_price_lists_are_refused_whole,
              at_most_64_models_have_a_price, cost_is_rounded_to_the_nearest_micro_usd);
    return suite;
}
