#include "redis/user_keys.h"

#include "unit.h"

START_TEST(a_users_keys_are_told_from_those_of_users_with_like_names)
{
    static const char *const own[] = {"chat:rate:al:29000000",          "chat:create:al:29000000",
                                      "chat:quota:daily:al:2026-01-31", "chat:streams:al",
                                      "chat:idempotency:al#",           "chat:idempotency:al#k#:1"};
    static const char *const others[] = {"chat:rate:al:9:29000000",
                                         "chat:rate:al:",
                                         "chat:rate:al",
                                         "chat:rate:al:29000000x",
                                         "chat:rate:alice:29000000",
                                         "chat:rate:al-1:29000000",
                                         "chat:quota:daily:al:9:2026-01-31",
                                         "chat:streams:al:1",
                                         "chat:streams:alice",
                                         "chat:streams:pal",
                                         "chat:idempotency:al:9#k",
                                         "chat:idempotency:other#al#",
                                         "chat:idempotency:al",
                                         "chat:answer:al:content",
                                         "other:streams:al",
                                         ""};

    for (size_t i = 0; i < UNIT_COUNT(own); i++) ck_assert_msg(redis_key_is_of(own[i], "al"), "%s", own[i]);
    for (size_t i = 0; i < UNIT_COUNT(others); i++) ck_assert_msg(!redis_key_is_of(others[i], "al"), "%s", others[i]);
    ck_assert(redis_key_is_of("chat:rate:al:9:29000000", "al:9"));
}
END_TEST

UNIT_SUITE(redis_user_keys)
{
    Suite *suite = suite_create("redis_user_keys");

    UNIT_CASE(suite, "keys", a_users_keys_are_told_from_those_of_users_with_like_names);
    return suite;
}
