/* Use by day: every ended answer counts once, whoever races; and the reports over it. On every kind of store. */
#include <pthread.h>

#include "store_fixture.h"

static struct store store;
static void open_postgres(void)
{
    store_open(&store, &STORE_POSTGRES);
}
static void open_fake(void)
{
    store_open(&store, &STORE_FAKE);
}
static void close_store(void)
{
    store_close(&store);
}

static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
#define ALL (USAGE_BY_DAY | USAGE_BY_USER | USAGE_BY_MODEL)

/* All that this test's user has, ten years to either side. */
static struct usage_query query_by(unsigned group)
{
    return (struct usage_query){
        .from = "2016-01-01", .to = "2036-01-01", .user_id = store.user, .group = group, .limit = 100};
}

static struct usage_page list(const struct usage_query *query)
{
    struct usage_page page;
    ck_assert_int_eq(usage_repo_list(store.usage, query, &store.arena, &page), CHAT_OK);
    return page;
}

/* The one row of the user's use in all. */
static struct usage_counts total(void)
{
    struct usage_query query = query_by(USAGE_BY_USER);
    struct usage_page page = list(&query);
    ck_assert_uint_le(page.count, 1);
    return page.count ? page.items[0].counts : (struct usage_counts){0};
}

static struct answer_begun begin(const char *session_id)
{
    struct answer_begun begun;
    struct answer_begin send = store_send_of(&store, session_id, "Why?");
    ck_assert_int_eq(store_begin(&store, &send, &begun), CHAT_OK);
    return begun;
}

static struct answer_begun begin_again(const char *answer_id)
{
    struct answer_begun begun;
    struct answer_begin again = {.user_id = store.user,
                                 .regenerates_id = answer_id,
                                 .answer_id = store_new_id(&store),
                                 .epoch = 1,
                                 .now_ms = store.now_ms,
                                 .context_messages = 20};
    ck_assert_int_eq(store_begin(&store, &again, &begun), CHAT_OK);
    return begun;
}

static void rate(const char *message_id, enum message_feedback feedback)
{
    struct message message;
    ck_assert_int_eq(message_repo_rate(store.messages, store.user, message_id, feedback, NULL, &store.arena, &message),
                     CHAT_OK);
}

START_TEST(an_ended_answer_counts_on_the_day_it_began)
{
    char day[QUOTA_DAY_SIZE];
    quota_day(store.now_ms + 1000, day); /* after the session */
    struct answer_begun begun = begin(store_add_session(&store, "t"));
    ck_assert_int_eq(total().answers, 0);
    store.now_ms += 3 * day_ms; /* it took its time */
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "Because.");
    ck_assert(store_end(&store, &end));
    struct usage_query query = query_by(ALL);
    struct usage_page page = list(&query);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_str_eq(page.items[0].key.day, day);
    ck_assert_str_eq(page.items[0].key.user_id, store.user);
    ck_assert_str_eq(page.items[0].key.model, "model-a");
    const struct usage_counts *counts = &page.items[0].counts;
    ck_assert_int_eq(counts->answers, 1);
    ck_assert_int_eq(counts->sessions, 1);
    ck_assert_int_eq(counts->prompt_tokens, 7);
    ck_assert_int_eq(counts->completion_tokens, 5);
    ck_assert_int_eq(counts->cost_micro_usd, 42);
    ck_assert_int_eq(counts->cached_tokens, 3);
    ck_assert_int_eq(counts->regenerated + counts->stopped + counts->interrupted + counts->failed, 0);
    ck_assert(!store_end(&store, &end)); /* again: it is no end any more */
    ck_assert_int_eq(total().answers, 1);
    ck_assert_int_eq(total().cost_micro_usd, 42);
}
END_TEST

START_TEST(each_way_to_end_is_counted)
{
    static const enum message_status ends[] = {MESSAGE_COMPLETE, MESSAGE_STOPPED, MESSAGE_STOPPED, MESSAGE_FAILED,
                                               MESSAGE_INTERRUPTED};
    const char *session = store_add_session(&store, "t");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct answer_begun begun = begin(session);
        struct answer_end end = store_end_of(&store, &begun.answer, ends[i], "text");
        end.usage = (struct token_usage)USAGE_UNKNOWN;
        ck_assert(store_end(&store, &end));
    }
    struct usage_counts counts = total();
    ck_assert_int_eq(counts.answers, 5);
    ck_assert_int_eq(counts.stopped, 2);
    ck_assert_int_eq(counts.failed, 1);
    ck_assert_int_eq(counts.interrupted, 1);
    ck_assert_int_eq(counts.sessions, 1);
    ck_assert_int_eq(counts.prompt_tokens + counts.completion_tokens, 0);
}
END_TEST

START_TEST(an_owner_that_was_alive_after_all_replaces_what_its_interruption_counted)
{
    struct answer_begun begun = begin(store_add_session(&store, "t"));
    struct answer_end lost = store_end_of(&store, &begun.answer, MESSAGE_INTERRUPTED, "Bec");
    lost.usage = (struct token_usage){900, 1, 901, 800};
    lost.cost_micro_usd = 1000;
    ck_assert(store_end(&store, &lost));
    ck_assert_int_eq(total().interrupted, 1);
    rate(begun.answer.id, FEEDBACK_UP);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "Because.");
    end.model = "model-b"; /* the fallback wrote it */
    ck_assert(store_end(&store, &end));
    struct usage_counts counts = total();
    ck_assert_int_eq(counts.answers, 1);
    ck_assert_int_eq(counts.interrupted, 0);
    ck_assert_int_eq(counts.sessions, 1);
    ck_assert_int_eq(counts.rated_up, 1);
    ck_assert_int_eq(counts.prompt_tokens, 7);
    ck_assert_int_eq(counts.completion_tokens, 5);
    ck_assert_int_eq(counts.cached_tokens, 3);
    ck_assert_int_eq(counts.cost_micro_usd, 42);
    struct usage_query query = query_by(USAGE_BY_MODEL);
    query.model = "model-b";
    struct usage_page page = list(&query);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_int_eq(page.items[0].counts.cost_micro_usd, 42);
}
END_TEST

START_TEST(a_session_counts_once_a_day_and_a_regenerate_is_no_message)
{
    const char *session = store_add_session(&store, "t");
    store.now_ms -= store.now_ms % day_ms; /* midnight: the next three are on one day */
    struct answer_begun first = store_exchange(&store, session, "One?", "One.");
    struct answer_begun again = begin_again(first.answer.id);
    struct answer_end end = store_end_of(&store, &again.answer, MESSAGE_COMPLETE, "Uno.");
    ck_assert(store_end(&store, &end));
    store_exchange(&store, session, "Two?", "Two.");
    ck_assert_int_eq(total().sessions, 1);
    ck_assert_int_eq(total().regenerated, 1);
    store.now_ms += day_ms;
    store_exchange(&store, session, "Three?", "Three.");
    store_exchange(&store, store_add_session(&store, "u"), "Four?", "Four.");
    ck_assert_int_eq(total().sessions, 3);
    ck_assert_int_eq(total().answers, 5);
    struct usage_query query = query_by(USAGE_BY_DAY);
    struct usage_page page = list(&query);
    ck_assert_uint_eq(page.count, 2);
    ck_assert_int_eq(page.items[0].counts.sessions, 1);
    ck_assert_int_eq(page.items[1].counts.sessions, 2);
}
END_TEST

START_TEST(ratings_are_counted_as_they_stand)
{
    const char *session = store_add_session(&store, "t");
    store.now_ms -= store.now_ms % day_ms; /* midnight: both answers are on one day */
    store_exchange(&store, session, "First?", "First.");
    struct answer_begun begun = begin(session);
    rate(begun.answer.id, FEEDBACK_DOWN); /* while it is being written */
    ck_assert_int_eq(total().rated_down, 0);
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "Because.");
    ck_assert(store_end(&store, &end));
    ck_assert_int_eq(total().rated_down, 1);
    rate(begun.answer.id, FEEDBACK_UP);
    rate(begun.answer.id, FEEDBACK_UP);
    ck_assert_int_eq(total().rated_down, 0);
    ck_assert_int_eq(total().rated_up, 1);
    rate(begun.answer.id, FEEDBACK_NONE);
    ck_assert_int_eq(total().rated_up, 0);
    ck_assert_int_eq(total().answers, 2);
}
END_TEST

START_TEST(use_outlives_its_session)
{
    const char *session = store_add_session(&store, "t");
    char active[UUID_TEXT_SIZE];
    int purged;
    store_exchange(&store, session, "Why?", "Because.");
    /* deleted long before anything that other tests delete: the one that goes */
    ck_assert_int_eq(session_repo_remove(store.sessions, store.user, session, 1, active), CHAT_OK);
    ck_assert_int_eq(session_repo_purge(store.sessions, 2, 100, &purged), CHAT_OK);
    ck_assert_int_eq(total().answers, 1);
    ck_assert_int_eq(total().cost_micro_usd, 42);
}
END_TEST

/* ---- racing ---- */

enum { RACERS = 8, RACES = 20 };

struct racer {
    pthread_t thread;
    pthread_barrier_t *start;
    struct store store;
    const struct message *answers;
    int number, written;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    for (int i = 0; i < RACES; i++) {
        enum message_status status = racer->number % 2 ? MESSAGE_INTERRUPTED : MESSAGE_STOPPED;
        struct answer_end end = store_end_of(&racer->store, &racer->answers[i], status, "text");
        end.usage = (struct token_usage){racer->number + 1, 10 * (racer->number + 1), -1, 0};
        end.cost_micro_usd = 100 * (racer->number + 1);
        pthread_barrier_wait(racer->start);
        racer->written += store_end(&racer->store, &end);
    }
    return NULL;
}

START_TEST(racing_ends_count_as_the_rows_stand_in_the_end)
{
    struct message answers[RACES];
    struct racer racers[RACERS];
    pthread_barrier_t start;
    int64_t stopped = 0, interrupted = 0, prompt = 0, completion = 0;
    for (int i = 0; i < RACES; i++) answers[i] = begin(store_add_session(&store, "t")).answer;
    pthread_barrier_init(&start, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.start = &start, .answers = answers, .number = i};
        store_join(&racers[i].store, &store);
        ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        store_close(&racers[i].store);
    }
    pthread_barrier_destroy(&start);
    for (int i = 0; i < RACES; i++) {
        struct message message = store_get(&store, answers[i].id);
        stopped += message.status == MESSAGE_STOPPED;
        interrupted += message.status == MESSAGE_INTERRUPTED;
        prompt += message.usage.prompt_tokens;
        completion += message.usage.completion_tokens;
    }
    struct usage_counts counts = total();
    ck_assert_int_eq(stopped, RACES); /* an owner's end beats an interruption */
    ck_assert_int_eq(counts.answers, RACES);
    ck_assert_int_eq(counts.stopped, stopped);
    ck_assert_int_eq(counts.interrupted, interrupted);
    ck_assert_int_eq(counts.prompt_tokens, prompt);
    ck_assert_int_eq(counts.completion_tokens, completion);
    ck_assert_int_eq(counts.cost_micro_usd, 100 * prompt);
}
END_TEST

/* ---- batches ---- */

static struct usage_row use_of(const char *day, const char *model, int64_t completions)
{
    struct usage_row row = {.counts = {.completions = completions,
                                       .prompt_tokens = 10 * completions,
                                       .completion_tokens = 5 * completions,
                                       .cached_tokens = 2 * completions,
                                       .cost_micro_usd = 7 * completions}};
    snprintf(row.key.user_id, sizeof row.key.user_id, "%s", store.user);
    snprintf(row.key.day, sizeof row.key.day, "%s", day);
    snprintf(row.key.model, sizeof row.key.model, "%s", model);
    return row;
}

static struct usage_batch batch_of(int64_t number, const struct usage_row *rows, size_t count)
{
    static char writer[UUID_TEXT_SIZE];
    struct usage_batch batch = {.number = number, .now_ms = store.now_ms, .rows = rows, .count = count};
    if (number == 1) uuid_v7(clock_wall_ms(clock_system()), writer);
    memcpy(batch.writer_id, writer, UUID_TEXT_SIZE);
    return batch;
}

START_TEST(a_batch_that_is_sent_again_counts_once)
{
    const struct usage_row rows[] = {use_of("2026-03-01", "model-b", 2), use_of("2026-02-28", "model-a", 3)};
    struct usage_batch batch = batch_of(1, rows, 2);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(usage_repo_count(store.usage, &batch), CHAT_OK);
    ck_assert_int_eq(total().completions, 5);
    batch = batch_of(2, rows, 1);
    ck_assert_int_eq(usage_repo_count(store.usage, &batch), CHAT_OK);
    struct usage_counts counts = total();
    ck_assert_int_eq(counts.completions, 7);
    ck_assert_int_eq(counts.prompt_tokens, 70);
    ck_assert_int_eq(counts.completion_tokens, 35);
    ck_assert_int_eq(counts.cached_tokens, 14);
    ck_assert_int_eq(counts.cost_micro_usd, 49);
    ck_assert_int_eq(counts.answers, 0);
}
END_TEST

/* ---- reports ---- */

/* Two models on three days, told apart by their numbers; the models are this test's alone. */
static void fill(char models[2][MODEL_NAME_SIZE])
{
    static const char *const days[] = {"2026-02-28", "2026-03-01", "2026-03-02"};
    struct usage_row rows[6];
    for (int i = 0; i < 2; i++) snprintf(models[i], MODEL_NAME_SIZE, "%s-%d", store.user, i);
    for (int i = 0; i < 6; i++) rows[i] = use_of(days[i / 2], models[i % 2], INT64_C(1) << i);
    struct usage_batch batch = batch_of(1, rows, 6);
    ck_assert_int_eq(usage_repo_count(store.usage, &batch), CHAT_OK);
}

static const struct {
    unsigned group;
    size_t count;
    int64_t completions[6]; /* in order */
} reports[] = {
    {USAGE_BY_DAY, 3, {3, 12, 48}},
    {USAGE_BY_USER, 1, {63}},
    {USAGE_BY_DAY | USAGE_BY_USER, 3, {3, 12, 48}},
    {USAGE_BY_MODEL, 2, {21, 42}},
    {USAGE_BY_DAY | USAGE_BY_MODEL, 6, {1, 2, 4, 8, 16, 32}},
    {USAGE_BY_USER | USAGE_BY_MODEL, 2, {21, 42}},
    {ALL, 6, {1, 2, 4, 8, 16, 32}},
};

static void assert_keys(unsigned group, const struct usage_key *key)
{
    ck_assert_int_eq(key->day[0] != '\0', (group & USAGE_BY_DAY) != 0);
    ck_assert_str_eq(key->user_id, group & USAGE_BY_USER ? store.user : "");
    ck_assert_int_eq(key->model[0] != '\0', (group & USAGE_BY_MODEL) != 0);
}

START_TEST(a_report_is_grouped_and_paged_without_gap_or_repeat)
{
    char models[2][MODEL_NAME_SIZE];
    fill(models);
    struct usage_query query = query_by(reports[_i].group);
    query.limit = 1;
    for (size_t i = 0; i < reports[_i].count; i++) {
        struct usage_page page = list(&query);
        ck_assert_uint_eq(page.count, 1);
        ck_assert_int_eq(page.items[0].counts.completions, reports[_i].completions[i]);
        ck_assert_int_eq(page.has_more, i + 1 < reports[_i].count);
        assert_keys(query.group, &page.items[0].key);
        query.has_after = true;
        query.after = page.items[0].key;
    }
    ck_assert_uint_eq(list(&query).count, 0);
}
END_TEST

/* Over all users, of whom this one alone has these models. */
START_TEST(a_report_over_all_users_says_the_same)
{
    char models[2][MODEL_NAME_SIZE];
    fill(models);
    struct usage_query query = query_by(reports[_i].group);
    query.user_id = NULL;
    query.model = models[1];
    query.limit = 1;
    int64_t completions = 0;
    struct usage_page page;
    do {
        page = list(&query);
        if (page.count == 0) break;
        completions += page.items[0].counts.completions;
        assert_keys(query.group, &page.items[0].key);
        query.has_after = true;
        query.after = page.items[0].key;
    } while (page.has_more);
    ck_assert_int_eq(completions, 42);
    query = query_by(reports[_i].group);
    query.user_id = NULL;
    query.model = models[0];
    memcpy(query.from, "2026-03-01", QUOTA_DAY_SIZE);
    memcpy(query.to, "2026-03-01", QUOTA_DAY_SIZE);
    page = list(&query);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_int_eq(page.items[0].counts.completions, 4);
}
END_TEST

START_TEST(days_are_told_with_those_who_were_there)
{
    /* from the year 3000 on, ten days that are this second's alone */
    const int64_t from_ms =
        INT64_C(32503680000000) + clock_wall_ms(clock_system()) / 1000 % INT64_C(250000) * 10 * day_ms;
    char days[10][QUOTA_DAY_SIZE];
    for (int i = 0; i < 10; i++) quota_day(from_ms + i * day_ms, days[i]);
    struct usage_row rows[] = {use_of(days[1], "m", 1), use_of(days[1], "m", 1), use_of(days[2], "m", 1),
                               use_of(days[2], "n", 1)};
    strcat(rows[1].key.user_id, "+");
    struct usage_batch batch = batch_of(1, rows, 4);
    ck_assert_int_eq(usage_repo_count(store.usage, &batch), CHAT_OK);
    struct engagement_day *told;
    size_t count;
    ck_assert_int_eq(usage_repo_engagement(store.usage, days[0], days[9], &store.arena, &told, &count), CHAT_OK);
    ck_assert_uint_eq(count, 10);
    static const int64_t daily[] = {0, 2, 1, 0, 0, 0, 0, 0, 0, 0}, weekly[] = {0, 2, 2, 2, 2, 2, 2, 2, 1, 0};
    for (int i = 0; i < 10; i++) {
        ck_assert_str_eq(told[i].day, days[i]);
        ck_assert_int_eq(told[i].active_users, daily[i]);
        ck_assert_int_eq(told[i].weekly_users, weekly[i]);
    }
    ck_assert_int_eq(told[1].counts.completions, 2);
    ck_assert_int_eq(told[2].counts.completions, 2);
    ck_assert_int_eq(told[3].counts.completions, 0);
}
END_TEST

static Suite *suite_on(const char *name, const char *tag, SFun open)
{
    Suite *suite = suite_create(name);
    TCase *counting =
        CONTRACT_CASE(suite, "counting", an_ended_answer_counts_on_the_day_it_began, each_way_to_end_is_counted,
                      an_owner_that_was_alive_after_all_replaces_what_its_interruption_counted,
                      a_session_counts_once_a_day_and_a_regenerate_is_no_message, ratings_are_counted_as_they_stand,
                      use_outlives_its_session, racing_ends_count_as_the_rows_stand_in_the_end,
                      a_batch_that_is_sent_again_counts_once, days_are_told_with_those_who_were_there);
    contract_fixture(counting, tag, open, close_store);
    TCase *reporting = tcase_create("reports");
    tcase_set_timeout(reporting, CONTRACT_TIMEOUT_S);
    tcase_add_loop_test(reporting, a_report_is_grouped_and_paged_without_gap_or_repeat, 0,
                        sizeof reports / sizeof reports[0]);
    tcase_add_loop_test(reporting, a_report_over_all_users_says_the_same, 0, sizeof reports / sizeof reports[0]);
    contract_fixture(reporting, tag, open, close_store);
    suite_add_tcase(suite, reporting);
    return suite;
}

CONTRACT_SUITE(postgres_usage)
{
    return suite_on("postgres_usage", "real", open_postgres);
}
CONTRACT_SUITE(fake_usage)
{
    return suite_on("fake_usage", "fake", open_fake);
}
