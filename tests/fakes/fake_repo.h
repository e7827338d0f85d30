/*
 * Sessions, messages and use in memory, with the rules of domain/session_repo.h, domain/message_repo.h,
 * domain/usage_repo.h and domain/user_data.h, compare-and-set included, and errors on command. Any thread may call.
 * Texts that are given out live as long as the fake.
 */
#ifndef FAKES_FAKE_REPO_H
#define FAKES_FAKE_REPO_H

#include "domain/message_repo.h"
#include "domain/session_repo.h"
#include "domain/usage_repo.h"
#include "domain/user_data.h"

enum fake_repo_call {
    FAKE_SESSION_CREATE,
    FAKE_SESSION_LIST,
    FAKE_SESSION_GET,
    FAKE_SESSION_UPDATE,
    FAKE_SESSION_REMOVE,
    FAKE_SESSION_RESTORE,
    FAKE_SESSION_TITLE,
    FAKE_SESSION_CONTEXT,
    FAKE_SESSION_PURGE,
    FAKE_MESSAGE_PAGE,
    FAKE_MESSAGE_AFTER,
    FAKE_MESSAGE_GET,
    FAKE_MESSAGE_BEGIN,
    FAKE_MESSAGE_END,
    FAKE_MESSAGE_FEEDBACK,
    FAKE_MESSAGE_STALE,
    FAKE_USAGE_COUNT,
    FAKE_USAGE_LIST,
    FAKE_USAGE_ENGAGEMENT,
    FAKE_USER_DELETED,
    FAKE_USER_MESSAGES,
    FAKE_USER_ERASE,
    FAKE_USER_COUNT,
    FAKE_REPO_CALLS
};

struct fake_repo;
struct fake_repo *fake_repo_open(void);
void fake_repo_close(struct fake_repo *repo);
struct session_repo *fake_repo_sessions(struct fake_repo *repo);
struct message_repo *fake_repo_messages(struct fake_repo *repo);
struct usage_repo *fake_repo_usage(struct fake_repo *repo);
struct user_data *fake_repo_user_data(struct fake_repo *repo);

/* The next `times` calls give this error and do nothing; times < 0: until told otherwise (CHAT_OK ends it). */
void fake_repo_fail(struct fake_repo *repo, enum fake_repo_call call, enum chat_error error, int times);
/* The call after the next `fine` ones does. */
void fake_repo_fail_later(struct fake_repo *repo, enum fake_repo_call call, enum chat_error error, int fine);
int fake_repo_calls(struct fake_repo *repo, enum fake_repo_call call);
bool fake_repo_wait_calls(struct fake_repo *repo, enum fake_repo_call call, int at_least);

/* A row as it is stored, whoever owns it. false: there is none. */
bool fake_repo_message(struct fake_repo *repo, const char *message_id, struct message *out);
/* How often end_answer wrote this row, and what the last one cost. */
int fake_repo_writes(struct fake_repo *repo, const char *message_id);
int64_t fake_repo_cost(struct fake_repo *repo, const char *message_id);
/* Until the row is no longer streaming. */
bool fake_repo_wait_ended(struct fake_repo *repo, const char *message_id);
/* Puts a whole message into a session: its id, session, seq and texts are copied. */
void fake_repo_put(struct fake_repo *repo, const struct message *message);

#endif
