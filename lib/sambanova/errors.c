#include "sambanova/errors.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool contains(const char *text, size_t len, const char *part)
{
    size_t part_len = strlen(part);

    for (size_t i = 0; i + part_len <= len; i++)
        if (strncasecmp(text + i, part, part_len) == 0) return true;
    return false;
}

/* Codes stand in `code`, or where a server has no codes in `type`. */
static bool says(const struct chunk_error *error, const char *part)
{
    return (error->code.at && contains(error->code.at, error->code.len, part)) ||
           (error->type.at && contains(error->type.at, error->type.len, part));
}

enum chat_error errors_classify(const struct chunk_error *error)
{
    static const struct {
        const char *part;
        enum chat_error means;
    } codes[] = {
        {"context_length", CHAT_ERR_CONTEXT_LENGTH_EXCEEDED},
        {"model_not_found", CHAT_ERR_MODEL_NOT_FOUND},
        {"rate_limit", CHAT_ERR_UPSTREAM_RATE_LIMITED},
        {"queue_full", CHAT_ERR_UPSTREAM_RATE_LIMITED},
        {"insufficient_quota", CHAT_ERR_UPSTREAM_RATE_LIMITED},
        {"too_many_requests", CHAT_ERR_UPSTREAM_RATE_LIMITED},
        {"timeout", CHAT_ERR_UPSTREAM_TIMEOUT},
    };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (says(error, codes[i].part)) return codes[i].means;
    if (chunk_text_is(&error->code, "429")) return CHAT_ERR_UPSTREAM_RATE_LIMITED;
    if (chunk_text_is(&error->code, "408") || chunk_text_is(&error->code, "504")) return CHAT_ERR_UPSTREAM_TIMEOUT;
    if (error->message.at && contains(error->message.at, error->message.len, "maximum context length"))
        return CHAT_ERR_CONTEXT_LENGTH_EXCEEDED;
    return CHAT_ERR_UPSTREAM_ERROR;
}

/* "500" … "599", as digits alone. */
static bool is_server_status(const struct chunk_text *code)
{
    bool digits = code->at && code->len == 3 && code->at[0] == '5';

    for (size_t i = 1; digits && i < 3; i++) digits = code->at[i] >= '0' && code->at[i] <= '9';
    return digits;
}

enum breaker_outcome errors_outcome(const struct chunk_error *error, const char *json, size_t len)
{
    static const char *const servers[] = {"server_error", "internal_error", "overloaded", "unavailable", "bad_gateway"};

    if (errors_classify(error) == CHAT_ERR_UPSTREAM_RATE_LIMITED) return BREAKER_BUSY;
    if (contains(json, len, "error_model_output")) return BREAKER_NEITHER; /* it failed on what the model wrote */
    if (is_server_status(&error->code)) return BREAKER_FAILURE;
    const struct chunk_text *word = error->code.len ? &error->code : &error->type;
    for (size_t i = 0; word->at && i < sizeof servers / sizeof *servers; i++)
        if (contains(word->at, word->len, servers[i])) return BREAKER_FAILURE;
    return BREAKER_NEITHER;
}

/* RFC 9110 §10.2.3, with fractions of a second rounded up. -1: neither seconds nor a date. */
static int64_t parse_retry_after(const char *text, int64_t wall_ms)
{
    /* The three forms of RFC 9110 §5.6.7. */
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    int64_t seconds = 0;
    const char *at;

    if (!text) return -1;
    while (*text == ' ' || *text == '\t') text++;
    for (at = text; *at >= '0' && *at <= '9'; at++)
        if (seconds < REFUSAL_MAX_RETRY_AFTER_S) seconds = seconds * 10 + (*at - '0');
    if (at > text) {
        if (*at == '.') {
            bool whole = true;

            for (at++; *at >= '0' && *at <= '9'; at++) whole = whole && *at == '0';
            if (!whole) seconds++;
        }
        while (isspace((unsigned char)*at)) at++;
        if (*at) return -1;
    } else {
        const char *end = NULL;
        struct tm tm;

        for (size_t i = 0; i < sizeof forms / sizeof *forms && !end; i++) {
            memset(&tm, 0, sizeof tm);
            end = strptime(text, forms[i], &tm);
        }
        while (end && isspace((unsigned char)*end)) end++;
        if (!end || *end) return -1;
        seconds = (int64_t)timegm(&tm) - wall_ms / 1000;
    }
    if (seconds < 0) return 0;
    return seconds < REFUSAL_MAX_RETRY_AFTER_S ? seconds : REFUSAL_MAX_RETRY_AFTER_S;
}

/* Our request was refused: what of it, as far as the body tells. */
static enum chat_error request_problem(const struct chunk_error *error, const char *body, size_t len)
{
    enum chat_error means = errors_classify(error);

    if (means == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED || means == CHAT_ERR_MODEL_NOT_FOUND) return means;
    return contains(body, len, "maximum context length") ? CHAT_ERR_CONTEXT_LENGTH_EXCEEDED : CHAT_ERR_UPSTREAM_ERROR;
}

/* 4xx is the caller's mistake, or one of the account, but for these two. */
static enum breaker_outcome outcome_of(int status)
{
    if (status == 429) return BREAKER_BUSY;
    if (status == 408 || status < 400) return BREAKER_FAILURE;
    return status > 499 ? BREAKER_FAILURE : BREAKER_NEITHER;
}

struct provider_refusal errors_refusal(const struct provider *self, int status, const char *body, size_t len,
                                       const char *retry_after, int64_t wall_ms)
{
    struct provider_refusal refusal = {
        .error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
        .outcome = outcome_of(status),
        .retry_after_s = parse_retry_after(retry_after, wall_ms),
    };
    struct chunk chunk;

    (void)self;
    (void)chunk_read(len ? body : "", len, &chunk); /* of a body that is no JSON, or cut, what was read until then */
    switch (status) {
    case 200: /* of a type that wasn't asked for, maybe to tell of an error */
        if (!chunk.error.present) break;
        refusal.error = errors_classify(&chunk.error);
        refusal.outcome = errors_outcome(&chunk.error, body, len);
        break;
    case 400:
    case 413:
    case 422: refusal.error = request_problem(&chunk.error, len ? body : "", len); break;
    case 401:
    case 402:
    case 403:
        refusal.error = CHAT_ERR_UPSTREAM_ERROR;
        refusal.alert = true;
        break;
    case 404: /* without the code it is the address that is wrong, not the model */
        refusal.error = errors_classify(&chunk.error) == CHAT_ERR_MODEL_NOT_FOUND ? CHAT_ERR_MODEL_NOT_FOUND
                                                                                  : CHAT_ERR_UPSTREAM_ERROR;
        break;
    case 410: refusal.error = CHAT_ERR_MODEL_NOT_FOUND; break; /* withdrawn */
    case 408:
    case 504: refusal.error = CHAT_ERR_UPSTREAM_TIMEOUT; break;
    case 429:
        refusal.error = CHAT_ERR_UPSTREAM_RATE_LIMITED;
        refusal.alert = says(&chunk.error, "insufficient_quota");
        break;
    case 502:
    case 503: refusal.retryable = true; __attribute__((fallthrough));
    default:
        if (status >= 500 && status <= 599) refusal.error = CHAT_ERR_UPSTREAM_ERROR;
    }
    return refusal;
}
