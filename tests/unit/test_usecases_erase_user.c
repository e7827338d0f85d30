#include "usecases/erase_user.h"

#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_user_keys.h"
#include "unit.h"

/* More than two batches of each. */
enum { STANDING = 101, DELETED = 20, DAYS = 101, KEYS = 7 };

static struct fake_chat chat;
static struct fake_user_keys keys;
static struct user_data_counts gone, left;
static int sleeps;
static void (*on_pause)(void); /* called for each pause between passes; NULL: nothing */

static void sleep_ms(const struct clock *clock, int64_t ms)
{
    (void)clock;
    manual_clock_advance(&chat.clock, ms);
    if (ms != ERASE_PAUSE_MS) return;
    sleeps++;
    if (on_pause) on_pause();
}

static void set_up(void)
{
    fake_chat_init(&chat);
    fake_user_keys_init(&keys);
    chat.clock.clock.sleep_ms = sleep_ms;
    sleeps = 0;
    on_pause = NULL;
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error erase(void)
{
    return erase_user(&chat.ports, fake_repo_user_data(chat.repo), &keys.keys, "alice", &gone, &left);
}

static void expect(const struct user_data_counts *counts, int64_t sessions, int64_t messages, int64_t usage_rows,
                   int64_t redis_keys)
{
    ck_assert_int_eq(counts->sessions, sessions);
    ck_assert_int_eq(counts->messages, messages);
    ck_assert_int_eq(counts->usage_rows, usage_rows);
    ck_assert_int_eq(counts->redis_keys, redis_keys);
}

/* With a message in it. */
static const char *add_session(const char *user_id, bool deleted)
{
    int64_t now_ms = clock_wall_ms(&chat.clock.clock);
    struct session session = {.title = "t", .model = "llama", .created_at_ms = now_ms, .updated_at_ms = now_ms};
    struct message message = {.seq = 1, .status = MESSAGE_COMPLETE, .content = "text", .content_len = 4};
    struct session_repo *sessions = chat.ports.sessions;
    char active[UUID_TEXT_SIZE];

    uuid_v7(now_ms, session.id);
    ck_assert_int_eq(session_repo_create(sessions, user_id, &session), CHAT_OK);
    uuid_v7(now_ms, message.id);
    memcpy(message.session_id, session.id, UUID_TEXT_SIZE);
    fake_repo_put(chat.repo, &message);
    if (deleted) ck_assert_int_eq(session_repo_remove(sessions, user_id, session.id, now_ms, active), CHAT_OK);
    return arena_strdup(&chat.arena, session.id);
}

static void add_all(const char *user_id, int standing, int deleted, int days, int64_t redis_keys)
{
    for (int i = 0; i < standing; i++) add_session(user_id, false);
    for (int i = 0; i < deleted; i++) add_session(user_id, true);
    fake_chat_use(&chat, user_id, "llama", days);
    fake_user_keys_add(&keys, user_id, redis_keys);
}

/* What is stored of a user now. */
static void expect_stored(const char *user_id, int64_t sessions, int64_t usage_rows, int64_t redis_keys)
{
    struct user_data *data = fake_repo_user_data(chat.repo);
    struct user_data_counts stored;

    ck_assert_int_eq(user_data_count(data, user_id, &stored), CHAT_OK);
    stored.redis_keys = fake_user_keys_of(&keys, user_id);
    expect(&stored, sessions, 0, usage_rows, redis_keys);
}

START_TEST(all_of_it_goes_and_is_counted_however_many_batches)
{
    add_all("alice", STANDING, DELETED, DAYS, KEYS);
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, STANDING + DELETED, STANDING + DELETED, DAYS, KEYS);
    expect(&left, 0, 0, 0, 0);
    expect_stored("alice", 0, 0, 0);
    ck_assert_int_eq(sleeps, 1); /* the second pass found nothing */
}
END_TEST

START_TEST(again_is_as_good_as_once)
{
    add_all("alice", 1, 1, 1, 1);
    ck_assert_int_eq(erase(), CHAT_OK);
    sleeps = 0;
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, 0, 0, 0, 0);
    expect(&left, 0, 0, 0, 0);
    ck_assert_int_eq(sleeps, 0);
}
END_TEST

START_TEST(any_of_them_alone_goes_and_is_looked_for_again)
{
    add_all("alice", _i == 0, _i == 1, _i == 2, _i == 3);
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, _i < 2, _i < 2, _i == 2, _i == 3);
    expect(&left, 0, 0, 0, 0);
    ck_assert_int_eq(sleeps, 1);
}
END_TEST

START_TEST(of_users_whose_ids_begin_alike_nothing_goes)
{
    static const char *const others[] = {"alic", "alice2", "alice:9", "Alice"};

    for (size_t i = 0; i < UNIT_COUNT(others); i++) add_all(others[i], 1, 1, 1, 2);
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, 0, 0, 0, 0);
    add_all("alice", 1, 1, 1, 2);
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, 2, 2, 1, 2);
    for (size_t i = 0; i < UNIT_COUNT(others); i++) expect_stored(others[i], 2, 1, 2);
}
END_TEST

static const char *answer_id, *answer_session;

static void begin_answer(void)
{
    answer_session = add_session("alice", false);
    answer_id = fake_chat_exchange(&chat, answer_session, "Why?", NULL, MESSAGE_STREAMING);
}

static struct message answer_row(void)
{
    struct message message;

    ck_assert(fake_repo_message(chat.repo, answer_id, &message));
    return message;
}

/* As its writer does, whose row has to be there still. */
static void end_answer(void)
{
    struct answer_end end = {.message_id = answer_id,
                             .session_id = answer_session,
                             .epoch = 1,
                             .status = MESSAGE_STOPPED,
                             .content = "Bec",
                             .content_len = 3,
                             .model = "llama"};
    struct session session;
    bool written;

    ck_assert_int_eq(message_repo_end(chat.ports.messages, &end, &chat.arena, &written, &session), CHAT_OK);
    ck_assert(written);
}

static void end_when_stopped(void *context)
{
    (void)context;
    end_answer();
}

START_TEST(an_answer_that_is_being_written_is_stopped_first_and_goes_with_its_use)
{
    begin_answer();
    chat.answers.on_stop = end_when_stopped;
    ck_assert_int_eq(erase(), CHAT_OK);
    ck_assert_int_eq(chat.answers.stopped, 1);
    ck_assert_str_eq(chat.answers.stopped_id, answer_id);
    expect(&gone, 1, 3, 1, 0);
    expect(&left, 0, 0, 0, 0);
    expect_stored("alice", 0, 0, 0);
}
END_TEST

static void end_in_second_pause(void)
{
    if (sleeps > 2) return;
    expect_stored("alice", 1, 0, 0);
    ck_assert_int_eq(answer_row().status, MESSAGE_STREAMING);
    if (sleeps == 2) end_answer();
}

START_TEST(its_session_waits_until_it_has_ended)
{
    begin_answer();
    add_session("alice", false);
    on_pause = end_in_second_pause;
    ck_assert_int_eq(erase(), CHAT_OK);
    ck_assert_int_eq(answer_row().status, MESSAGE_STOPPED);
    expect(&gone, 2, 4, 1, 0);
    expect(&left, 0, 0, 0, 0);
    ck_assert_int_eq(sleeps, 3);
}
END_TEST

START_TEST(one_that_does_not_end_is_told_as_left_after_a_bounded_time)
{
    int64_t started_ms = chat.clock.now_mono_ms;

    begin_answer();
    add_all("alice", 1, 0, 1, 1);
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, 1, 1, 1, 1);
    expect(&left, 1, 0, 0, 0);
    ck_assert_int_eq(answer_row().status, MESSAGE_STREAMING);
    ck_assert_int_eq(chat.clock.now_mono_ms - started_ms, (ERASE_PASSES - 1) * ERASE_PAUSE_MS);
}
END_TEST

static void bring_once(void)
{
    if (sleeps == 1) add_all("alice", 1, 0, 1, 1);
}

START_TEST(what_workers_still_had_in_hand_goes_too)
{
    add_all("alice", 1, 0, 1, 1);
    on_pause = bring_once;
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, 2, 2, 2, 2);
    expect(&left, 0, 0, 0, 0);
    ck_assert_int_eq(sleeps, 2);
}
END_TEST

static void bring_after_each_pass(void *context)
{
    (void)context;
    add_all("alice", 1, 0, 1, 1);
}

START_TEST(what_a_user_at_work_brings_back_is_told_as_left)
{
    keys.on_erase = bring_after_each_pass;
    ck_assert_int_eq(erase(), CHAT_OK);
    ck_assert_int_eq(keys.erases, ERASE_PASSES);
    expect(&gone, ERASE_PASSES - 1, ERASE_PASSES - 1, ERASE_PASSES - 1, ERASE_PASSES - 1);
    expect(&left, 1, 0, 1, 1);
    expect_stored("alice", 1, 1, 1);
}
END_TEST

START_TEST(a_session_that_the_user_deletes_meanwhile_is_no_error)
{
    add_all("alice", 2, 0, 0, 0);
    fake_repo_fail(chat.repo, FAKE_SESSION_REMOVE, CHAT_ERR_SESSION_NOT_FOUND, 1);
    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&gone, 2, 2, 0, 0);
    expect(&left, 0, 0, 0, 0);
}
END_TEST

static const struct {
    enum fake_repo_call call;
    int calls;
} phases[] = {
    {FAKE_SESSION_LIST, 4}, /* three pages, then one that is empty */
    {FAKE_SESSION_REMOVE, STANDING},
    {FAKE_USER_ERASE, 5}, /* three batches and one with nothing, then one */
    {FAKE_USER_COUNT, 2},
};

/* What was told as gone by a run that failed and by the next one is all there was, no more and no less. */
static void expect_rest_goes(void)
{
    const struct user_data_counts first = gone;

    ck_assert_int_eq(erase(), CHAT_OK);
    expect(&left, 0, 0, 0, 0);
    expect(&gone, STANDING + DELETED - first.sessions, STANDING + DELETED - first.messages, DAYS - first.usage_rows,
           KEYS - first.redis_keys);
    expect_stored("alice", 0, 0, 0);
}

START_TEST(a_store_that_goes_away_at_any_call_is_an_error_and_what_had_gone_is_told)
{
    enum fake_repo_call call = phases[_i].call;

    int before;

    for (int fine = 0; fine < phases[_i].calls; fine++) {
        add_all("alice", STANDING, DELETED, DAYS, KEYS);
        before = fake_repo_calls(chat.repo, call);
        fake_repo_fail_later(chat.repo, call, CHAT_ERR_DATABASE_UNAVAILABLE, fine);
        ck_assert_int_eq(erase(), CHAT_ERR_DATABASE_UNAVAILABLE);
        ck_assert_int_eq(fake_repo_calls(chat.repo, call), before + fine + 1);
        expect_rest_goes();
        tear_down();
        set_up();
    }
    add_all("alice", STANDING, DELETED, DAYS, KEYS);
    before = fake_repo_calls(chat.repo, call);
    ck_assert_int_eq(erase(), CHAT_OK);
    ck_assert_int_eq(fake_repo_calls(chat.repo, call), before + phases[_i].calls); /* there are no more */
}
END_TEST

START_TEST(without_the_store_of_keys_it_is_an_error_and_what_had_gone_is_told)
{
    add_all("alice", STANDING, DELETED, DAYS, KEYS);
    keys.fail_at = _i;
    ck_assert_int_eq(erase(), CHAT_ERR_REDIS_UNAVAILABLE);
    ck_assert_int_eq(keys.erases, _i);
    expect(&gone, STANDING + DELETED, STANDING + DELETED, DAYS, _i == 1 ? 1 : KEYS);
    expect_rest_goes();
}
END_TEST

UNIT_SUITE(usecases_erase_user)
{
    Suite *suite = suite_create("usecases_erase_user");
    TCase *tcase = UNIT_CASE(
        suite, "erasing", all_of_it_goes_and_is_counted_however_many_batches, again_is_as_good_as_once,
        of_users_whose_ids_begin_alike_nothing_goes,
        an_answer_that_is_being_written_is_stopped_first_and_goes_with_its_use, its_session_waits_until_it_has_ended,
        one_that_does_not_end_is_told_as_left_after_a_bounded_time, what_workers_still_had_in_hand_goes_too,
        what_a_user_at_work_brings_back_is_told_as_left, a_session_that_the_user_deletes_meanwhile_is_no_error);

    tcase_add_loop_test(tcase, any_of_them_alone_goes_and_is_looked_for_again, 0, 4);
    tcase_add_loop_test(tcase, a_store_that_goes_away_at_any_call_is_an_error_and_what_had_gone_is_told, 0,
                        UNIT_COUNT(phases));
    tcase_add_loop_test(tcase, without_the_store_of_keys_it_is_an_error_and_what_had_gone_is_told, 1, 3);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
