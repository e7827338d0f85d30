#include "tests/fakes/fake_chat.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "usecases/use_ledger.h"

void fake_chat_init(struct fake_chat *chat)
{
    int64_t now_ms = 0;

    memset(chat, 0, sizeof *chat);
    log_set_fd(-1);
    if (!clock_parse_rfc3339(FAKE_NOW, &now_ms) || price_list_parse("llama=0.60/1.20", &chat->prices)) abort();
    manual_clock_init(&chat->clock, now_ms);
    chat->policy = (struct chat_policy){
        .max_context_messages = 20,
        .max_tokens = 2048,
        .completions_max_n = 4,
        .max_message_length = 8000,
        .rate_limit_per_minute = 10,
        .daily_message_quota = 100,
        .max_concurrent_streams = 3,
        .create_rate_per_minute = 60,
        .completions_max_bytes = 4 << 20,
        .detach_grace_seconds = 30,
        .retention_days = 30,
        .feature_enabled = true,
        .feature_rollout_percent = 100,
        .models = {"llama", "qwen"},
        .model_count = 2,
        .default_model = "llama",
    };
    chat->repo = fake_repo_open();
    fake_admission_init(&chat->admission, &chat->policy, &chat->clock.clock);
    fake_breaker_init(&chat->breaker, &chat->clock.clock);
    chat->admission.breaker = &chat->breaker;
    fake_answers_init(&chat->answers);
    fake_log_init(&chat->log);
    fake_idempotency_init(&chat->keys);
    fake_provider_init(&chat->provider, 0);
    arena_init(&chat->arena);
    chat->ports = (struct chat_ports){
        .policy = &chat->policy,
        .prices = &chat->prices,
        .clock = &chat->clock.clock,
        .provider = &chat->provider.provider,
        .sessions = fake_repo_sessions(chat->repo),
        .messages = fake_repo_messages(chat->repo),
        .usage = fake_repo_usage(chat->repo),
        .ledger = use_ledger_open(&chat->clock.clock),
        .admission = &chat->admission.admission,
        .breaker = &chat->breaker.breaker,
        .answers = &chat->answers.answers,
        .log = &chat->log.log,
        .processes = &chat->log.processes,
        .idempotency = &chat->keys.idempotency,
    };
    chat->alice = (struct caller){.user_id = "alice"};
    chat->bob = (struct caller){.user_id = "bob"};
    chat->admin = (struct caller){.user_id = "root", .is_admin = true};
}

void fake_chat_fini(struct fake_chat *chat)
{
    fake_answers_fini(&chat->answers);
    fake_log_fini(&chat->log);
    fake_admission_fini(&chat->admission);
    use_ledger_close(chat->ports.ledger);
    fake_repo_close(chat->repo);
    arena_fini(&chat->arena);
    log_set_fd(2);
}

const char *fake_chat_session(struct fake_chat *chat)
{
    int64_t now_ms = clock_wall_ms(&chat->clock.clock);
    struct session session = {
        .title = SESSION_DEFAULT_TITLE, .model = "llama", .created_at_ms = now_ms, .updated_at_ms = now_ms};
    struct session_repo *sessions = chat->ports.sessions;

    uuid_v7(now_ms, session.id);
    if (session_repo_create(sessions, "alice", &session) != CHAT_OK) abort();
    return arena_strdup(&chat->arena, session.id);
}

const char *fake_chat_exchange(struct fake_chat *chat, const char *session_id, const char *question, const char *answer,
                               enum message_status status)
{
    struct message_repo *messages = chat->ports.messages;
    struct answer_begin begin = {.user_id = "alice",
                                 .session_id = session_id,
                                 .content = question,
                                 .content_len = strlen(question),
                                 .question_tokens = 1,
                                 .epoch = 1,
                                 .now_ms = clock_wall_ms(&chat->clock.clock),
                                 .context_messages = 20};
    struct answer_end end = {.session_id = session_id,
                             .epoch = 1,
                             .status = status,
                             .content = answer ? answer : "",
                             .content_len = answer ? strlen(answer) : 0,
                             .model = "llama",
                             .finish_reason = status == MESSAGE_COMPLETE ? "stop" : NULL,
                             .usage = USAGE_UNKNOWN};
    char question_id[UUID_TEXT_SIZE], answer_id[UUID_TEXT_SIZE];
    struct answer_begun begun;
    struct session session;
    bool written;

    uuid_v7(begin.now_ms, question_id);
    uuid_v7(begin.now_ms, answer_id);
    begin.question_id = question_id;
    begin.answer_id = end.message_id = answer_id;
    if (message_repo_begin(messages, &begin, &chat->arena, &begun) != CHAT_OK) abort();
    if (status != MESSAGE_STREAMING && message_repo_end(messages, &end, &chat->arena, &written, &session) != CHAT_OK)
        abort();
    return arena_strdup(&chat->arena, answer_id);
}

const char *fake_chat_regenerate(struct fake_chat *chat, const char *answer_id)
{
    struct message_repo *messages = chat->ports.messages;
    char new_id[UUID_TEXT_SIZE];
    struct answer_begin begin = {.user_id = "alice",
                                 .answer_id = new_id,
                                 .regenerates_id = answer_id,
                                 .epoch = 1,
                                 .now_ms = clock_wall_ms(&chat->clock.clock),
                                 .context_messages = 20};
    struct answer_begun begun;

    uuid_v7(begin.now_ms, new_id);
    if (message_repo_begin(messages, &begin, &chat->arena, &begun) != CHAT_OK) abort();
    return arena_strdup(&chat->arena, new_id);
}

void fake_chat_use(struct fake_chat *chat, const char *user_id, const char *model, int days)
{
    static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
    struct usage_row row = {.counts.completions = 3};
    struct usage_batch batch = {.writer_id = "one", .rows = &row, .count = 1};
    int64_t from_ms;

    if (!usage_day_parse("2020-01-01", &from_ms)) abort();
    snprintf(row.key.user_id, sizeof row.key.user_id, "%s", user_id);
    snprintf(row.key.model, sizeof row.key.model, "%s", model);
    for (int i = 0; i < days; i++) {
        batch.number = fake_repo_calls(chat->repo, FAKE_USAGE_COUNT) + 1;
        quota_day(from_ms + i * day_ms, row.key.day);
        if (usage_repo_count(chat->ports.usage, &batch) != CHAT_OK) abort();
    }
}

static char *base64url(struct arena *arena, const void *bytes, size_t len)
{
    char *out = arena_alloc(arena, len * 4 / 3 + 8);

    EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
    for (char *at = out; *at; at++) {
        if (*at == '+') *at = '-';
        if (*at == '/') *at = '_';
        if (*at == '=') *at = '\0';
    }
    return out;
}

const char *fake_chat_token(struct fake_chat *chat, const char *user_id, const char *role)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    struct arena *arena = &chat->arena;
    char *claims = arena_printf(arena, "{\"sub\":\"%s\",\"role\":\"%s\",\"exp\":%lld}", user_id, role,
                                (long long)(clock_wall_ms(&chat->clock.clock) / 1000 + 600));
    char *text = arena_printf(arena, "%s.%s", base64url(arena, header, sizeof header - 1),
                              base64url(arena, claims, strlen(claims)));
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    HMAC(EVP_sha256(), FAKE_JWT_SECRET, sizeof FAKE_JWT_SECRET - 1, (const unsigned char *)text, strlen(text), mac,
         &mac_len);
    return arena_printf(arena, "%s.%s", text, base64url(arena, mac, mac_len));
}
