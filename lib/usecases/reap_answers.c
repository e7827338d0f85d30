#include "usecases/reap_answers.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "usecases/finish_answer.h"

enum { REAP_BATCH = 100 };

static bool is_orphan(const struct chat_ports *ports, const struct message *message, int64_t longest_ms)
{
    enum writer_state state;
    if (ports->log->ops->writer_state(ports->log, message->id, &state) != CHAT_OK) return false;
    if (state != WRITER_UNKNOWN) return state == WRITER_DEAD;
    return clock_wall_ms(ports->clock) - message->created_at_ms > longest_ms;
}

static void take_log(const struct chat_ports *ports, struct message *message, struct arena *arena)
{
    struct log_read read = {0};
    memcpy(read.answer_id, message->id, UUID_TEXT_SIZE);
    if (ports->log->ops->read(ports->log, &read, arena) != CHAT_OK) return;
    if (read.content_len) {
        message->content = read.content;
        message->content_len = read.content_len;
    }
    message->reasoning = read.reasoning;
    message->reasoning_len = read.reasoning_len;
}

static struct admission_ticket ticket_of(const struct stale_answer *stale)
{
    struct admission_ticket ticket = {.daily_counted = true, .leased = true};
    snprintf(ticket.user_id, sizeof ticket.user_id, "%s", stale->user_id);
    memcpy(ticket.answer_id, stale->message.id, UUID_TEXT_SIZE);
    quota_day(stale->message.created_at_ms, ticket.day);
    return ticket;
}

static bool reap(const struct chat_ports *ports, const struct stale_answer *stale, struct arena *arena)
{
    struct message message = stale->message;
    struct admission_ticket ticket = ticket_of(stale);
    take_log(ports, &message, arena);
    message.status = MESSAGE_INTERRUPTED;
    message.usage = (struct token_usage){-1, -1, -1};
    finish_answer_count_tokens(&message, 0, message.content_len > 0);
    struct finish_answer finish = {.message = &message, .ticket = &ticket};
    struct session session;
    bool has_session;
    enum chat_error error = finish_answer(ports, &finish, arena, &session, &has_session);
    log_write(LOG_WARN, "answer_reaped", LOG_STR("message_id", message.id), LOG_STR("user_id", stale->user_id),
              LOG_INT("content_bytes", message.content_len), LOG_STR("code", error ? error_code(error) : NULL));
    return error == CHAT_OK && has_session;
}

int reap_answers(const struct chat_ports *ports, int64_t longest_ms)
{
    struct arena arena;
    struct stale_answer *stale;
    size_t count;
    int reaped = 0;
    arena_init(&arena);
    int64_t before_ms = clock_wall_ms(ports->clock) - PROCESS_ALIVE_SECONDS * 1000;
    if (ports->messages->ops->stale_answers(ports->messages, before_ms, REAP_BATCH, &arena, &stale, &count) == CHAT_OK)
        for (size_t i = 0; i < count; i++)
            if (is_orphan(ports, &stale[i].message, longest_ms) && reap(ports, &stale[i], &arena)) reaped++;
    arena_fini(&arena);
    return reaped;
}
