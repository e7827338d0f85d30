#include "domain/usage.h"

#include "unit.h"

START_TEST(a_day_is_one_that_exists)
{
    static const char *const bad[] = {"",
                                      "2026-02-29",
                                      "2026-1-31",
                                      "2026-01-32",
                                      "2026-13-01",
                                      "1969-12-31",
                                      "2026-01-3x",
                                      "2026-01-311",
                                      "20260131",
                                      "2026-01-31T",
                                      "2026-01-31T00:00:00.000Z"};
    int64_t at_ms;

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) ck_assert_msg(!usage_day_parse(bad[i], &at_ms), "%s", bad[i]);
    ck_assert(usage_day_parse("1970-01-02", &at_ms));
    ck_assert_int_eq(at_ms, 86400000);
    ck_assert(usage_day_parse("2028-02-29", &at_ms));
}
END_TEST

START_TEST(days_are_counted_with_both_ends)
{
    int64_t from_ms, to_ms;

    ck_assert(usage_day_parse("2026-02-27", &from_ms) && usage_day_parse("2026-03-02", &to_ms));
    ck_assert_int_eq(usage_days(from_ms, to_ms), 4);
    ck_assert_int_eq(usage_days(to_ms, to_ms), 1);
    ck_assert_int_lt(usage_days(to_ms, from_ms), 1);
}
END_TEST

UNIT_SUITE(domain_usage)
{
    Suite *suite = suite_create("domain_usage");

    UNIT_CASE(suite, "usage", a_day_is_one_that_exists, days_are_counted_with_both_ends);
    return suite;
}
