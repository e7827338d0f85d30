/* What becomes of a title that a model wrote. What is a title at all: test_usecases_title_prompt.c. */
#include "usecases/keep_title.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/use_ledger.h"

static struct fake_chat chat;
static struct chat_policy policy;
static const char *session_id, *stored;

static void set_up(void)
{
    fake_chat_init(&chat);
    policy = *chat.ports.policy;
    policy.title_model = "llama";
    chat.ports.policy = &policy;
    session_id = fake_chat_session(&chat);
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static bool keep(const char *text)
{
    return keep_title(&chat.ports, session_id, text, strlen(text), &chat.arena, &stored);
}

START_TEST(it_is_the_sessions_unless_the_user_has_given_one)
{
    struct session session;
    ck_assert(keep("\"The blue of the sky\"\n"));
    ck_assert_str_eq(stored, "The blue of the sky");
    ck_assert_int_eq(session_repo_get(chat.ports.sessions, "alice", session_id, &chat.arena, &session), CHAT_OK);
    ck_assert_str_eq(session.title, "The blue of the sky");
    const struct session_patch mine = {.title = "Mine", .pinned = -1, .archived = -1, .now_ms = 1};
    ck_assert_int_eq(session_repo_update(chat.ports.sessions, "alice", session_id, &mine, &chat.arena, &session),
                     CHAT_OK);
    ck_assert(keep("Another"));
    ck_assert_ptr_null(stored);
}
END_TEST

START_TEST(text_without_a_title_changes_nothing)
{
    ck_assert(!keep(" \n\n"));
    ck_assert_ptr_null(stored);
}
END_TEST

static struct usage_page counted(void)
{
    const struct usage_query query = {
        .from = "1970-01-01", .to = "9999-12-31", .user_id = "alice", .group = USAGE_BY_USER, .limit = 1};
    struct usage_page page;
    ck_assert(use_ledger_flush(chat.ports.ledger, chat.ports.usage));
    ck_assert_int_eq(usage_repo_list(chat.ports.usage, &query, &chat.arena, &page), CHAT_OK);
    return page;
}

START_TEST(what_it_cost_is_counted_as_told_or_estimated_and_is_no_completion)
{
    struct title_use use = {.user_id = "alice", .day = "2026-01-31", .asked_bytes = 401, .written_bytes = 8};
    keep_title_count(&chat.ports, &use); /* never asked */
    ck_assert_uint_eq(counted().count, 0);
    use.usage = (struct token_usage)USAGE_UNKNOWN;
    keep_title_count(&chat.ports, &use);
    struct usage_counts counts = counted().items[0].counts;
    ck_assert_int_eq(counts.prompt_tokens, 101);
    ck_assert_int_eq(counts.completion_tokens, 2);
    ck_assert_int_eq(counts.completions, 0);
    use.usage = (struct token_usage){10, 5, 15, 0};
    keep_title_count(&chat.ports, &use);
    counts = counted().items[0].counts;
    ck_assert_int_eq(counts.prompt_tokens, 111);
    ck_assert_int_eq(counts.completion_tokens, 7);
}
END_TEST

UNIT_SUITE(usecases_keep_title)
{
    Suite *suite = suite_create("usecases_keep_title");
    TCase *tcase = UNIT_CASE(suite, "title", it_is_the_sessions_unless_the_user_has_given_one,
                             text_without_a_title_changes_nothing,
                             what_it_cost_is_counted_as_told_or_estimated_and_is_no_completion);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return suite;
}
