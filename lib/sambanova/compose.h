/* The body of POST /chat/completions. Pure. */
#ifndef SAMBANOVA_COMPOSE_H
#define SAMBANOVA_COMPOSE_H

#include "usecases/provider.h"

/* provider_compose. Takes texts in valid UTF-8. Appends to out; leaves a max_tokens below 1 out. */
bool compose_request(const struct provider *self, const struct prompt *prompt, struct buf *out, struct body_cut *cut);
/* provider_set_model. Takes valid JSON only; doesn't find a key that is spelled with escapes. */
bool compose_set_model(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out);
/* provider_bound. Takes valid JSON only. */
bool compose_bound(const struct provider *self, const char *body, size_t len, const struct completion_bounds *bounds,
                   struct buf *out);

#endif
