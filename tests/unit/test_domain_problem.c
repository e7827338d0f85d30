/* Problems: what a refusal tells the caller. */
#include "domain/problem.h"

#include "unit.h"

START_TEST(fields_are_collected_and_the_first_is_the_param)
{
    struct problem problem = {.error = CHAT_OK};

    ck_assert_int_eq(problem_field(&problem, "content", "must not be empty"), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_int_eq(problem_field(&problem, "model", "is not offered"), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_int_eq(problem.error, CHAT_ERR_VALIDATION_FAILED);
    ck_assert_str_eq(problem.param, "content");
    ck_assert_uint_eq(problem.field_count, 2);
    ck_assert_str_eq(problem.fields[1].name, "model");
    ck_assert_str_eq(problem.fields[1].message, "is not offered");
}
END_TEST

START_TEST(fields_past_the_room_are_left_out)
{
    struct problem problem = {.error = CHAT_OK};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};

    for (size_t i = 0; i < UNIT_COUNT(names); i++) problem_field(&problem, names[i], "is not known");
    ck_assert_uint_eq(problem.field_count, PROBLEM_MAX_FIELDS);
}
END_TEST

START_TEST(of_two_words_on_a_field_the_first_stands)
{
    struct problem problem = {.error = CHAT_OK};

    problem_field(&problem, "content", "is required");
    problem_field(&problem, "model", "takes a string");
    ck_assert_int_eq(problem_field(&problem, "model", "is not offered"), CHAT_ERR_VALIDATION_FAILED);
    ck_assert_uint_eq(problem.field_count, 2);
    ck_assert_str_eq(problem.fields[1].message, "takes a string");
}
END_TEST

START_TEST(an_error_carries_its_sentence)
{
    struct problem problem = {.error = CHAT_OK};

    ck_assert_int_eq(problem_set(&problem, CHAT_ERR_NOT_FOUND, "no such route"), CHAT_ERR_NOT_FOUND);
    ck_assert_int_eq(problem.error, CHAT_ERR_NOT_FOUND);
    ck_assert_str_eq(problem.message, "no such route");
    ck_assert_int_eq(problem_set(&problem, CHAT_ERR_INTERNAL, NULL), CHAT_ERR_INTERNAL);
    ck_assert_ptr_null(problem.message);
}
END_TEST

UNIT_SUITE(domain_problem)
{
    Suite *suite = suite_create("domain_problem");

    UNIT_CASE(suite, "rules", fields_are_collected_and_the_first_is_the_param, fields_past_the_room_are_left_out,
              of_two_words_on_a_field_the_first_stands, an_error_carries_its_sentence);
    return suite;
}
