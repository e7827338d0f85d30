/* All ports of the use cases over fakes, with a policy that allows, at a fixed time: where most tests begin. */
#ifndef FAKES_FAKE_CHAT_H
#define FAKES_FAKE_CHAT_H

#include "tests/fakes/fake_admission.h"
#include "tests/fakes/fake_answers.h"
#include "tests/fakes/fake_breaker.h"
#include "tests/fakes/fake_idempotency.h"
#include "tests/fakes/fake_log.h"
#include "tests/fakes/fake_provider.h"
#include "tests/fakes/fake_repo.h"
#include "usecases/ports.h"

#define FAKE_NOW "2026-01-31T12:00:30.000Z"
#define FAKE_JWT_SECRET "0123456789abcdef0123456789abcdef"

struct fake_chat {
    struct manual_clock clock;
    struct chat_policy policy; /* models "llama" (the default) and "qwen" */
    struct price_list prices;  /* llama=0.60/1.20 */
    struct fake_repo *repo;
    struct fake_admission admission;
    struct fake_breaker breaker;
    struct fake_answers answers;
    struct fake_log log;
    struct fake_idempotency keys;
    struct fake_provider provider;
    struct chat_ports ports;
    struct arena arena;
    struct caller alice, bob, admin;
};

void fake_chat_init(struct fake_chat *chat);
void fake_chat_fini(struct fake_chat *chat);
/* A session of alice's with the default title; gives its id. */
const char *fake_chat_session(struct fake_chat *chat);
/* A question with its finished answer in it; gives the answer's id. NULL texts: none. */
const char *fake_chat_exchange(struct fake_chat *chat, const char *session_id, const char *question, const char *answer,
                               enum message_status status);
/* That answer asked for anew, and being written; gives the new one's id. */
const char *fake_chat_regenerate(struct fake_chat *chat, const char *answer_id);
/* Three completions on each of as many days, from 2020-01-01 on; of anybody. */
void fake_chat_use(struct fake_chat *chat, const char *user_id, const char *model, int days);
/* A token signed with FAKE_JWT_SECRET that is good for ten minutes from FAKE_NOW. In the arena. */
const char *fake_chat_token(struct fake_chat *chat, const char *user_id, const char *role);

#endif
