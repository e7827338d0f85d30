/*
 * What the suites of sessions and messages share: an open store with its repositories, a user, and short ways to do
 * common things. The same tests run on every kind of store in the table below: on Postgres, and on the fake that the
 * tests of use cases rest on, which needs no server (CK_INCLUDE_TAGS=fake build/contract-tests).
 */
#ifndef CONTRACT_STORE_FIXTURE_H
#define CONTRACT_STORE_FIXTURE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "contract.h"
#include "postgres/conn.h"
#include "postgres/message_repo.h"
#include "postgres/session_repo.h"
#include "postgres/usage_repo.h"
#include "postgres/user_data.h"
#include "tests/fakes/fake_repo.h"

struct store_kind;
struct store {
    const struct store_kind *kind;
    struct session_repo *sessions;
    struct message_repo *messages;
    struct usage_repo *usage;
    struct user_data *data;
    struct arena arena;
    char user[64];
    int64_t now_ms; /* a made-up time: the store is told every time */
    /* of the kind "postgres" */
    struct pg_health *health;
    struct pg_conn *conn;
    /* of the kind "fake" */
    struct fake_repo *fake;
    bool borrowed; /* it is another store's */
};

struct store_kind {
    void (*open)(struct store *store);
    /* One more thread's way to the data of `first`, which outlives it. */
    void (*join)(struct store *store, const struct store *first);
    void (*close)(struct store *store);
};

static inline void store_open_postgres(struct store *store)
{
    store->health = pg_health_open(clock_system());
    store->conn = pg_conn_open(contract_env("DATABASE_URL"), clock_system(), store->health, 0);
    store->sessions = pg_session_repo_open(store->conn);
    store->messages = pg_message_repo_open(store->conn);
    store->usage = pg_usage_repo_open(store->conn);
    store->data = pg_user_data_open(store->conn);
}
static inline void store_join_postgres(struct store *store, const struct store *first)
{
    (void)first;
    store_open_postgres(store);
}
static inline void store_close_postgres(struct store *store)
{
    pg_user_data_close(store->data);
    pg_usage_repo_close(store->usage);
    pg_message_repo_close(store->messages);
    pg_session_repo_close(store->sessions);
    pg_conn_close(store->conn);
    pg_health_close(store->health);
}

static inline void store_join_fake(struct store *store, const struct store *first)
{
    store->borrowed = true;
    store->fake = first->fake;
    store->sessions = fake_repo_sessions(store->fake);
    store->messages = fake_repo_messages(store->fake);
    store->usage = fake_repo_usage(store->fake);
    store->data = fake_repo_user_data(store->fake);
}
static inline void store_open_fake(struct store *store)
{
    store->fake = fake_repo_open();
    store_join_fake(store, store);
    store->borrowed = false;
}
static inline void store_close_fake(struct store *store)
{
    if (!store->borrowed) fake_repo_close(store->fake);
}

static const struct store_kind STORE_POSTGRES = {store_open_postgres, store_join_postgres, store_close_postgres};
static const struct store_kind STORE_FAKE = {store_open_fake, store_join_fake, store_close_fake};

static inline void store_open(struct store *store, const struct store_kind *kind)
{
    *store = (struct store){.kind = kind, .now_ms = INT64_C(1790000000123)};
    arena_init(&store->arena);
    contract_user(store->user);
    kind->open(store);
}

/* For another thread: the same user's data, by a way of its own. */
static inline void store_join(struct store *store, const struct store *first)
{
    *store = (struct store){.kind = first->kind, .now_ms = first->now_ms};
    arena_init(&store->arena);
    memcpy(store->user, first->user, sizeof store->user);
    store->kind->join(store, first);
}

static inline void store_close(struct store *store)
{
    store->kind->close(store);
    arena_fini(&store->arena);
}

static inline char *store_new_id(struct store *store)
{
    char *id = arena_alloc(&store->arena, UUID_TEXT_SIZE);
    uuid_v7(clock_wall_ms(clock_system()), id);
    return id;
}

/* A session made at now_ms, which then moves on a second. */
static inline char *store_add_session(struct store *store, const char *title)
{
    struct session session = {
        .title = title ? title : SESSION_DEFAULT_TITLE,
        .title_source = title ? TITLE_USER : TITLE_DEFAULT,
        .model = "model-a",
        .created_at_ms = store->now_ms,
        .updated_at_ms = store->now_ms,
    };
    char *id = store_new_id(store);
    memcpy(session.id, id, UUID_TEXT_SIZE);
    ck_assert_int_eq(session_repo_create(store->sessions, store->user, &session), CHAT_OK);
    store->now_ms += 1000;
    return id;
}

static inline struct answer_begin store_send_of(struct store *store, const char *session_id, const char *content)
{
    return (struct answer_begin){
        .user_id = store->user,
        .session_id = session_id,
        .question_id = store_new_id(store),
        .content = content,
        .content_len = strlen(content),
        .question_tokens = 3,
        .answer_id = store_new_id(store),
        .title = "from the first message",
        .epoch = 1,
        .now_ms = store->now_ms,
        .context_messages = 20,
    };
}

static inline enum chat_error store_begin(struct store *store, const struct answer_begin *begin,
                                          struct answer_begun *begun)
{
    store->now_ms += 1000;
    return message_repo_begin(store->messages, begin, &store->arena, begun);
}

static inline struct answer_end store_end_of(struct store *store, const struct message *answer,
                                             enum message_status status, const char *content)
{
    return (struct answer_end){
        .message_id = answer->id,
        .session_id = answer->session_id,
        .epoch = answer->epoch,
        .status = status,
        .content = content,
        .content_len = strlen(content),
        .model = answer->model,
        .finish_reason = "stop",
        .usage = {7, 5, 12, 3},
        .token_count = 5,
        .cost_micro_usd = 42,
        .now_ms = store->now_ms,
    };
}

static inline bool store_end(struct store *store, const struct answer_end *end)
{
    bool written;
    struct session session;
    ck_assert_int_eq(message_repo_end(store->messages, end, &store->arena, &written, &session), CHAT_OK);
    return written;
}

/* Question and answer, both complete. */
static inline struct answer_begun store_exchange(struct store *store, const char *session_id, const char *question,
                                                 const char *answer)
{
    struct answer_begun begun;
    struct answer_begin begin = store_send_of(store, session_id, question);
    ck_assert_int_eq(store_begin(store, &begin, &begun), CHAT_OK);
    struct answer_end end = store_end_of(store, &begun.answer, MESSAGE_COMPLETE, answer);
    ck_assert(store_end(store, &end));
    return begun;
}

static inline struct message store_get(struct store *store, const char *message_id)
{
    struct message message;
    ck_assert_int_eq(message_repo_get(store->messages, store->user, message_id, &store->arena, &message), CHAT_OK);
    return message;
}

#endif
