/* Messages: their names on the wire, what may stand in one, and the life of an answer. */
#include "domain/message.h"

#include <string.h>

#include "domain/answer.h"
#include "unit.h"

#define HAN "\xe4\xbd\xa0"

START_TEST(roles_statuses_and_feedback_have_their_wire_names)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    static const char *const statuses[] = {"streaming", "complete", "stopped", "interrupted", "failed"};
    static const char *const feedbacks[] = {"none", "up", "down"};
    enum message_role role;
    enum message_status status;
    enum message_feedback feedback;

    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(message_role_name((enum message_role)i), roles[i]);
        ck_assert(message_role_parse(roles[i], &role));
        ck_assert_int_eq(role, i);
        ck_assert_str_eq(message_feedback_name((enum message_feedback)i), feedbacks[i]);
        ck_assert(message_feedback_parse(feedbacks[i], &feedback));
        ck_assert_int_eq(feedback, i);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_str_eq(message_status_name((enum message_status)i), statuses[i]);
        ck_assert(message_status_parse(statuses[i], &status));
        ck_assert_int_eq(status, i);
    }
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    enum message_role role = ROLE_USER;
    enum message_status status = MESSAGE_FAILED;
    enum message_feedback feedback = FEEDBACK_UP;

    ck_assert(!message_role_parse("tool", &role));
    ck_assert(!message_status_parse("COMPLETE", &status));
    ck_assert(!message_feedback_parse("", &feedback));
    ck_assert(role == ROLE_USER && status == MESSAGE_FAILED && feedback == FEEDBACK_UP);
}
END_TEST

START_TEST(content_takes_text_within_the_limit)
{
    static const struct {
        const char *content;
        size_t len; /* 0: strlen */
        bool good;
    } cases[] = {
        {"a", 0, true},
        {"  a\n", 0, true},
        {"12345", 0, true},
        {"123456", 0, false},
        {HAN HAN HAN HAN HAN, 0, true},
        {HAN HAN HAN HAN HAN HAN, 0, false},
        {"", 0, false},
        {" \t\r\n", 0, false},
        {"\xe3\x80\x80\xc2\x85", 0, false},
        {"a\0b", 3, false},
        {"\xc0\xaf", 0, false},
        {"\xff", 0, false},
        {"\xe4\xbd", 0, false},
        {"\x01", 0, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].content);
        const char *problem = message_content_problem(cases[i].content, len, 5);

        ck_assert_msg(!problem == cases[i].good, "case %zu: %s", i, problem ? problem : "taken");
    }
}
END_TEST

START_TEST(tokens_are_estimated_by_code_points)
{
    ck_assert_int_eq(message_estimate_tokens("", 0), 0);
    ck_assert_int_eq(message_estimate_tokens("a", 1), 1);
    ck_assert_int_eq(message_estimate_tokens("abcd", 4), 1);
    ck_assert_int_eq(message_estimate_tokens("abcdefgh", 8), 2);
    ck_assert_int_eq(message_estimate_tokens("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 16),
                     2);
    ck_assert_int_eq(message_estimate_tokens(HAN HAN HAN, 9), 3);
    ck_assert_int_eq(message_estimate_tokens(HAN "abcd", 7), 2);
    ck_assert_int_eq(message_estimate_tokens("\xff\xff\xff\xff\xff\xff\xff\xff", 8), 2);
}
END_TEST

START_TEST(an_answer_goes_only_where_it_may)
{
    enum {
        NO = -1,
        S = MESSAGE_STREAMING,
        C = MESSAGE_COMPLETE,
        T = MESSAGE_STOPPED,
        I = MESSAGE_INTERRUPTED,
        F = MESSAGE_FAILED
    };
    static const int after[5][4] = {
        /*                       finished stopped failed lost */
        [MESSAGE_STREAMING] = {C, T, F, I},   [MESSAGE_COMPLETE] = {NO, NO, NO, NO},
        [MESSAGE_STOPPED] = {NO, NO, NO, NO}, [MESSAGE_INTERRUPTED] = {C, T, F, NO},
        [MESSAGE_FAILED] = {NO, NO, NO, NO},
    };

    for (int from = 0; from < 5; from++) {
        for (int event = 0; event < 4; event++) {
            enum message_status to = MESSAGE_STREAMING;
            bool moved = answer_next((enum message_status)from, (enum answer_event)event, &to);

            ck_assert_msg(moved == (after[from][event] != NO), "%d on event %d", from, event);
            if (moved) ck_assert_int_eq((int)to, after[from][event]);
        }
        ck_assert(answer_is_final((enum message_status)from) == (from != S));
    }
}
END_TEST

UNIT_SUITE(domain_message)
{
    Suite *suite = suite_create("domain_message");
    UNIT_CASE(suite, "rules", roles_statuses_and_feedback_have_their_wire_names, unknown_names_are_refused,
              content_takes_text_within_the_limit, tokens_are_estimated_by_code_points,
              an_answer_goes_only_where_it_may);
    return suite;
}
