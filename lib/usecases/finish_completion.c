#include "usecases/finish_completion.h"

#include "metrics/metrics.h"
#include "usecases/use_ledger.h"

enum { PROMPT_BYTES_A_TOKEN = 3, TEXT_BYTES_A_TOKEN = 4 };

static int64_t estimated(size_t bytes, size_t bytes_a_token)
{
    return (int64_t)((bytes + bytes_a_token - 1) / bytes_a_token);
}

void finish_completion_count_tokens(struct completion_use *out, const struct token_usage *told, bool reached_provider,
                                    size_t prompt_bytes, size_t text_bytes)
{
    struct token_usage *usage = &out->usage;
    *out = (struct completion_use){.usage = *told, .took_tokens = message_took_tokens(told)};
    if (!reached_provider) return;
    out->estimated = usage->prompt_tokens < 0 || usage->completion_tokens < 0;
    if (usage->prompt_tokens < 0) usage->prompt_tokens = estimated(prompt_bytes, PROMPT_BYTES_A_TOKEN);
    if (usage->completion_tokens < 0) usage->completion_tokens = estimated(text_bytes, TEXT_BYTES_A_TOKEN);
}

bool finish_completion_refunds(const struct finish_completion *in)
{
    return in->error != CHAT_OK && !in->shown && !in->client_left && !in->use.took_tokens;
}

static void count(const struct chat_ports *ports, struct finish_completion *in)
{
    const struct admission_ticket *ticket = in->leaving.ticket;
    const struct token_usage *usage = &in->use.usage;
    in->cost_micro_usd = cost_micro_usd(ports->prices, in->model, usage);
    metrics_add(&metrics->counters.completions[in->client_left ? COMPLETIONS_CLIENT_LEFT
                                               : in->error     ? COMPLETIONS_FAILED
                                                               : COMPLETIONS_OK],
                1);
    metrics_usage(in->model, usage->prompt_tokens, usage->completion_tokens, in->cost_micro_usd);
    use_ledger_add(ports->ledger, ticket->user_id, ticket->day, in->model, 1, usage, in->cost_micro_usd);
    in->counted = true;
}

enum chat_error finish_completion(const struct chat_ports *ports, struct finish_completion *in)
{
    enum chat_error error = leave_place(ports, &in->leaving, finish_completion_refunds(in), &in->stand);
    if (!in->counted) count(ports, in);
    return error;
}
