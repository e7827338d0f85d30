#include "usecases/open_completion.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct quota quota;
static struct completion_spec spec;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
    spec = (struct completion_spec){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

START_TEST(the_policys_model_is_asked_where_none_is_named_and_no_other_than_it_knows)
{
    const struct chat_policy *policy = chat.ports.policy;
    const char *model;
    ck_assert_int_eq(open_completion_model(policy, NULL, &problem, &model), CHAT_OK);
    ck_assert_str_eq(model, policy->default_model);
    ck_assert_int_eq(open_completion_model(policy, "nobody's", &problem, &model), CHAT_ERR_MODEL_NOT_FOUND);
}
END_TEST

START_TEST(it_holds_a_lease_its_units_and_a_place_or_nothing)
{
    spec.model = chat.ports.policy->default_model;
    ck_assert_int_eq(open_completion(&chat.ports, &chat.alice, 2, &spec, &quota, &problem), CHAT_OK);
    ck_assert(spec.ticket.leased && spec.breaker.asked);
    ck_assert_str_eq(spec.ticket.user_id, "alice");
    ck_assert_int_eq(spec.ticket.units, 2);
    ck_assert_int_eq(quota.daily_used, 2);
    ck_assert_int_eq(chat.answers.reserved, 1);
    struct completion_spec refused = {.model = spec.model};
    chat.admission.refuse = CHAT_ERR_QUOTA_EXCEEDED;
    ck_assert_int_eq(open_completion(&chat.ports, &chat.alice, 1, &refused, &quota, &problem), CHAT_ERR_QUOTA_EXCEEDED);
    ck_assert_int_eq(problem.error, CHAT_ERR_QUOTA_EXCEEDED);
    ck_assert(!refused.ticket.leased);
    ck_assert_int_eq(chat.answers.reserved, 1);
}
END_TEST

UNIT_SUITE(usecases_open_completion)
{
    Suite *suite = suite_create("usecases_open_completion");
    TCase *tcase = UNIT_CASE(suite, "open", the_policys_model_is_asked_where_none_is_named_and_no_other_than_it_knows,
                             it_holds_a_lease_its_units_and_a_place_or_nothing);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
