/* The body of POST /chat/completions. Pure. */
#ifndef SAMBANOVA_COMPOSE_H
#define SAMBANOVA_COMPOSE_H

#include "usecases/provider.h"

/* provider_ops.compose. Appends to out; texts are valid UTF-8. max_tokens below 1 is left out. */
bool compose_request(const struct provider *self, const struct prompt *prompt, struct buf *out, struct body_cut *cut);
/* provider_ops.set_model. Takes valid JSON only; a key spelled with escapes is not found. */
bool compose_set_model(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out);
/* provider_ops.bound. Takes valid JSON only. */
bool compose_bound(const struct provider *self, const char *body, size_t len, const struct completion_bounds *bounds,
                   struct buf *out);

#endif
