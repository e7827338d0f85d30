/*
 * The one list of errors. Every function that can fail returns one of these; the HTTP layer has the table that turns
 * each into a status, a code and a sentence (http/errors.c). The list is that of docs/openapi.yaml, schema ErrorCode.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/* X(NAME, "wire_code") */
#define CHAT_ERRORS(X)                                        \
    X(INVALID_JSON, "invalid_json")                           \
    X(INVALID_REQUEST, "invalid_request")                     \
    X(UNAUTHENTICATED, "unauthenticated")                     \
    X(FORBIDDEN, "forbidden")                                 \
    X(FEATURE_DISABLED, "feature_disabled")                   \
    X(NOT_FOUND, "not_found")                                 \
    X(SESSION_NOT_FOUND, "session_not_found")                 \
    X(MESSAGE_NOT_FOUND, "message_not_found")                 \
    X(MODEL_NOT_FOUND, "model_not_found")                     \
    X(METHOD_NOT_ALLOWED, "method_not_allowed")               \
    X(GENERATION_IN_PROGRESS, "generation_in_progress")       \
    X(PAYLOAD_TOO_LARGE, "payload_too_large")                 \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")       \
    X(VALIDATION_FAILED, "validation_failed")                 \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch")           \
    X(CONTEXT_LENGTH_EXCEEDED, "context_length_exceeded")     \
    X(RATE_LIMITED, "rate_limited")                           \
    X(QUOTA_EXCEEDED, "quota_exceeded")                       \
    X(TOO_MANY_STREAMS, "too_many_streams")                   \
    X(UPSTREAM_RATE_LIMITED, "upstream_rate_limited")         \
    X(INTERNAL, "internal")                                   \
    X(UPSTREAM_ERROR, "upstream_error")                       \
    X(UPSTREAM_INVALID_RESPONSE, "upstream_invalid_response") \
    X(API_UNAVAILABLE, "api_unavailable")                     \
    X(OVERLOADED, "overloaded")                               \
    X(DATABASE_UNAVAILABLE, "database_unavailable")           \
    X(QUOTA_UNAVAILABLE, "quota_unavailable")                 \
    X(SHUTTING_DOWN, "shutting_down")                         \
    X(INTERRUPTED, "interrupted")                             \
    X(UPSTREAM_TIMEOUT, "upstream_timeout")

/* What no client knows: X(NAME, as which of those above it is told). Inside each means one thing.
 *   REDIS_UNAVAILABLE   Redis is away: what was wanted may not be done, or is not known
 *   UNDECIDED           nothing was decided here: ask another way */
#define CHAT_INTERNAL_ERRORS(X)             \
    X(REDIS_UNAVAILABLE, QUOTA_UNAVAILABLE) \
    X(UNDECIDED, API_UNAVAILABLE)

enum chat_error {
    CHAT_OK = 0,
#define CHAT_ERROR_ENUM(name, code) CHAT_ERR_##name,
    CHAT_ERRORS(CHAT_ERROR_ENUM)
#undef CHAT_ERROR_ENUM
#define CHAT_ERROR_ENUM(name, told_as) CHAT_ERR_##name,
        CHAT_INTERNAL_ERRORS(CHAT_ERROR_ENUM)
#undef CHAT_ERROR_ENUM
};

/* For a large variable on the path of each request, which the build's flags would fill with zeros first. Only the parts
 * that were written may be read. */
#define NOT_ZEROED __attribute__((uninitialized))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* The wire code, e.g. "rate_limited"; "ok" for CHAT_OK; of an internal one the code that it is told as. Static, never
 * NULL. Any thread. */
const char *error_code(enum chat_error error);

#endif
