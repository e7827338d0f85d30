/* What the Postgres suites share: one connection with both repositories, a user, and short ways to do common things. */
#ifndef CONTRACT_POSTGRES_FIXTURE_H
#define CONTRACT_POSTGRES_FIXTURE_H

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

struct store {
    struct pg_health *health;
    struct pg_conn *conn;
    struct session_repo *sessions;
    struct message_repo *messages;
    struct arena arena;
    char user[64];
    int64_t now_ms; /* a made-up time: the store is told every time */
};

static inline void store_open(struct store *store)
{
    store->health = pg_health_open(clock_system());
    store->conn = pg_conn_open(contract_env("DATABASE_URL"), clock_system(), store->health, 0);
    store->sessions = pg_session_repo_open(store->conn);
    store->messages = pg_message_repo_open(store->conn);
    arena_init(&store->arena);
    contract_user(store->user);
    store->now_ms = INT64_C(1790000000123);
}

static inline void store_close(struct store *store)
{
    pg_message_repo_close(store->messages);
    pg_session_repo_close(store->sessions);
    pg_conn_close(store->conn);
    pg_health_close(store->health);
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
    ck_assert_int_eq(store->sessions->ops->create(store->sessions, store->user, &session), CHAT_OK);
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
    return store->messages->ops->begin_answer(store->messages, begin, &store->arena, begun);
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
        .usage = {7, 5, 12},
        .token_count = 5,
        .cost_micro_usd = 42,
        .now_ms = store->now_ms,
    };
}

static inline bool store_end(struct store *store, const struct answer_end *end)
{
    bool written;
    struct session session;
    ck_assert_int_eq(store->messages->ops->end_answer(store->messages, end, &store->arena, &written, &session),
                     CHAT_OK);
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
    ck_assert_int_eq(store->messages->ops->get(store->messages, store->user, message_id, &store->arena, &message),
                     CHAT_OK);
    return message;
}

#endif
