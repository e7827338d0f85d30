#include "sambanova/errors.h"

#include <string.h>

#include "unit.h"

#define CODE(code) \
    "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"" code "\"},\"request_id\":\"r\"}"

enum { NEITHER = 0, RETRY = 1, BREAKER = 2, ALERT = 4, BUSY = 8 };

static const struct {
    int status;
    const char *body;
    enum chat_error error;
    int flags;
} refusals[] = {
    {400, CODE("empty_array"), CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {400, CODE("invalid_value"), CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {400, "Invalid request body: EOF", CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {400, "", CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {400, CODE("context_length_exceeded"), CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, NEITHER},
    {400, "{\"error\":{\"message\":\"The maximum context length of X is 8192\"}}", CHAT_ERR_CONTEXT_LENGTH_EXCEEDED,
     NEITHER},
    {400, "{\"error\":\"The Maximum Context Length of X is 8192\"}", CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, NEITHER},
    {400, "The maximum context length of X is 8192", CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, NEITHER},
    {400, CODE("model_not_found"), CHAT_ERR_MODEL_NOT_FOUND, NEITHER},
    {400, "{\"error\":{\"code\":\"model_not_found\",\"message\":\"cut of", CHAT_ERR_MODEL_NOT_FOUND, NEITHER},
    {401, CODE("invalid_api_key"), CHAT_ERR_UPSTREAM_ERROR, ALERT},
    {401, CODE("invalid_authentication"), CHAT_ERR_UPSTREAM_ERROR, ALERT},
    {402, "{\"error\":{\"code\":\"PAYMENT_METHOD_REQUIRED\"},\"balance_units\":0}", CHAT_ERR_UPSTREAM_ERROR, ALERT},
    {403, "<html>", CHAT_ERR_UPSTREAM_ERROR, ALERT},
    {404, CODE("model_not_found"), CHAT_ERR_MODEL_NOT_FOUND, NEITHER},
    {404, "{\"error\":\"Not found\"}", CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {408, "{\"error\":\"timeout\"}", CHAT_ERR_UPSTREAM_TIMEOUT, BREAKER},
    {410, "{\"error\":\"gone\"}", CHAT_ERR_MODEL_NOT_FOUND, NEITHER},
    {413, "too large", CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {418, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, NEITHER},
    {422, "Failed to deserialize", CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {422, "maximum context length", CHAT_ERR_CONTEXT_LENGTH_EXCEEDED, NEITHER},
    {429, CODE("queue_full"), CHAT_ERR_UPSTREAM_RATE_LIMITED, BUSY},
    {429, CODE("insufficient_quota"), CHAT_ERR_UPSTREAM_RATE_LIMITED, BUSY | ALERT},
    {429, "", CHAT_ERR_UPSTREAM_RATE_LIMITED, BUSY},
    {500, "Internal Server Error", CHAT_ERR_UPSTREAM_ERROR, BREAKER},
    {500, "{\"error\":{\"type\":\"server_error\",\"error_model_output\":\"maximum context length\"}}",
     CHAT_ERR_UPSTREAM_ERROR, BREAKER},
    {200, "{\"choices\":[]}", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
    {200, CODE("content_filter"), CHAT_ERR_UPSTREAM_ERROR, NEITHER},
    {200, CODE("server_error"), CHAT_ERR_UPSTREAM_ERROR, BREAKER},
    {502, "<html><body>502</body></html>", CHAT_ERR_UPSTREAM_ERROR, RETRY | BREAKER},
    {503, "no healthy upstream", CHAT_ERR_UPSTREAM_ERROR, RETRY | BREAKER},
    {504, "<html>", CHAT_ERR_UPSTREAM_TIMEOUT, BREAKER},
    {529, "", CHAT_ERR_UPSTREAM_ERROR, BREAKER},
    {301, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
    {307, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
    {204, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
    {101, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
    {600, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
    {0, "", CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER},
};

START_TEST(a_status_means_what_the_table_says)
{
    const char *body = refusals[_i].body;
    struct provider_refusal refusal = errors_refusal(NULL, refusals[_i].status, body, strlen(body), NULL, 0);
    int flags = (refusal.retryable ? RETRY : 0) | (refusal.outcome == BREAKER_FAILURE ? BREAKER : 0) |
                (refusal.outcome == BREAKER_BUSY ? BUSY : 0) | (refusal.alert ? ALERT : 0);

    ck_assert_msg(refusal.error == refusals[_i].error, "%d %s: %s", refusals[_i].status, body,
                  error_code(refusal.error));
    ck_assert_msg(flags == refusals[_i].flags, "%d %s: flags %d", refusals[_i].status, body, flags);
    ck_assert_int_eq(refusal.retry_after_s, -1);
}
END_TEST

/* What an error object in a stream says of the model (A3): of a server's own code a failure, of one that nobody knows
 * nothing, as the caller may have brought it about. */
static const struct {
    const char *json;
    enum breaker_outcome outcome;
} told[] = {
    {CODE("server_error"), BREAKER_FAILURE},
    {CODE("internal_error"), BREAKER_FAILURE},
    {CODE("engine_overloaded"), BREAKER_FAILURE},
    {CODE("service_unavailable"), BREAKER_FAILURE},
    {CODE("503"), BREAKER_FAILURE},
    {"{\"error\":{\"code\":500,\"message\":\"x\"}}", BREAKER_FAILURE},
    {"{\"error\":{\"code\":5000,\"message\":\"x\"}}", BREAKER_NEITHER},
    {"{\"error\":{\"type\":\"server_error\"}}", BREAKER_FAILURE},
    {"{\"error\":{\"type\":\"server_error\",\"code\":\"never_heard_of\"}}", BREAKER_NEITHER},
    {"{\"error\":{\"type\":\"server_error\",\"error_model_output\":\"x\"}}", BREAKER_NEITHER},
    {CODE("rate_limit_exceeded"), BREAKER_BUSY},
    {CODE("429"), BREAKER_BUSY},
    {CODE("content_filter"), BREAKER_NEITHER},
    {CODE("invalid_tool_call"), BREAKER_NEITHER},
    {CODE("request_timeout"), BREAKER_NEITHER}, /* an answer can be asked for that takes too long */
    {CODE("context_length_exceeded"), BREAKER_NEITHER},
    {CODE("400"), BREAKER_NEITHER},
    {"{\"error\":\"no\"}", BREAKER_NEITHER},
    {"{\"error\":{}}", BREAKER_NEITHER},
};

START_TEST(an_error_in_a_stream_says_little)
{
    const char *json = told[_i].json;
    struct chunk chunk;

    ck_assert_ptr_null(chunk_read(json, strlen(json), &chunk));
    ck_assert_msg(errors_outcome(&chunk.error, json, strlen(json)) == told[_i].outcome, "%s", json);
}
END_TEST

START_TEST(garbage_bodies_are_survived)
{
    static const char garbage[] = "\0\xff\xfe{\"error\":{\"code\":[[[[\0";

    for (int status = 0; status < 600; status++)
        for (size_t len = 0; len < sizeof garbage; len++)
            ck_assert_int_ne(errors_refusal(NULL, status, len ? garbage : NULL, len, "\xff", -1).error, CHAT_OK);
}
END_TEST

/* (provider-reason-of-a-400) Its own words, in one line, without the key. */
#define SAY(message) "{\"error\":{\"message\":\"" message "\",\"code\":\"bad value\",\"param\":\"a\\u0007b\"}}"
static const struct {
    const char *body, *message;
} reasons[] = {
    {SAY("Invalid schema for function 'search'"), "Invalid schema for function 'search'"},
    {SAY("two\\nlines\\t\\u0000\\u007f\\u0085.\\r\\n"), "two lines \xef\xbf\xbd  ."},
    {SAY("the key sk-secret is"), ""},
    {SAY("Gr\xc3\xbc\xc3\x9f"
         "e \xff"),
     "Gr\xc3\xbc\xc3\x9f"
     "e \xef\xbf\xbd"},
    {"{\"error\":\"in words\"}", "in words"},
    {"{\"error\":{\"message\":null}}", ""},
    {"{\"error\":{\"message\":[\"x\"]}}", ""},
    {"Invalid request body: x", ""},
    {"<html>", ""},
    {"", ""},
};

START_TEST(of_a_refusal_the_words_of_its_error_are_told_cleaned)
{
    const struct provider provider = {.authorization = "Authorization: Bearer sk-secret"};
    struct provider_refusal refusal =
        errors_refusal(&provider, 400, reasons[_i].body, strlen(reasons[_i].body), NULL, 0);

    ck_assert_str_eq(refusal.reason.message, reasons[_i].message);
    ck_assert_str_eq(refusal.reason.code, "");
    ck_assert_str_eq(refusal.reason.param, strstr(reasons[_i].body, "param") ? "a b" : "");
}
END_TEST

START_TEST(long_words_are_cut_at_a_character)
{
    char body[2048] = "{\"error\":{\"code\":\"invalid_value\",\"message\":\"";

    for (int i = 0; i < 500; i++) strcat(body, "\xc3\xbc");
    strcat(body, "\"}}");
    struct provider_refusal refusal = errors_refusal(NULL, 400, body, strlen(body), NULL, 0);
    size_t len = strlen(refusal.reason.message);

    ck_assert_str_eq(refusal.reason.code, "invalid_value");
    ck_assert_uint_le(len, PROVIDER_MESSAGE_SIZE - 1);
    ck_assert_uint_gt(len, PROVIDER_MESSAGE_SIZE - 8);
    ck_assert_str_eq(refusal.reason.message + len - 3, "\xe2\x80\xa6");
    ck_assert_uint_eq((len - 3) % 2, 0);
}
END_TEST

enum { NOW_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct {
    const char *header;
    int64_t seconds;
} retries[] = {
    {NULL, -1},
    {"", -1},
    {"0", 0},
    {"5", 5},
    {" 5 ", 5},
    {"1.5", 2},
    {"2.0", 2},
    {"3600", 3600},
    {"3601", 3600},
    {"99999999999999999999999999", 3600},
    {"-5", -1},
    {"soon", -1},
    {"5 minutes", -1},
    {"5, 6", -1},
    {"NaN", -1},
    {"Sun, 06 Nov 1994 08:49:47 GMT", 10},
    {"Sunday, 06-Nov-94 08:49:47 GMT", 10},
    {"Sun Nov  6 08:49:47 1994", 10},
    {"Sun, 06 Nov 1994 08:49:27 GMT", 0},
    {"Mon, 06 Nov 2034 08:49:37 GMT", 3600},
    {"Sun, 06 Nov 1994 08:49:47 GMT or so", -1},
    {"Sun, 99 Nov 1994 08:49:47 GMT", -1},
};

START_TEST(retry_after_is_seconds_a_date_or_nothing)
{
    struct provider_refusal refusal = errors_refusal(NULL, 429, "", 0, retries[_i].header, NOW_S * 1000LL);

    ck_assert_msg(refusal.retry_after_s == retries[_i].seconds, "%s: %d",
                  retries[_i].header ? retries[_i].header : "none", (int)refusal.retry_after_s);
}
END_TEST

UNIT_SUITE(sambanova_errors)
{
    Suite *suite = suite_create("sambanova_errors");
    TCase *tables = tcase_create("tables");

    tcase_add_loop_test(tables, a_status_means_what_the_table_says, 0, UNIT_COUNT(refusals));
    tcase_add_loop_test(tables, an_error_in_a_stream_says_little, 0, UNIT_COUNT(told));
    tcase_add_loop_test(tables, retry_after_is_seconds_a_date_or_nothing, 0, UNIT_COUNT(retries));
    tcase_add_loop_test(tables, of_a_refusal_the_words_of_its_error_are_told_cleaned, 0, UNIT_COUNT(reasons));
    suite_add_tcase(suite, tables);
    UNIT_CASE(suite, "robustness", garbage_bodies_are_survived, long_words_are_cut_at_a_character);
    return suite;
}
