#include "usecases/finish_answer.h"

#include "base/log.h"
#include "metrics/metrics.h"

void finish_answer_count_tokens(struct message *message, int64_t prompt_bytes, bool reached_provider)
{
    struct token_usage *usage = &message->usage;
    if ((usage->completion_tokens < 0 || usage->prompt_tokens < 0) && reached_provider) {
        if (usage->prompt_tokens < 0) usage->prompt_tokens = (prompt_bytes + 3) / 4;
        if (usage->completion_tokens < 0)
            usage->completion_tokens =
                message_estimate_tokens(message->content, message->content_len) +
                message_estimate_tokens(message->reasoning ? message->reasoning : "", message->reasoning_len);
        message->tokens_estimated = true;
    }
    if (usage->completion_tokens >= 0 && usage->prompt_tokens >= 0 && usage->total_tokens < 0)
        usage->total_tokens = usage->prompt_tokens + usage->completion_tokens;
    message->token_count = usage->completion_tokens >= 0 ? usage->completion_tokens : 0;
}

/* Called once for each answer, by the process that wrote its end. */
static void count(const struct answer_end *end)
{
    static const enum metrics_answer results[] = {[MESSAGE_COMPLETE] = ANSWERS_COMPLETE,
                                                  [MESSAGE_STOPPED] = ANSWERS_STOPPED,
                                                  [MESSAGE_INTERRUPTED] = ANSWERS_INTERRUPTED,
                                                  [MESSAGE_FAILED] = ANSWERS_FAILED};
    metrics_add(&metrics->counters.answers[results[end->status]], 1);
    metrics_usage(end->model, end->usage.prompt_tokens, end->usage.completion_tokens, end->cost_micro_usd);
}

static enum chat_error write_row(const struct chat_ports *ports, struct finish_answer *in, struct arena *arena,
                                 struct session *session, bool *has_session)
{
    const struct message *message = in->message;
    struct answer_end end = {
        .message_id = message->id,
        .session_id = message->session_id,
        .epoch = message->epoch,
        .status = message->status,
        .content = message->content,
        .content_len = message->content_len,
        .reasoning = message->reasoning,
        .reasoning_len = message->reasoning_len,
        .model = message->model,
        .finish_reason = message->finish_reason,
        .usage = message->usage,
        .token_count = message->token_count,
        .tokens_estimated = message->tokens_estimated,
        .cost_micro_usd = cost_micro_usd(ports->prices, message->model, &message->usage),
        .supersedes = in->supersedes,
        .now_ms = clock_wall_ms(ports->clock),
    };
    bool written = false;
    if (in->context_starts_at) {
        enum chat_error error =
            session_repo_set_context_start(ports->sessions, message->session_id, in->context_starts_at);
        if (error != CHAT_OK) return error;
        in->context_starts_at = NULL;
    }
    enum chat_error error = message_repo_end(ports->messages, &end, arena, &written, session);
    if (error != CHAT_OK) return error;
    if (!written) log_write(LOG_WARN, "answer_already_ended", LOG_STR("message_id", message->id));
    if (written) count(&end);
    *has_session = written;
    return CHAT_OK;
}

/* Returns whether the daily unit goes back: the answer failed, or its process died, before the first token, and the
 * provider doesn't report that it took tokens. */
static bool was_for_nothing(const struct message *message)
{
    bool has_text = message->content_len > 0 || message->reasoning_len > 0;
    return answer_error(message->status) != CHAT_OK && !has_text &&
           (message->tokens_estimated || !message_took_tokens(&message->usage));
}

enum chat_error finish_answer(const struct chat_ports *ports, struct finish_answer *in, struct arena *arena,
                              struct session *session, bool *has_session)
{
    *has_session = false;
    if (!in->row_done) {
        enum chat_error error = write_row(ports, in, arena, session, has_session);
        if (error != CHAT_OK) { /* the breaker has nothing to do with that */
            leave_place_tell(ports, &in->leaving);
            return error;
        }
        in->row_done = true;
    }
    if (!in->settled) {
        bool refund = was_for_nothing(in->message);
        enum chat_error error = leave_place(ports, &in->leaving, refund, &in->stand);
        if (error != CHAT_OK) return error;
        in->settled = true;
    }
    return CHAT_OK;
}
