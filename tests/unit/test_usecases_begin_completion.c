#include "usecases/begin_completion.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct admission_ticket ticket;
static struct quota quota;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error begin(void)
{
    return begin_completion(&chat.ports, &chat.alice, &problem, &ticket, &quota);
}

START_TEST(it_takes_a_place_a_lease_and_a_unit)
{
    ck_assert_int_eq(begin(), CHAT_OK);
    ck_assert_int_eq(chat.answers.reserved, 1);
    ck_assert(ticket.leased && ticket.daily_counted);
    ck_assert_str_eq(ticket.user_id, chat.alice.user_id);
    ck_assert_int_eq(quota.daily_used, 1);
}
END_TEST

START_TEST(without_a_place_nothing_is_counted)
{
    struct quota after;
    chat.answers.refuse = CHAT_ERR_OVERLOADED;
    ck_assert_int_eq(begin(), CHAT_ERR_OVERLOADED);
    ck_assert_int_gt(problem.retry_after_s, 0);
    ck_assert_int_eq(chat.ports.admission->ops->peek(chat.ports.admission, &chat.alice, &after), CHAT_OK);
    ck_assert_int_eq(after.daily_used, 0);
}
END_TEST

START_TEST(a_limit_gives_the_place_back_and_says_where_the_user_stands)
{
    while (begin() == CHAT_OK) problem = (struct problem){0};
    ck_assert(problem.has_quota);
    int held = chat.answers.reserved;
    ck_assert_int_ne(begin(), CHAT_OK);
    ck_assert_int_eq(chat.answers.reserved, held);
    ck_assert_int_gt(problem.retry_after_s, 0);
}
END_TEST

UNIT_SUITE(usecases_begin_completion)
{
    Suite *suite = suite_create("usecases_begin_completion");
    tcase_add_checked_fixture(UNIT_CASE(suite, "limits", it_takes_a_place_a_lease_and_a_unit,
                                        without_a_place_nothing_is_counted,
                                        a_limit_gives_the_place_back_and_says_where_the_user_stands),
                              set_up, tear_down);
    return suite;
}
