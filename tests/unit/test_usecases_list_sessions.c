#include "usecases/list_sessions.h"

#include <string.h>

#include "tests/fakes/fake_chat.h"
#include "unit.h"

static struct fake_chat chat;
static struct problem problem;
static struct session_page page;

static void set_up(void)
{
    fake_chat_init(&chat);
    problem = (struct problem){0};
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static enum chat_error list(const struct caller *caller, struct session_query query)
{
    problem = (struct problem){0};
    return list_sessions(&chat.ports, caller, &query, &chat.arena, &problem, &page);
}

START_TEST(each_caller_sees_only_own_sessions_whatever_the_query_says)
{
    fake_chat_session(&chat);
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20, .user_id = "bob"}), CHAT_OK);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_int_eq(list(&chat.bob, (struct session_query){.limit = 20, .user_id = "alice"}), CHAT_OK);
    ck_assert_uint_eq(page.count, 0);
}
END_TEST

START_TEST(pages_follow_each_other_without_gap_or_repeat)
{
    const char *ids[5];
    struct session_query query = {.limit = 2};

    for (int i = 4; i >= 0; i--) {
        ids[i] = fake_chat_session(&chat);
        manual_clock_advance(&chat.clock, i % 2); /* some within the same millisecond */
    }
    for (int i = 0; i < 5; i += 2) {
        ck_assert_int_eq(list(&chat.alice, query), CHAT_OK);
        ck_assert_uint_eq(page.count, i < 4 ? 2 : 1);
        ck_assert(page.has_more == (i < 4));
        for (size_t at = 0; at < page.count; at++) ck_assert_str_eq(page.items[at].id, ids[(size_t)i + at]);
        query.has_after = true;
        query.after = page.last;
    }
}
END_TEST

START_TEST(a_limit_outside_1_to_100_is_refused)
{
    static const int bad[] = {-1, 0, 101};

    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = bad[i]}), CHAT_ERR_VALIDATION_FAILED);
        ck_assert_str_eq(problem.param, "limit");
    }
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 1}), CHAT_OK);
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 100}), CHAT_OK);
}
END_TEST

START_TEST(a_search_finds_texts_and_says_where)
{
    const char *session_id = fake_chat_session(&chat);

    fake_chat_session(&chat);
    fake_chat_exchange(&chat, session_id, "Do penguins fly?", "No.", MESSAGE_COMPLETE);
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20, .search = "penguins"}), CHAT_OK);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_str_eq(page.items[0].id, session_id);
    ck_assert_str_eq(page.matches[0].snippet, "Do penguins fly?");
}
END_TEST

START_TEST(a_search_for_white_space_is_none)
{
    static const char *const blank[] = {"", "  ", "\xe3\x80\x80 \n"};

    fake_chat_session(&chat);
    for (size_t i = 0; i < UNIT_COUNT(blank); i++) {
        ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20, .search = blank[i]}), CHAT_OK);
        ck_assert_uint_eq(page.count, 1);
        ck_assert_ptr_null(page.matches);
    }
}
END_TEST

START_TEST(a_search_is_at_most_200_characters_of_utf_8)
{
    char text[2 * SEARCH_MAX + 3] = "";

    for (int i = 0; i < SEARCH_MAX; i++) strcat(text, "\xc3\xa9");
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20, .search = text}), CHAT_OK);
    strcat(text, "x");
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20, .search = text}),
                     CHAT_ERR_VALIDATION_FAILED);
    ck_assert_str_eq(problem.param, "q");
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20, .search = "\xff"}),
                     CHAT_ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(a_store_that_is_away_is_told)
{
    fake_repo_fail(chat.repo, FAKE_SESSION_LIST, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(list(&chat.alice, (struct session_query){.limit = 20}), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(problem.error, CHAT_ERR_DATABASE_UNAVAILABLE);
}
END_TEST

UNIT_SUITE(usecases_list_sessions)
{
    Suite *suite = suite_create("usecases_list_sessions");
    TCase *tcase = UNIT_CASE(suite, "listing", each_caller_sees_only_own_sessions_whatever_the_query_says,
                             pages_follow_each_other_without_gap_or_repeat, a_limit_outside_1_to_100_is_refused,
                             a_search_finds_texts_and_says_where, a_search_for_white_space_is_none,
                             a_search_is_at_most_200_characters_of_utf_8, a_store_that_is_away_is_told);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
