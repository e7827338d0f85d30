/* What is told of errors that no client knows. */
#include "base/error.h"

#include "http/errors.h"
#include "unit.h"

START_TEST(an_internal_error_has_the_code_status_and_sentence_of_the_one_it_is_told_as)
{
#define CHECK_TOLD_AS(name, told_as)                                               \
    ck_assert_int_ne(CHAT_ERR_##name, CHAT_ERR_##told_as);                         \
    ck_assert_str_eq(error_code(CHAT_ERR_##name), error_code(CHAT_ERR_##told_as)); \
    ck_assert_ptr_eq(error_view(CHAT_ERR_##name), error_view(CHAT_ERR_##told_as));
    CHAT_INTERNAL_ERRORS(CHECK_TOLD_AS)
#undef CHECK_TOLD_AS
}
END_TEST

START_TEST(redis_that_is_away_is_told_as_limits_that_cant_be_checked)
{
    ck_assert_str_eq(error_code(CHAT_ERR_REDIS_UNAVAILABLE), "quota_unavailable");
    ck_assert_int_eq(error_view(CHAT_ERR_REDIS_UNAVAILABLE)->status, 503);
}
END_TEST

UNIT_SUITE(base_error)
{
    Suite *suite = suite_create("base_error");

    UNIT_CASE(suite, "internal", an_internal_error_has_the_code_status_and_sentence_of_the_one_it_is_told_as,
              redis_that_is_away_is_told_as_limits_that_cant_be_checked);
    return suite;
}
