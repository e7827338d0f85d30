#include "usecases/reap_answers.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "domain/answer.h"
#include "usecases/finish_answer.h"

enum {
    REAP_MAX = 20000,      /* running ones are among them, as many as all processes may have at once */
    REAP_ROUND_MS = 10000, /* if the stores are slow, the rest waits for the next look: a process must be able to end */
};

/* Decides for an answer whose writer the log doesn't name: the writer died before its first report, or the log was
 * emptied. Then the lease decides: it is taken before the row is stored, and renewed as long as the process lives. A
 * lease that was given back belongs to a send that was refused while its row was on the way: a database that froze
 * stores the row when it wakes. Without a lease, the longest time that an answer may take decides. */
static bool is_orphan(const struct chat_ports *ports, enum writer_state state, const struct message *message,
                      const struct admission_ticket *ticket, int64_t longest_ms)
{
    int64_t lease_age_ms;
    if (state != WRITER_UNKNOWN) return state == WRITER_DEAD;
    if (admission_lease_age(ports->admission, ticket, &lease_age_ms) != CHAT_OK) return false;
    if (lease_age_ms >= 0) return lease_age_ms > PROCESS_ALIVE_SECONDS * 1000;
    return clock_wall_ms(ports->clock) - message->created_at_ms > longest_ms;
}

/* false: the log is away; it may still have the text. */
static bool take_log(const struct chat_ports *ports, struct message *message, struct arena *arena)
{
    struct log_read read = {0};
    memcpy(read.answer_id, message->id, UUID_TEXT_SIZE);
    if (answer_log_read(ports->log, &read, arena) != CHAT_OK) return false;
    if (read.content_len) {
        message->content = read.content;
        message->content_len = read.content_len;
    }
    message->reasoning = read.reasoning;
    message->reasoning_len = read.reasoning_len;
    return true;
}

/* It may have ended while the database was away, and its process after that. */
static bool take_end(const struct chat_ports *ports, struct message *message, struct arena *arena, bool *supersedes)
{
    struct log_end end;
    bool known;
    if (answer_log_read_end(ports->log, message->id, arena, &known, &end) != CHAT_OK) return false;
    if (!answer_next(message->status, known ? end.event : ANSWER_LOST, &message->status)) return false;
    /* Nothing records any more whether it was asked again. If it wasn't, no answer to its question came before it. */
    *supersedes = !known || end.supersedes_id;
    message->usage = known ? end.usage : (struct token_usage)USAGE_UNKNOWN;
    if (known) {
        message->model = end.model;
        message->finish_reason = end.finish_reason;
        message->tokens_estimated = end.tokens_estimated;
    }
    return true;
}

static struct admission_ticket ticket_of(const struct stale_answer *stale)
{
    struct admission_ticket ticket = {.daily_counted = true, .leased = true};
    snprintf(ticket.user_id, sizeof ticket.user_id, "%s", stale->user_id);
    memcpy(ticket.answer_id, stale->message.id, UUID_TEXT_SIZE);
    quota_day(stale->message.created_at_ms, ticket.day);
    return ticket;
}

static bool log_is_believed(const struct chat_ports *ports, const struct reaper *reaper)
{
    bool may;
    return processes_may_judge(ports->processes, reaper->process_id, &may) == CHAT_OK && may;
}

/* Reads again, at one moment, all that is known of it: many were looked at together, perhaps seconds ago. */
static bool look_closely(const struct chat_ports *ports, const struct reaper *reaper, struct message *message,
                         const struct admission_ticket *ticket, struct arena *arena, bool *supersedes)
{
    struct writer_look look;
    memcpy(look.answer_id, message->id, UUID_TEXT_SIZE);
    return answer_log_writer_states(ports->log, &look, 1) == CHAT_OK &&
           is_orphan(ports, look.state, message, ticket, reaper->longest_ms) && take_log(ports, message, arena) &&
           take_end(ports, message, arena, supersedes) && log_is_believed(ports, reaper);
}

static bool reap(const struct chat_ports *ports, const struct reaper *reaper, const struct stale_answer *stale,
                 enum writer_state state, struct arena *arena)
{
    struct message message = stale->message;
    struct admission_ticket ticket = ticket_of(stale);
    bool supersedes;
    if (state == WRITER_ALIVE || !look_closely(ports, reaper, &message, &ticket, arena, &supersedes)) return false;
    finish_answer_count_tokens(&message, 0, message.content_len + message.reasoning_len > 0);
    struct finish_answer finish = {.message = &message, .supersedes = supersedes, .leaving = {.ticket = &ticket}};
    struct session session;
    bool has_session;
    enum chat_error error = finish_answer(ports, &finish, arena, &session, &has_session);
    log_write(LOG_WARN, "answer_reaped", LOG_STR("message_id", message.id), LOG_STR("user_id", stale->user_id),
              LOG_STR("status", message_status_name(message.status)), LOG_INT("content_bytes", message.content_len),
              LOG_STR("code", error ? error_code(error) : NULL));
    return error == CHAT_OK && has_session;
}

/* Asks the log for the writers of these; NULL: it is away. */
static struct writer_look *look_at_writers(const struct chat_ports *ports, const struct stale_answer *stale,
                                           size_t count, struct arena *arena)
{
    struct writer_look *looks = arena_alloc(arena, count * sizeof *looks);
    for (size_t i = 0; i < count; i++) memcpy(looks[i].answer_id, stale[i].message.id, UUID_TEXT_SIZE);
    return answer_log_writer_states(ports->log, looks, count) == CHAT_OK ? looks : NULL;
}

/* Notes where the page ended; the next look goes on there. If each process read thousands of running ones and asked for
 * their writers every time, chunks would wait for that burst. */
static void turn_page(struct reaper *reaper, const struct stale_query *query, const struct stale_answer *stale,
                      size_t count)
{
    bool more = count == (size_t)query->limit;
    reaper->after_ms = more ? stale[count - 1].message.created_at_ms : 0;
    snprintf(reaper->after_id, sizeof reaper->after_id, "%s", more ? stale[count - 1].message.id : "");
}

int reap_answers(const struct chat_ports *ports, struct reaper *reaper)
{
    bool died;
    if (!log_is_believed(ports, reaper)) return 0;
    if (processes_died(ports->processes, &died) != CHAT_OK) return 0;
    struct stale_query query = {
        .before_ms = clock_wall_ms(ports->clock) - PROCESS_ALIVE_SECONDS * 1000,
        .after_ms = died ? 0 : reaper->after_ms,
        .limit = died ? REAP_MAX : REAP_PAGE,
    };
    if (!died) memcpy(query.after_id, reaper->after_id, UUID_TEXT_SIZE);
    struct arena arena;
    struct stale_answer *stale;
    size_t count;
    int reaped = 0;
    arena_init(&arena);
    if (message_repo_stale_answers(ports->messages, &query, &arena, &stale, &count) == CHAT_OK) {
        const struct writer_look *looks = count ? look_at_writers(ports, stale, count, &arena) : NULL;
        int64_t until_ms = clock_mono_ms(ports->clock) + REAP_ROUND_MS;
        for (size_t i = 0; looks && i < count && clock_mono_ms(ports->clock) < until_ms; i++)
            if (reap(ports, reaper, &stale[i], looks[i].state, &arena)) reaped++;
        if (looks || !count) turn_page(reaper, &query, stale, count);
    }
    arena_fini(&arena);
    return reaped;
}
