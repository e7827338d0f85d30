/* The cost of an answer, by a table of prices that the operator sets. */
#ifndef DOMAIN_COST_H
#define DOMAIN_COST_H

#include <stddef.h>
#include <stdint.h>

#include "domain/message.h"
#include "domain/model_list.h"

struct model_price {
    char model[MODEL_NAME_SIZE];
    int64_t in_micro_usd_per_million; /* 0.60 USD = 600000 */
    int64_t out_micro_usd_per_million;
    int64_t cached_micro_usd_per_million; /* of prompt tokens that the provider had cached */
};
struct price_list {
    struct model_price prices[MODEL_LIST_MAX];
    size_t count;
};

/* Takes "model=in/out,model=in/out/cached", USD per million tokens with up to 6 decimals; spaces around items are fine.
 * Without a price of their own, cached tokens cost as much as the prompt's others. Returns NULL, or a static sentence
 * for what is wrong. */
const char *price_list_parse(const char *text, struct price_list *out);
/* Returns the cost, rounded to the nearest micro-USD; 0 if the model has no price. Unknown tokens (-1) count 0. */
int64_t cost_micro_usd(const struct price_list *prices, const char *model, const struct token_usage *usage);

#endif
