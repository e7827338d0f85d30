/* Interprets the provider's refusals and error objects. Pure. */
#ifndef SAMBANOVA_ERRORS_H
#define SAMBANOVA_ERRORS_H

#include "sambanova/chunk.h"
#include "usecases/provider.h"

enum { REFUSAL_MAX_RETRY_AFTER_S = 3600 };

/* provider_read_refusal. Takes a body that may be JSON, text, HTML or garbage, whole or cut. Only the words of its
 * error object are handed on, cleaned. */
struct provider_refusal errors_refusal(const struct provider *self, int status, const char *body, size_t len,
                                       const char *retry_after, int64_t wall_ms);
/* Takes an error object of a stream. Returns its error; UPSTREAM_ERROR if its codes mean nothing more. */
enum chat_error errors_classify(const struct chunk_error *error);
/* Takes an error object and its raw JSON. Returns what it shows of the model. It is a failure only if its code is a
 * server's own, and not about what the model wrote, which a caller can cause. An unknown code shows nothing. */
enum breaker_outcome errors_outcome(const struct chunk_error *error, const char *json, size_t len);

#endif
