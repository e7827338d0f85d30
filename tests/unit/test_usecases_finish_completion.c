/* The end of a completion: lease, unit and use, each once, however often it takes. */
#include "usecases/finish_completion.h"

#include "metrics/metrics.h"
#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/use_ledger.h"

static struct fake_chat chat;
static struct admission_ticket ticket;
static struct finish_completion finish;

static void set_up(void)
{
    fake_chat_init(&chat);
    ticket = (struct admission_ticket){.user_id = "alice",
                                       .answer_id = "0190a1b2-0000-7000-8000-000000000001",
                                       .day = "2026-01-31",
                                       .daily_counted = true,
                                       .leased = true};
    finish = (struct finish_completion){.leaving = {.ticket = &ticket},
                                        .model = "llama",
                                        .use = {.usage = {43, 100, 143, 0}, .took_tokens = true},
                                        .shown = true};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error finish_it(void)
{
    return finish_completion(&chat.ports, &finish);
}

/* All that the ledger has. */
static struct usage_counts used(void)
{
    const struct usage_query query = {
        .from = "1970-01-01", .to = "9999-12-31", .user_id = "alice", .group = USAGE_BY_USER, .limit = 1};
    struct usage_page page;
    ck_assert(use_ledger_flush(chat.ports.ledger, chat.ports.usage));
    ck_assert_int_eq(usage_repo_list(chat.ports.usage, &query, &chat.arena, &page), CHAT_OK);
    ck_assert_uint_eq(page.count, 1);
    return page.items[0].counts;
}

START_TEST(the_lease_ends_and_its_use_is_counted)
{
    const uint64_t *fine = &metrics->counters.completions[COMPLETIONS_OK], before = *fine;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert_int_eq(chat.admission.refunded, 0);
    ck_assert(finish.stand.known && finish.counted);
    ck_assert_int_eq(finish.cost_micro_usd, 146);
    ck_assert_uint_eq(*fine, before + 1);
    struct usage_counts row = used();
    ck_assert_int_eq(row.completions, 1);
    ck_assert_int_eq(row.completion_tokens, 100);
    ck_assert_int_eq(row.cost_micro_usd, 146);
}
END_TEST

START_TEST(while_redis_is_away_it_is_counted_once_and_the_lease_waits)
{
    fake_admission_fail_settle(&chat.admission, CHAT_ERR_REDIS_UNAVAILABLE, 2);
    ck_assert_int_eq(finish_it(), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(finish_it(), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(chat.admission.settled, 0);
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(chat.admission.settled, 1);
    ck_assert_int_eq(used().completions, 1);
}
END_TEST

START_TEST(the_unit_goes_back_only_where_nothing_was_had_for_it)
{
    static const struct {
        struct finish_completion in;
        bool refunds;
    } cases[] = {
        {{.error = CHAT_ERR_UPSTREAM_ERROR}, true},
        {{.error = CHAT_OK}, false},
        {{.error = CHAT_ERR_UPSTREAM_ERROR, .shown = true}, false},
        {{.error = CHAT_ERR_UPSTREAM_ERROR, .client_left = true}, false},
        {{.error = CHAT_ERR_UPSTREAM_ERROR, .use = {.took_tokens = true}}, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(cases); i++)
        ck_assert_msg(finish_completion_refunds(&cases[i].in) == cases[i].refunds, "case %zu", i);
    finish.error = CHAT_ERR_UPSTREAM_ERROR;
    finish.shown = finish.use.took_tokens = false;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_int_eq(chat.admission.refunded, 1);
}
END_TEST

START_TEST(each_end_has_a_counter_of_its_own)
{
    uint64_t left = metrics->counters.completions[COMPLETIONS_CLIENT_LEFT];
    uint64_t failed = metrics->counters.completions[COMPLETIONS_FAILED];
    finish.client_left = true;
    finish.error = CHAT_ERR_UPSTREAM_ERROR;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    finish.client_left = finish.counted = false;
    ck_assert_int_eq(finish_it(), CHAT_OK);
    ck_assert_uint_eq(metrics->counters.completions[COMPLETIONS_CLIENT_LEFT], left + 1);
    ck_assert_uint_eq(metrics->counters.completions[COMPLETIONS_FAILED], failed + 1);
}
END_TEST

START_TEST(what_the_provider_did_not_tell_is_estimated_if_it_was_reached)
{
    static const struct token_usage unknown = USAGE_UNKNOWN, all = {43, 100, 143, 5}, half = {43, -1, -1, -1};
    struct completion_use use;
    finish_completion_count_tokens(&use, &all, true, 300, 400);
    ck_assert(!use.estimated && use.took_tokens);
    ck_assert_int_eq(use.usage.prompt_tokens, 43);
    ck_assert_int_eq(use.usage.cached_tokens, 5);
    finish_completion_count_tokens(&use, &half, true, 300, 401);
    ck_assert(use.estimated);
    ck_assert_int_eq(use.usage.prompt_tokens, 43);
    ck_assert_int_eq(use.usage.completion_tokens, 101);
    finish_completion_count_tokens(&use, &unknown, true, 301, 0);
    ck_assert(use.estimated && !use.took_tokens);
    ck_assert_int_eq(use.usage.prompt_tokens, 101);
    finish_completion_count_tokens(&use, &unknown, false, 300, 400);
    ck_assert(!use.estimated);
    ck_assert_int_eq(use.usage.prompt_tokens, -1);
}
END_TEST

UNIT_SUITE(usecases_finish_completion)
{
    Suite *suite = suite_create("usecases_finish_completion");
    TCase *tcase = UNIT_CASE(suite, "finish", the_lease_ends_and_its_use_is_counted,
                             while_redis_is_away_it_is_counted_once_and_the_lease_waits,
                             the_unit_goes_back_only_where_nothing_was_had_for_it, each_end_has_a_counter_of_its_own,
                             what_the_provider_did_not_tell_is_estimated_if_it_was_reached);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
