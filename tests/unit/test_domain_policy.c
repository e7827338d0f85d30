/* Policy and feature flag: who is let in, and with which models. */
#include "domain/feature.h"
#include "domain/policy.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct caller user(const char *id, bool is_admin)
{
    struct caller caller = {.is_admin = is_admin};

    snprintf(caller.user_id, sizeof caller.user_id, "%s", id);
    return caller;
}

START_TEST(only_listed_models_are_offered)
{
    const struct chat_policy policy = {.models = {"small", "large"}, .model_count = 2};

    ck_assert(policy_offers_model(&policy, "small"));
    ck_assert(policy_offers_model(&policy, "large"));
    ck_assert(!policy_offers_model(&policy, "Large"));
    ck_assert(!policy_offers_model(&policy, ""));
    ck_assert(!policy_offers_model(&policy, NULL));
}
END_TEST

START_TEST(a_request_for_a_model_that_is_not_offered_says_so)
{
    const struct chat_policy policy = {.models = {"small"}, .model_count = 1};
    struct problem problem = {.error = CHAT_OK};

    ck_assert_int_eq(policy_check_model(&policy, NULL, &problem), CHAT_OK);
    ck_assert_int_eq(policy_check_model(&policy, "small", &problem), CHAT_OK);
    ck_assert_ptr_null(problem.param);
    ck_assert_int_eq(policy_check_model(&policy, "large", &problem), CHAT_ERR_MODEL_NOT_FOUND);
    ck_assert_int_eq(problem.error, CHAT_ERR_MODEL_NOT_FOUND);
    ck_assert_str_eq(problem.param, "model");
}
END_TEST

START_TEST(each_model_that_may_be_asked_is_named_once)
{
    static const struct {
        const char *fallback, *title, *all;
    } cases[] = {
        {NULL, NULL, "small large"},
        {"large", "small", "small large"},
        {"spare", "tiny", "small large spare tiny"},
        {"spare", "spare", "small large spare"},
        {NULL, "tiny", "small large tiny"},
    };

    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        const struct chat_policy policy = {.models = {"small", "large"},
                                           .model_count = 2,
                                           .fallback_model = cases[i].fallback,
                                           .title_model = cases[i].title};
        const char *asked[POLICY_MAX_ASKED];
        const size_t count = policy_asked(&policy, asked);
        char all[64] = "";

        for (size_t k = 0; k < count; k++) sprintf(all + strlen(all), "%s%s", k ? " " : "", asked[k]);
        ck_assert_str_eq(all, cases[i].all);
    }
}
END_TEST

START_TEST(buckets_are_fnv_1a_of_the_id)
{
    /* 64 bit FNV-1a: "" cbf29ce484222325, "a" af63dc4c8601ec8c, "foobar" 85944171f73967e8 */
    ck_assert_int_eq(feature_bucket(""), (int)(UINT64_C(0xcbf29ce484222325) % 100));
    ck_assert_int_eq(feature_bucket("a"), (int)(UINT64_C(0xaf63dc4c8601ec8c) % 100));
    ck_assert_int_eq(feature_bucket("foobar"), (int)(UINT64_C(0x85944171f73967e8) % 100));
}
END_TEST

START_TEST(the_flag_off_keeps_everybody_out)
{
    const struct chat_policy policy = {.feature_enabled = false, .feature_rollout_percent = 100};
    const struct caller alice = user("alice", false), root = user("root", true);

    ck_assert(!feature_allows(&policy, &alice));
    ck_assert(!feature_allows(&policy, &root));
}
END_TEST

START_TEST(admins_are_in_whenever_the_flag_is_on)
{
    const struct chat_policy policy = {.feature_enabled = true, .feature_admin_only = true};
    const struct caller alice = user("alice", false), root = user("root", true);

    ck_assert(feature_allows(&policy, &root));
    ck_assert(!feature_allows(&policy, &alice));
}
END_TEST

START_TEST(admin_only_wins_over_a_full_rollout)
{
    const struct chat_policy policy = {
        .feature_enabled = true, .feature_admin_only = true, .feature_rollout_percent = 100};
    const struct caller alice = user("alice", false);

    ck_assert(!feature_allows(&policy, &alice));
}
END_TEST

START_TEST(a_growing_rollout_keeps_those_in_who_were_in)
{
    struct chat_policy policy = {.feature_enabled = true};
    int in_at_30 = 0;

    for (int i = 0; i < 2000; i++) {
        char id[32];
        bool was_in = false;

        snprintf(id, sizeof id, "user-%d", i);
        const struct caller caller = user(id, false);
        for (int percent = 0; percent <= 100; percent++) {
            policy.feature_rollout_percent = percent;
            bool is_in = feature_allows(&policy, &caller);

            /* 600,000 of them: each asserted is a system call */
            if (!is_in && was_in) ck_abort_msg("%s fell out at %d%%", id, percent);
            if (percent == 0 && is_in) ck_abort_msg("%s is in at 0%%", id);
            if (percent == 100 && !is_in) ck_abort_msg("%s is out at 100%%", id);
            in_at_30 += percent == 30 && is_in;
            was_in = is_in;
        }
    }
    ck_assert_int_gt(in_at_30, 500); /* about 600 of 2,000 */
    ck_assert_int_lt(in_at_30, 700);
}
END_TEST

UNIT_SUITE(domain_policy)
{
    Suite *suite = suite_create("domain_policy");
    UNIT_CASE(suite, "rules", only_listed_models_are_offered, a_request_for_a_model_that_is_not_offered_says_so,
              each_model_that_may_be_asked_is_named_once, buckets_are_fnv_1a_of_the_id,
              the_flag_off_keeps_everybody_out, admins_are_in_whenever_the_flag_is_on,
              admin_only_wins_over_a_full_rollout, a_growing_rollout_keeps_those_in_who_were_in);
    return suite;
}
