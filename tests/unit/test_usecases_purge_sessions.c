#include "usecases/purge_sessions.h"

#include "tests/fakes/fake_chat.h"
#include "unit.h"
#include "usecases/delete_session.h"
#include "usecases/restore_session.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static struct fake_chat chat;

static void set_up(void)
{
    fake_chat_init(&chat);
    chat.policy.retention_days = 30;
}

static void tear_down(void)
{
    fake_chat_fini(&chat);
}

static const char *deleted_session(void)
{
    const char *id = fake_chat_session(&chat);

    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, id), CHAT_OK);
    return id;
}

static enum chat_error restore(const char *id)
{
    struct session session;

    return restore_session(&chat.ports, &chat.alice, id, &chat.arena, &session);
}

START_TEST(what_was_deleted_longer_ago_than_the_retention_goes)
{
    const char *old = deleted_session();

    manual_clock_advance(&chat.clock, (int64_t)30 * DAY_MS);
    const char *young = deleted_session();
    ck_assert_int_eq(purge_sessions(&chat.ports), PURGE_PAUSE_MS);
    ck_assert_int_eq(restore(old), CHAT_OK); /* to the millisecond it may still be had */
    ck_assert_int_eq(delete_session(&chat.ports, &chat.alice, old), CHAT_OK);

    manual_clock_advance(&chat.clock, (int64_t)30 * DAY_MS + 1);
    ck_assert_int_eq(purge_sessions(&chat.ports), PURGE_PAUSE_MS);
    ck_assert_int_eq(restore(old), CHAT_ERR_SESSION_NOT_FOUND);
    ck_assert_int_eq(restore(young), CHAT_ERR_SESSION_NOT_FOUND);
}
END_TEST

START_TEST(what_is_not_deleted_stays_however_old)
{
    const char *id = fake_chat_session(&chat);

    manual_clock_advance(&chat.clock, (int64_t)1000 * DAY_MS);
    purge_sessions(&chat.ports);
    ck_assert_int_eq(restore(id), CHAT_OK);
}
END_TEST

START_TEST(a_full_batch_says_that_there_is_more)
{
    for (int i = 0; i < PURGE_BATCH + 1; i++) deleted_session();
    manual_clock_advance(&chat.clock, (int64_t)31 * DAY_MS);
    ck_assert_int_eq(purge_sessions(&chat.ports), 0);
    ck_assert_int_eq(purge_sessions(&chat.ports), PURGE_PAUSE_MS);
}
END_TEST

START_TEST(without_the_store_it_waits_for_its_next_turn)
{
    fake_repo_fail(chat.repo, FAKE_SESSION_PURGE, CHAT_ERR_DATABASE_UNAVAILABLE, 1);
    ck_assert_int_eq(purge_sessions(&chat.ports), PURGE_PAUSE_MS);
}
END_TEST

UNIT_SUITE(usecases_purge_sessions)
{
    Suite *suite = suite_create("usecases_purge_sessions");
    tcase_add_checked_fixture(UNIT_CASE(suite, "purge", what_was_deleted_longer_ago_than_the_retention_goes,
                                        what_is_not_deleted_stays_however_old, a_full_batch_says_that_there_is_more,
                                        without_the_store_it_waits_for_its_next_turn),
                              set_up, tear_down);
    return suite;
}
