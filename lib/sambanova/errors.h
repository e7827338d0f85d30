/* What the provider's refusals and error objects mean. Pure. */
#ifndef SAMBANOVA_ERRORS_H
#define SAMBANOVA_ERRORS_H

#include "sambanova/chunk.h"
#include "usecases/provider.h"

enum { REFUSAL_MAX_RETRY_AFTER_S = 3600 };

/* provider_ops.refusal. body may be JSON, text, HTML or garbage, whole or cut; of it the words of its
 * error object alone are handed on, cleaned. */
struct provider_refusal errors_refusal(const struct provider *self, int status, const char *body, size_t len,
                                       const char *retry_after, int64_t wall_ms);
/* An error object within a stream; UPSTREAM_ERROR where its codes say nothing more. */
enum chat_error errors_classify(const struct chunk_error *error);
/* What an error object says of the model, whose raw JSON is `json`: a failure only where its code is a server's own,
 * and not of what the model wrote, which a caller can bring about. Codes that nobody knows say nothing. */
enum breaker_outcome errors_outcome(const struct chunk_error *error, const char *json, size_t len);

#endif
