#include "domain/retry.h"

enum {
    REQUESTS_MAX = 3, /* the first, and two retries */
    WAIT_MIN_MS = 200,
    RETRY_AFTER_MAX_S = 5,
};

struct retry retry_next(int asked, bool has_fallback, bool has_shorter, const struct retry_failure *failure,
                        uint32_t random)
{
    bool to_fallback = has_fallback && failure->of_model;
    bool too_long = failure->retry_after_s > RETRY_AFTER_MAX_S;
    if (asked >= REQUESTS_MAX) return (struct retry){RETRY_NONE, 0};
    if (failure->too_long && has_shorter) return (struct retry){RETRY_SHORTER, 0};
    if (!failure->retryable) return (struct retry){to_fallback ? RETRY_FALLBACK : RETRY_NONE, 0};
    if (too_long && !to_fallback) return (struct retry){RETRY_NONE, 0};
    bool as_told = failure->retry_after_s > 0 && !too_long;
    int64_t wait_ms = as_told ? failure->retry_after_s * 1000 : (int64_t)WAIT_MIN_MS << (asked - 1);
    bool last = asked == REQUESTS_MAX - 1;
    return (struct retry){to_fallback && (last || too_long) ? RETRY_FALLBACK : RETRY_SAME,
                          wait_ms + random % (wait_ms / 2 + 1)};
}
