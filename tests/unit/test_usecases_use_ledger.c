#include "usecases/use_ledger.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct use_ledger *ledger;

static void set_up(void)
{
    fake_chat_init(&chat);
    ledger = chat.ports.ledger;
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static void add(const char *user, int completions)
{
    const struct token_usage usage = {10, 5, 15, 0};

    use_ledger_add(ledger, user, "2026-01-31", "llama", completions, &usage, 7);
}

static bool flush(void)
{
    return use_ledger_flush(ledger, chat.ports.usage);
}

static struct usage_counts total(const char *user)
{
    const struct usage_query query = {
        .from = "2026-01-01", .to = "2026-12-31", .user_id = user, .group = USAGE_BY_USER, .limit = 1};
    struct usage_page page;

    ck_assert_int_eq(usage_repo_list(chat.ports.usage, &query, &chat.arena, &page), CHAT_OK);
    return page.count ? page.items[0].counts : (struct usage_counts){0};
}

START_TEST(what_is_gathered_arrives_once_and_summed_up)
{
    add("alice", 1);
    add("bob", 1);
    add("alice", 1);
    add("alice", 0);                                 /* a title */
    ck_assert_int_eq(total("alice").completions, 0); /* not yet */
    ck_assert(flush());
    ck_assert(flush());
    ck_assert_int_eq(fake_repo_calls(chat.repo, FAKE_USAGE_COUNT), 1); /* nothing to write, nothing written */
    ck_assert_int_eq(total("alice").completions, 2);
    ck_assert_int_eq(total("alice").prompt_tokens, 30);
    ck_assert_int_eq(total("alice").completion_tokens, 15);
    ck_assert_int_eq(total("alice").cost_micro_usd, 21);
    ck_assert_int_eq(total("bob").completions, 1);
}
END_TEST

START_TEST(days_and_models_are_counted_apart)
{
    static const char *const keys[][2] = {
        {"2026-01-31", "llama"}, {"2026-02-01", "llama"}, {"2026-01-31", "qwen"}, {"2026-02-01", "qwen"}};
    const struct token_usage usage = {10, 5, 15, 0};
    const struct usage_query query = {.from = "2026-01-01",
                                      .to = "2026-12-31",
                                      .user_id = "alice",
                                      .group = USAGE_BY_DAY | USAGE_BY_MODEL,
                                      .limit = 10};
    struct usage_page page;

    for (size_t i = 0; i < UNIT_COUNT(keys); i++)
        use_ledger_add(ledger, "alice", keys[i][0], keys[i][1], (int)i + 1, &usage, 7);
    ck_assert(flush());
    ck_assert_int_eq(usage_repo_list(chat.ports.usage, &query, &chat.arena, &page), CHAT_OK);
    ck_assert_uint_eq(page.count, UNIT_COUNT(keys));
    ck_assert_int_eq(page.items[0].counts.completions, 1); /* by day, then by model */
    ck_assert_int_eq(page.items[1].counts.completions, 3);
    ck_assert_int_eq(page.items[2].counts.completions, 2);
    ck_assert_int_eq(page.items[3].counts.completions, 4);
}
END_TEST

START_TEST(unknown_tokens_count_as_none)
{
    const struct token_usage unknown = USAGE_UNKNOWN;

    use_ledger_add(ledger, "alice", "2026-01-31", "llama", 1, &unknown, 0);
    ck_assert(flush());
    ck_assert_int_eq(total("alice").completions, 1);
    ck_assert_int_eq(total("alice").prompt_tokens + total("alice").completion_tokens, 0);
}
END_TEST

START_TEST(while_the_store_is_away_it_is_kept)
{
    add("alice", 1);
    fake_repo_fail(chat.repo, FAKE_USAGE_COUNT, CHAT_ERR_DATABASE_UNAVAILABLE, 2);
    ck_assert(!flush());
    add("alice", 1); /* belongs to the next batch: the first one may have arrived all the same */
    ck_assert(!flush());
    ck_assert(flush());
    ck_assert_int_eq(total("alice").completions, 1);
    ck_assert(flush());
    ck_assert_int_eq(total("alice").completions, 2);
}
END_TEST

START_TEST(what_the_store_can_not_take_does_not_stop_the_rest)
{
    add("alice", 1);
    fake_repo_fail(chat.repo, FAKE_USAGE_COUNT, CHAT_ERR_INTERNAL, 1);
    ck_assert(flush());
    add("bob", 1);
    ck_assert(flush());
    ck_assert_int_eq(total("alice").completions, 0);
    ck_assert_int_eq(total("bob").completions, 1);
}
END_TEST

static size_t rows;

static enum chat_error count_rows(struct usage_repo *self, const struct usage_batch *batch)
{
    (void)self;
    rows = batch->count;
    return CHAT_ERR_INTERNAL; /* more than the fake takes */
}

START_TEST(it_gathers_no_more_than_it_may)
{
    static struct usage_repo_ops watched_ops;
    const struct usage_repo_ops *real_ops = chat.ports.usage->ops;
    char user[32];

    for (int i = 0; i < USE_LEDGER_MAX + 1; i++) {
        snprintf(user, sizeof user, "user-%d", i);
        add(user, 1);
    }
    add("user-0", 1); /* known ones go on */
    watched_ops = *real_ops;
    watched_ops.count = count_rows;
    chat.ports.usage->ops = &watched_ops;
    ck_assert(flush());
    ck_assert_uint_eq(rows, USE_LEDGER_MAX);
    chat.ports.usage->ops = real_ops;
    add(user, 1);
    ck_assert(flush());
    ck_assert_int_eq(total(user).completions, 1);
}
END_TEST

enum { ADDERS = 4, ADDS = 1000 };

static void *add_many(void *user)
{
    for (int i = 0; i < ADDS; i++) add(user, 1);
    return NULL;
}

START_TEST(any_thread_adds_while_one_writes)
{
    pthread_t threads[ADDERS];

    for (int i = 0; i < ADDERS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, "alice"), 0);
    for (int i = 0; i < 20; i++) ck_assert(flush());
    for (int i = 0; i < ADDERS; i++) pthread_join(threads[i], NULL);
    ck_assert(flush());
    ck_assert_int_eq(total("alice").completions, ADDERS * ADDS);
}
END_TEST

UNIT_SUITE(usecases_use_ledger)
{
    Suite *suite = suite_create("usecases_use_ledger");
    TCase *tcase = UNIT_CASE(suite, "ledger", what_is_gathered_arrives_once_and_summed_up,
                             days_and_models_are_counted_apart, unknown_tokens_count_as_none,
                             while_the_store_is_away_it_is_kept, what_the_store_can_not_take_does_not_stop_the_rest,
                             it_gathers_no_more_than_it_may, any_thread_adds_while_one_writes);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
