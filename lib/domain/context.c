#include "domain/context.h"

#include <string.h>

enum {
    BYTES_A_TOKEN = 3,
    TOKENS_AROUND = 8, /* a message's role and markers */
    TOKENS_DIGITS = 9,
};

static const struct model_context *find_context(const struct context_list *contexts, const char *model)
{
    for (size_t i = 0; i < contexts->count; i++) {
        if (strcmp(contexts->contexts[i].model, model) == 0) return &contexts->contexts[i];
    }
    return NULL;
}

static const char *parse_item(const struct model_item *item, struct context_list *out)
{
    struct model_context *context = &out->contexts[out->count];
    if (out->count == MODEL_LIST_MAX) return "at most 64 models";
    if (find_context(out, item->model)) return "a model is named twice";
    if (item->value_len == 0 || item->value_len > TOKENS_DIGITS) return "takes model=tokens, a whole number above 0";
    context->tokens = 0;
    for (size_t i = 0; i < item->value_len; i++) {
        if (item->value[i] < '0' || item->value[i] > '9') return "takes model=tokens, a whole number above 0";
        context->tokens = context->tokens * 10 + (item->value[i] - '0');
    }
    if (context->tokens == 0) return "takes model=tokens, a whole number above 0";
    memcpy(context->model, item->model, sizeof context->model);
    out->count++;
    return NULL;
}

const char *context_list_parse(const char *text, struct context_list *out)
{
    out->count = 0;
    if (text[strspn(text, " \t")] == '\0') return NULL;
    struct model_item item;
    const char *problem = NULL;
    while (!problem && model_list_next(&text, &item, &problem)) problem = parse_item(&item, out);
    if (problem) out->count = 0;
    return problem;
}

int64_t context_tokens(const struct context_list *contexts, const char *model)
{
    const struct model_context *context = model ? find_context(contexts, model) : NULL;
    return context ? context->tokens : 0;
}

bool context_takes(const struct message *message)
{
    if (message->superseded_by[0] != '\0') return false;
    switch (message->status) {
    case MESSAGE_COMPLETE: return true;
    case MESSAGE_STOPPED:
    case MESSAGE_INTERRUPTED: return message->content_len > 0;
    case MESSAGE_STREAMING:
    case MESSAGE_FAILED: break;
    }
    return false;
}

int64_t context_estimate_tokens(size_t content_len)
{
    return (int64_t)(content_len / BYTES_A_TOKEN) + 1 + TOKENS_AROUND;
}

/* The messages that go into the prompt, newest first as they are found. */
struct taken {
    const struct message **messages; /* filled from the end: the newest that count are found first */
    size_t first, end;
    bool left_out; /* one that counts has no room */
};

static const char *last_model(const struct message *history, size_t count)
{
    while (count-- > 0)
        if (history[count].role == ROLE_ASSISTANT) return history[count].model;
    return NULL;
}

/* Where the rule's own beginning holds: another model may have more room. */
static const char *kept_start(const struct message *history, size_t count, const struct context_rule *rule)
{
    const char *model = last_model(history, count);
    if (!rule->starts_at || !rule->starts_at[0] || !rule->model || !model) return NULL;
    return strcmp(model, rule->model) == 0 ? rule->starts_at : NULL;
}

static struct taken take_messages(const struct message *history, size_t count, const struct context_rule *rule,
                                  struct arena *arena)
{
    const size_t most = rule->max_messages > 1 ? (size_t)rule->max_messages : 1;
    const char *start = kept_start(history, count, rule);
    struct taken taken = {.messages = arena_alloc(arena, most * sizeof *taken.messages), .first = most, .end = most};
    int64_t room = rule->max_tokens > 0 ? rule->max_tokens : INT64_MAX;
    if (rule->system_prompt) room -= context_estimate_tokens(strlen(rule->system_prompt));
    bool started = false;
    for (size_t i = count; i-- > 0;) {
        const struct message *message = &history[i];
        bool is_question = i == count - 1;
        if (!is_question && !context_takes(message)) continue;
        room -= context_estimate_tokens(message->content_len);
        taken.left_out = taken.first == 0 || started || (!is_question && room < 0);
        if (taken.left_out) break;
        taken.messages[--taken.first] = message;
        started = start && strcmp(message->id, start) == 0;
    }
    while (taken.first < taken.end && taken.messages[taken.first]->role == ROLE_ASSISTANT) {
        taken.first++;
        taken.left_out = true;
    }
    return taken;
}

/* A history that is as long as it may be was cut where it was read. */
static const char *starts_at(const struct taken *taken, size_t count, const struct context_rule *rule)
{
    if (taken->first == taken->end) return "";
    const struct message *first = taken->messages[taken->first];
    bool cut = count >= (size_t)rule->max_messages && first->parent_id[0] != '\0';
    return taken->left_out || cut ? first->id : "";
}

/* Of the messages the later half: in number, and nearly so in bytes (three of five equal ones are let pass). `end`
 * where there is only one. */
static size_t later_half(const struct taken *taken)
{
    size_t count = taken->end - taken->first, bytes = 0, kept = 0, half = taken->end;
    for (size_t i = taken->first; i < taken->end; i++) bytes += taken->messages[i]->content_len;
    for (size_t i = taken->end; count > 1 && i-- > taken->first + 1;) {
        kept += taken->messages[i]->content_len;
        bool too_long = taken->end - i > (count + 1) / 2 || kept * 5 > bytes * 3;
        if (i + 1 < taken->end && too_long) break;
        if (taken->messages[i]->role == ROLE_USER) half = i;
    }
    return half;
}

struct prompt context_build(const struct message *history, size_t count, const struct context_rule *rule,
                            struct arena *arena)
{
    const bool has_system = rule->system_prompt && rule->system_prompt[0] != '\0';
    const struct taken taken = take_messages(history, count, rule, arena);
    const size_t half = later_half(&taken);
    struct turn *turns = arena_alloc(arena, (taken.end - taken.first + 1) * sizeof *turns);
    size_t turn_count = 0;
    if (has_system)
        turns[turn_count++] = (struct turn){ROLE_SYSTEM, rule->system_prompt, strlen(rule->system_prompt), false};
    struct prompt prompt = {.turns = turns, .starts_at = starts_at(&taken, count, rule), .shorter_starts_at = ""};
    for (size_t i = taken.first; i < taken.end; i++) {
        const struct message *message = taken.messages[i];
        bool joins = i > taken.first && taken.messages[i - 1]->role == message->role;
        if (i == half) {
            prompt.shorter_from = turn_count;
            prompt.shorter_starts_at = message->id;
        }
        turns[turn_count++] = (struct turn){message->role, message->content, message->content_len, joins};
    }
    prompt.turn_count = turn_count;
    return prompt;
}
