#include "usecases/keep_title.h"

#include "metrics/metrics.h"
#include "usecases/title_prompt.h"
#include "usecases/use_ledger.h"

enum { BYTES_A_TOKEN = 4 };

bool keep_title(const struct chat_ports *ports, const char *session_id, const char *text, size_t len,
                struct arena *arena, const char **stored)
{
    const char *title = title_from_answer(text, len, arena);
    bool taken = false;
    *stored = NULL;
    if (title &&
        session_repo_set_model_title(ports->sessions, session_id, title, clock_wall_ms(ports->clock), &taken) ==
            CHAT_OK &&
        taken)
        *stored = title;
    return title != NULL;
}

static int64_t estimated(size_t bytes)
{
    return (int64_t)((bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);
}

void keep_title_count(const struct chat_ports *ports, const struct title_use *use)
{
    const char *model = ports->policy->title_model;
    struct token_usage usage = use->usage;
    if (usage.prompt_tokens < 0 && usage.completion_tokens < 0)
        usage = (struct token_usage){.prompt_tokens = estimated(use->asked_bytes),
                                     .completion_tokens = estimated(use->written_bytes),
                                     .total_tokens = -1};
    if (usage.prompt_tokens <= 0 && usage.completion_tokens <= 0) return; /* it was never asked */
    int64_t cost = cost_micro_usd(ports->prices, model, &usage);
    metrics_usage(model, usage.prompt_tokens, usage.completion_tokens, cost);
    use_ledger_add(ports->ledger, use->user_id, use->day, model, 0, &usage, cost);
}
