/* Erasing one user: nothing is left, what was in hand is waited for, an error is never an end. */
#include "usecases/erase_user.h"

#include "tests/fakes/fake_chat.h"
#include "tests/fakes/fake_user_data.h"
#include "unit.h"

static struct fake_chat chat;
static struct fake_user_data data;
static struct user_data_counts gone, left;

static void set_up(void)
{
    fake_chat_init(&chat);
    fake_user_data_init(&data, chat.alice.user_id);
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error erase(const char *user_id)
{
    return erase_user(&chat.ports, &data.data, &data.keys, user_id, &gone, &left);
}

static int standing(void)
{
    struct session_query query = {.user_id = chat.alice.user_id, .sort = SORT_CREATED_AT, .limit = 100};
    struct session_page page;
    ck_assert_int_eq(chat.ports.sessions->ops->list(chat.ports.sessions, &query, &chat.arena, &page), CHAT_OK);
    return (int)page.count;
}

START_TEST(all_of_it_goes_in_bounded_batches_and_is_counted)
{
    for (int i = 0; i < 60; i++) fake_chat_session(&chat);
    data.deleted = 120;
    data.messages_each = 3;
    data.usage_rows = 70;
    data.redis_keys = 4;
    ck_assert_int_eq(erase(chat.alice.user_id), CHAT_OK);
    ck_assert_int_eq(standing(), 0);
    ck_assert_int_eq(gone.sessions, 120);
    ck_assert_int_eq(gone.messages, 360);
    ck_assert_int_eq(gone.usage_rows, 70);
    ck_assert_int_eq(gone.redis_keys, 4);
    ck_assert_int_eq(left.sessions + left.usage_rows + left.redis_keys, 0);
    ck_assert_int_le(data.most_asked, 100);
}
END_TEST

START_TEST(again_is_as_good_as_once)
{
    data.deleted = 1;
    ck_assert_int_eq(erase(chat.alice.user_id), CHAT_OK);
    ck_assert_int_eq(erase(chat.alice.user_id), CHAT_OK);
    ck_assert_int_eq(gone.sessions, 0);
}
END_TEST

START_TEST(others_keep_what_is_theirs)
{
    fake_chat_session(&chat);
    data.deleted = 2;
    ck_assert_int_eq(erase("ali"), CHAT_OK); /* alice's begins like this */
    ck_assert_int_eq(gone.sessions + gone.usage_rows + gone.redis_keys, 0);
    ck_assert_int_eq(standing(), 1);
    ck_assert_int_eq(data.deleted, 2);
}
END_TEST

START_TEST(an_answer_that_is_being_written_is_waited_for)
{
    data.deleted = 3;
    data.written = 1;
    data.written_calls = 3;
    ck_assert_int_eq(erase(chat.alice.user_id), CHAT_OK);
    ck_assert_int_eq(gone.sessions, 3);
    ck_assert_int_eq(left.sessions, 0);
}
END_TEST

START_TEST(what_never_goes_is_told_as_left)
{
    data.deleted = data.written = 1;
    data.written_calls = 1000;
    data.redis_keys = data.keys_return = 2; /* the user is at work meanwhile */
    ck_assert_int_eq(erase(chat.alice.user_id), CHAT_OK);
    ck_assert_int_eq(left.sessions, 1);
    ck_assert_int_eq(left.redis_keys, 2);
    ck_assert_int_eq(data.keys_calls, ERASE_PASSES);
}
END_TEST

START_TEST(a_store_that_is_away_is_an_error)
{
    fake_chat_session(&chat);
    enum chat_error wanted = CHAT_ERR_DATABASE_UNAVAILABLE;
    data.deleted = 1;
    switch (_i) {
    case 0: fake_repo_fail(chat.repo, FAKE_SESSION_LIST, wanted, 1); break;
    case 1: fake_repo_fail(chat.repo, FAKE_SESSION_REMOVE, wanted, 1); break;
    case 2: data.erase_error = wanted; break;
    case 3: data.count_error = wanted; break;
    default: data.keys_error = wanted = CHAT_ERR_QUOTA_UNAVAILABLE;
    }
    ck_assert_int_eq(erase(chat.alice.user_id), wanted);
}
END_TEST

UNIT_SUITE(usecases_erase_user)
{
    Suite *suite = suite_create("usecases_erase_user");
    TCase *tcase = UNIT_CASE(suite, "erase", all_of_it_goes_in_bounded_batches_and_is_counted, again_is_as_good_as_once,
                             others_keep_what_is_theirs, an_answer_that_is_being_written_is_waited_for,
                             what_never_goes_is_told_as_left);
    tcase_add_loop_test(tcase, a_store_that_is_away_is_an_error, 0, 5);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
