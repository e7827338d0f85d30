#include "domain/cost.h"

#include <stdbool.h>
#include <string.h>

enum {
    MICRO = 1000000,
    MAX_USD_DIGITS = 7, /* before the point */
    MAX_DECIMALS = 6,
};

/* "12", "0.6", ".25": USD as micro-USD. false: something else. */
static bool parse_usd(const char *text, size_t len, int64_t *micro)
{
    size_t digits = 0, decimals = 0;
    bool after_point = false;
    int64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') return false;
        if (after_point)
            decimals++;
        else
            digits++;
        if (digits > MAX_USD_DIGITS || decimals > MAX_DECIMALS) return false;
        value = value * 10 + (text[i] - '0');
    }
    if (digits + decimals == 0) return false;
    for (; decimals < MAX_DECIMALS; decimals++) value *= 10;
    *micro = value;
    return true;
}

static const struct model_price *find_price(const struct price_list *prices, const char *model)
{
    for (size_t i = 0; i < prices->count; i++) {
        if (strcmp(prices->prices[i].model, model) == 0) return &prices->prices[i];
    }
    return NULL;
}

/* The amount up to the next slash or the end. *at: behind that slash; NULL: there was none. false: it is none. */
static bool next_usd(const char **at, const char *end, int64_t *micro)
{
    const char *begin = *at, *slash = memchr(begin, '/', (size_t)(end - begin));
    *at = slash ? slash + 1 : NULL;
    return parse_usd(begin, (size_t)((slash ? slash : end) - begin), micro);
}

static const char *parse_item(const struct model_item *item, struct price_list *out)
{
    const char *at = item->value, *end = item->value + item->value_len;
    struct model_price *price = &out->prices[out->count];
    if (!memchr(at, '/', item->value_len)) return "each item must be model=in/out or model=in/out/cached";
    if (out->count == MODEL_LIST_MAX) return "at most 64 models";
    if (find_price(out, item->model)) return "a model is named twice";
    bool fine =
        next_usd(&at, end, &price->in_micro_usd_per_million) && next_usd(&at, end, &price->out_micro_usd_per_million);
    price->cached_micro_usd_per_million = price->in_micro_usd_per_million;
    if (fine && at) fine = next_usd(&at, end, &price->cached_micro_usd_per_million) && !at;
    if (!fine) return "prices must be USD per million tokens, with up to 6 decimals";
    memcpy(price->model, item->model, sizeof price->model);
    out->count++;
    return NULL;
}

const char *price_list_parse(const char *text, struct price_list *out)
{
    out->count = 0;
    if (text[strspn(text, " \t")] == '\0') return NULL;
    struct model_item item;
    const char *problem = NULL;
    while (!problem && model_list_next(&text, &item, &problem)) problem = parse_item(&item, out);
    if (problem) out->count = 0;
    return problem;
}

int64_t cost_micro_usd(const struct price_list *prices, const char *model, const struct token_usage *usage)
{
    const struct model_price *price = model ? find_price(prices, model) : NULL;
    __int128 millionths = MICRO / 2; /* rounds to the nearest */
    if (!price) return 0;
    int64_t prompt = usage->prompt_tokens > 0 ? usage->prompt_tokens : 0;
    int64_t cached = usage->cached_tokens < prompt ? usage->cached_tokens : prompt;
    if (cached < 0) cached = 0;
    millionths += (__int128)(prompt - cached) * price->in_micro_usd_per_million;
    millionths += (__int128)cached * price->cached_micro_usd_per_million;
    if (usage->completion_tokens > 0)
        millionths += (__int128)usage->completion_tokens * price->out_micro_usd_per_million;
    millionths /= MICRO;
    return millionths < INT64_MAX ? (int64_t)millionths : INT64_MAX;
}
