#include "models.h"

#include <stddef.h>
#include <string.h>

struct model {
    const char *name;
    long context_length; /* tokens; 0: the list doesn't say */
    double prompt_usd;   /* per million tokens */
    double completion_usd;
};

static const struct model models[] = {
    {"Meta-Llama-3.3-70B-Instruct", 131072, 0.60, 1.20},
    {"gpt-oss-120b", 131072, 0.22, 0.59},
    {"DeepSeek-V3.1", 131072, 3.00, 4.50},
    {"DeepSeek-V3.2", 32768, 3.00, 4.50},
    {"MiniMax-M2.7", 196608, 0.60, 2.40},
    {"MiniMax-M3", 1048576, 0.60, 2.40},
    {"gemma-4-31B-it", 0, 0.38, 1.15},
};

#define MODEL_COUNT (sizeof(models) / sizeof(models[0]))

static const struct model *find(const char *name)
{
    for (size_t i = 0; i < MODEL_COUNT; i++)
        if (strcmp(models[i].name, name) == 0) return &models[i];
    return NULL;
}

bool models_known(const char *name)
{
    return find(name) != NULL || strncmp(name, "test-", 5) == 0;
}

void models_print(const char *name, struct buf *out)
{
    const struct model *model = find(name);
    buf_str(out, "{\"id\":\"");
    buf_json(out, name, strlen(name));
    buf_str(out, "\",\"object\":\"model\",\"owned_by\":\"no-reply@sambanova.ai\"");
    if (model != NULL && model->context_length > 0)
        buf_printf(out, ",\"context_length\":%ld,\"max_completion_tokens\":%ld", model->context_length,
                   model->context_length / 8);
    if (model != NULL)
        buf_printf(out, ",\"pricing\":{\"prompt\":\"%.8f\",\"completion\":\"%.8f\"}", model->prompt_usd / 1e6,
                   model->completion_usd / 1e6);
    buf_char(out, '}');
}

void models_print_all(struct buf *out)
{
    buf_str(out, "{\"data\":[");
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (i > 0) buf_char(out, ',');
        models_print(models[i].name, out);
    }
    buf_str(out, "],\"object\":\"list\"}");
}
