#include "sambanova/errors.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/utf8.h"

enum { REASON_MAX_BYTES = 64 << 10 }; /* more than three times the bytes of a refusal that are read */

static bool contains(const char *text, size_t len, const char *part)
{
    size_t part_len = strlen(part);
    for (size_t i = 0; i + part_len <= len; i++)
        if (strncasecmp(text + i, part, part_len) == 0) return true;
    return false;
}

/* A code is in `code`, or, if a server has no codes, in `type`. */
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
    if (json_text_is(&error->code, "429")) return CHAT_ERR_UPSTREAM_RATE_LIMITED;
    if (json_text_is(&error->code, "408") || json_text_is(&error->code, "504")) return CHAT_ERR_UPSTREAM_TIMEOUT;
    if (error->message.at && contains(error->message.at, error->message.len, "maximum context length"))
        return CHAT_ERR_CONTEXT_LENGTH_EXCEEDED;
    return CHAT_ERR_UPSTREAM_ERROR;
}

/* Returns whether it is "500" … "599", in digits alone. */
static bool is_server_status(const struct json_text *code)
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
    const struct json_text *word = error->code.len ? &error->code : &error->type;
    for (size_t i = 0; word->at && i < sizeof servers / sizeof *servers; i++)
        if (contains(word->at, word->len, servers[i])) return BREAKER_FAILURE;
    return BREAKER_NEITHER;
}

/* Reads Retry-After (RFC 9110 §10.2.3), with fractions of a second rounded up. -1: neither seconds nor a date. */
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

/* Finds what the provider refused of our request, as far as the body shows. */
static enum chat_error request_problem(const struct chunk_error *error, const char *body, size_t len)
{
    enum chat_error means = errors_classify(error);
    if (means == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED || means == CHAT_ERR_MODEL_NOT_FOUND) return means;
    return contains(body, len, "maximum context length") ? CHAT_ERR_CONTEXT_LENGTH_EXCEEDED : CHAT_ERR_UPSTREAM_ERROR;
}

/* A 4xx is the caller's mistake, or the account's, except for these two. */
static enum breaker_outcome outcome_of(int status)
{
    if (status == 429) return BREAKER_BUSY;
    if (status == 408 || status < 400) return BREAKER_FAILURE;
    return status > 499 ? BREAKER_FAILURE : BREAKER_NEITHER;
}

/* ---- the provider's own words ---- */

/* Returns the bytes of a control character: C0, DEL or C1, which begins with 0xc2 in UTF-8. 0: it is none. */
static size_t control_at(const unsigned char *at, size_t left)
{
    if (*at < 0x20 || *at == 0x7f) return 1;
    return left > 1 && at[0] == 0xc2 && at[1] < 0xa0 ? 2 : 0;
}

/* Writes it in one line, cut at a character if it is too long. */
static void show(const char *text, size_t len, char *out, size_t size)
{
    static const char more[] = "…";
    size_t at = 0, kept = 0;
    while (at < len && kept + 1 < size) {
        size_t control = control_at((const unsigned char *)text + at, len - at);
        out[kept++] = control ? ' ' : text[at];
        at += control ? control : 1;
    }
    if (at < len) {
        kept = utf8_complete_prefix(out, size - sizeof more);
        memcpy(out + kept, more, sizeof more - 1);
        kept += sizeof more - 1;
    }
    while (kept > 0 && out[kept - 1] == ' ') kept--;
    out[kept] = '\0';
}

static bool holds_key(const struct provider *self, const char *text, size_t len)
{
    const char *key = self && self->authorization ? strrchr(self->authorization, ' ') : NULL;
    return key && memmem(text, len, key + 1, strlen(key + 1));
}

static void show_text(const struct provider *self, const struct json_text *raw, char *out, size_t size)
{
    out[0] = '\0';
    if (!raw->at) return;
    struct buf scratch;
    buf_init(&scratch, REASON_MAX_BYTES);
    const char *text;
    size_t len;
    if (json_text_decode(raw, &scratch, &text, &len) && !holds_key(self, text, len)) show(text, len, out, size);
    buf_fini(&scratch);
}

static bool is_word(const char *text)
{
    for (; *text; text++)
        if (!strchr("_.-", *text) && !isalnum((unsigned char)*text)) return false;
    return true;
}

static void take_reason(const struct provider *self, const struct chunk_error *error, struct provider_reason *out)
{
    show_text(self, &error->code, out->code, sizeof out->code);
    if (!is_word(out->code)) out->code[0] = '\0';
    show_text(self, &error->param, out->param, sizeof out->param);
    show_text(self, &error->message, out->message, sizeof out->message);
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
    (void)chunk_read(len ? body : "", len, &chunk); /* of a body that is no JSON, or cut: the part that was read */
    take_reason(self, &chunk.error, &refusal.reason);
    switch (status) {
    case 200: /* of a type that wasn't asked for; it may be an error page */
        if (!chunk.error.present) break;
        refusal.error = errors_classify(&chunk.error);
        refusal.outcome = errors_outcome(&chunk.error, body, len);
        break;
    case 400:
    case 413:
    case 422: refusal.error = request_problem(&chunk.error, len ? body : "", len); break;
    case 401:
    case 402: refusal.account = true; __attribute__((fallthrough));
    case 403:
        refusal.error = CHAT_ERR_UPSTREAM_ERROR;
        refusal.alert = true;
        break;
    case 404: /* without the code the address is wrong, not the model */
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
