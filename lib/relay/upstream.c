/*
 * The provider's side of a live answer: one request, on libcurl's multi interface (pools.c). HTTP/1.1 on purpose: with
 * this libcurl HTTP/2 opens a connection a stream anyway once one is full (fixed in 8.0), and a stalled stream
 * can stall its neighbours. Nothing is removed from a multi handle within a callback.
 */
#include "relay/internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/log.h"
#include "domain/retry.h"
#include "metrics/metrics.h"

enum {
    DNS_CACHE_SECONDS = 300,
    READ_BYTES = 4096, /* libcurl's buffer of each transfer; its own 16 KB would hold what comes in a second */
    ESCAPED_MAX = 6,   /* bytes of JSON that one byte of text becomes at most */
};

/* The first that hears of it says so, of all processes; who is served again says that. */
static void tell_account(enum metrics_account stands)
{
    if (!metrics_tell_account(stands)) return;
    if (stands == ACCOUNT_REFUSED)
        log_write(LOG_ERROR, "provider_key_refused",
                  LOG_STR("hint", "the provider takes neither SAMBANOVA_API_KEY nor its account: see /readyz"));
    else
        log_write(LOG_INFO, "provider_key_taken");
}

void upstream_check(struct relay *relay, struct transfer *transfer, bool streamed)
{
    const struct provider *provider = relay->settings.provider;
    long status = 0;
    char *type = NULL;
    transfer->checked = true;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    transfer->is_answer =
        status == 200 && !transfer->encoded && (!streamed || provider->ops->is_stream(provider, type));
    if (status == 200) tell_account(ACCOUNT_FINE);
    if (transfer->is_answer && streamed) {
        transfer->decoder = provider->ops->decoder_new(provider);
        transfer->is_answer = transfer->decoder != NULL;
    }
}

size_t upstream_keep_refusal(struct transfer *transfer, const char *bytes, size_t len)
{
    size_t room = REFUSAL_MAX_BYTES - transfer->refusal.len;
    buf_append(&transfer->refusal, bytes, len < room ? len : room);
    return len < room ? len : 0; /* enough seen: 0 ends the transfer */
}

/* The value of a header of this name (with its colon), trimmed; NULL: it is another. */
static const char *header_value(const char *line, size_t len, const char *name, size_t *value_len)
{
    size_t skip = strlen(name);
    if (len <= skip || strncasecmp(line, name, skip) != 0) return NULL;
    while (skip < len && (line[skip] == ' ' || line[skip] == '\t')) skip++;
    while (len > skip && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' ')) len--;
    *value_len = len - skip;
    return line + skip;
}

/* CURLOPT_HEADERFUNCTION. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t len = size * count, value_len;
    const char *value = header_value(line, len, "retry-after:", &value_len);
    if (value) {
        if (value_len >= sizeof transfer->retry_after) value_len = sizeof transfer->retry_after - 1;
        memcpy(transfer->retry_after, value, value_len);
        transfer->retry_after[value_len] = 0;
    } else if ((value = header_value(line, len, "content-encoding:", &value_len)) && value_len) {
        transfer->encoded = value_len != strlen("identity") || strncasecmp(value, "identity", value_len) != 0;
    }
    return len;
}

/* The relay's headers, with the trace's before them where there is one. Borrowed by curl until the transfer is closed.
 */
static struct curl_slist *headers_of(struct relay *relay, struct transfer *transfer, const struct trace *trace)
{
    char value[TRACEPARENT_SIZE];
    trace_format(trace, value);
    if (!value[0]) return relay->headers;
    snprintf(transfer->traceparent, sizeof transfer->traceparent, "traceparent: %s", value);
    transfer->headers = (struct curl_slist){.data = transfer->traceparent, .next = relay->headers};
    return &transfer->headers;
}

void upstream_count(enum chat_error error, bool account_refused)
{
    enum metrics_upstream kind = UPSTREAM_OTHER;
    if (error == CHAT_OK) return;
    if (account_refused)
        kind = UPSTREAM_ACCOUNT;
    else if (error == CHAT_ERR_UPSTREAM_TIMEOUT)
        kind = UPSTREAM_TIMEOUT;
    else if (error == CHAT_ERR_UPSTREAM_RATE_LIMITED)
        kind = UPSTREAM_RATE_LIMITED;
    else if (error == CHAT_ERR_UPSTREAM_INVALID_RESPONSE)
        kind = UPSTREAM_INVALID;
    metrics_add(&metrics->counters.upstream_errors[kind], 1);
}

struct report_job {
    struct job job; /* first */
    struct breaker_ticket ticket;
    enum breaker_outcome outcome;
};

static void run_report(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct report_job *report = (struct report_job *)job;
    ports->breaker->ops->report(ports->breaker, &report->ticket, report->outcome, 0);
    free(report);
}

/* By a job. false: no memory. */
static bool report(struct relay *relay, const struct breaker_ticket *ticket, enum breaker_outcome outcome)
{
    struct report_job *report = calloc(1, sizeof *report);
    if (!report) return false;
    *report = (struct report_job){.job = {.run = run_report}, .ticket = *ticket, .outcome = outcome};
    job_pool_submit(relay->jobs, &report->job);
    return true;
}

void upstream_trial_passed(struct relay *relay, struct breaker_ticket *ticket)
{
    if (!ticket->trial || !report(relay, ticket, BREAKER_SUCCESS)) return; /* else its end reports it */
    *ticket = (struct breaker_ticket){.model = ticket->model};
}

bool upstream_change_model(struct relay *relay, const char *model, struct upstream_ask *ask)
{
    const struct provider *provider = relay->settings.provider;
    struct buf body;
    buf_init(&body, ask->body_len + ESCAPED_MAX * strlen(model));
    if (!provider->ops->set_model(provider, ask->body, ask->body_len, model, &body)) {
        buf_fini(&body);
        return false;
    }
    free(ask->body);
    ask->body = buf_take(&body, &ask->body_len);
    ask->model = model;
    return true;
}

/* The oldest turns leave the body, in place. */
static void shorten(struct upstream_ask *ask)
{
    char *end = ask->body + ask->body_len;
    memmove(end - ask->cut.from_end, end - ask->cut.to_end, ask->cut.to_end);
    ask->body_len -= ask->cut.from_end - ask->cut.to_end;
    ask->cut.from_end = ask->cut.to_end = 0;
    ask->shortened = true;
}

/* Leaves one model for another: a job tells the first one's breaker, and asks the other's. */
struct change_job {
    struct job job; /* first */
    struct relay *relay;
    struct upstream_change *change;
    struct breaker_ticket left, taken;
};

static void run_change(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct change_job *change = (struct change_job *)job;
    const struct upstream_failure *why = &change->change->failure;
    int64_t wait_s;
    ports->breaker->ops->report(ports->breaker, &change->left, why->outcome, why->retry_after_s);
    if (ports->breaker->ops->allow(ports->breaker, change->relay->settings.fallback_model, &change->taken, &wait_s) !=
        CHAT_OK)
        change->taken.asked = false;
}

static void changed(struct job *job)
{
    struct change_job *made = (struct change_job *)job;
    struct upstream_change *change = made->change;
    change->under_way = false;
    if (!change->on_changed(change->owner, made->taken.asked ? &made->taken : NULL) && made->taken.asked)
        report(made->relay, &made->taken, BREAKER_NEITHER);
    free(made);
}

static bool start_change(struct relay *relay, struct upstream_change *change, struct breaker_ticket *breaker)
{
    struct change_job *job = calloc(1, sizeof *job);
    if (!job) return false;
    *job = (struct change_job){.job = {.run = run_change, .done = changed, .loop = &relay->loop},
                               .relay = relay,
                               .change = change,
                               .left = *breaker};
    *breaker = (struct breaker_ticket){.model = breaker->model}; /* how that one did is told */
    change->under_way = true;
    job_pool_submit(relay->jobs, &job->job);
    return true;
}

int64_t upstream_retry(struct relay *relay, const struct transfer *transfer, const struct upstream_failure *failure,
                       struct upstream_ask *ask, struct breaker_ticket *breaker, struct upstream_change *change)
{
    const char *fallback = relay->settings.fallback_model;
    const struct retry_failure why = {
        .retryable = failure->retryable,
        .too_long = failure->error == CHAT_ERR_CONTEXT_LENGTH_EXCEEDED,
        .of_model = failure->error == CHAT_ERR_MODEL_NOT_FOUND || failure->outcome == BREAKER_BUSY ||
                    (failure->retryable && failure->status),
        .retry_after_s = failure->retry_after_s,
    };
    struct retry retry = retry_next(ask->count, fallback && strcmp(ask->model, fallback) != 0, ask->cut.from_end > 0,
                                    &why, (uint32_t)random());
    if (retry.what == RETRY_NONE) return -1;
    change->failure = *failure;
    change->wait_ms = retry.wait_ms;
    if (retry.what == RETRY_FALLBACK) return start_change(relay, change, breaker) ? UPSTREAM_WAIT_FOR_CHANGE : -1;
    if (retry.what == RETRY_SHORTER) shorten(ask);
    log_write(LOG_WARN, retry.what == RETRY_SHORTER ? "upstream_shorter" : "upstream_retry",
              LOG_STR(transfer->id_name, transfer->id), LOG_STR("code", error_code(failure->error)),
              LOG_STR("model", ask->model), LOG_INT("attempt", ask->count), LOG_INT("wait_ms", retry.wait_ms));
    return retry.wait_ms;
}

bool upstream_fall_back(struct relay *relay, const struct transfer *transfer, const struct upstream_change *change,
                        struct upstream_ask *ask)
{
    const char *fallback = relay->settings.fallback_model;
    if (!upstream_change_model(relay, fallback, ask)) return false;
    log_write(LOG_WARN, "upstream_fallback", LOG_STR(transfer->id_name, transfer->id),
              LOG_STR("code", error_code(change->failure.error)), LOG_STR("model", fallback),
              LOG_INT("attempt", ask->count), LOG_INT("wait_ms", change->wait_ms));
    return true;
}

int64_t upstream_retry_after_s(enum chat_error error, int64_t told_s)
{
    if (error == CHAT_ERR_UPSTREAM_RATE_LIMITED) return breaker_rest_s(told_s);
    return told_s > 0 ? told_s : 0;
}

/* CURLOPT_SOCKOPTFUNCTION. Chunks are small and many; as sockets are made, the reading of each sends an acknowledgement
 * of its own. Delayed, there is one for two chunks, or after 40 ms: at 50 chunks a second 0.7 packets fewer for each. A
 * provider whose sockets hold small packets back (Nagle's algorithm, off where streams are served) would send 25 times
 * a second. */
static int on_socket_made(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context;
    (void)purpose;
    int off = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off); /* only a hint */
    return CURL_SOCKOPT_OK;
}

bool upstream_set_options(struct relay *relay, CURL *easy, const char *body, size_t body_len)
{
    const struct provider *provider = relay->settings.provider;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_URL, provider->completions_url);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_len);
    SET(CURLOPT_POSTFIELDS, body);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROTOCOLS_STR, "http,https"); /* http only for loopback: lib/sambanova refuses others */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, provider->proxy ? provider->proxy : ""); /* never the environment's */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* the key is not for the proxy */
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L); /* one KB could become megabytes; what comes compressed is refused */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)provider->connect_timeout_ms);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_SECONDS);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    SET(CURLOPT_BUFFERSIZE, (long)READ_BYTES);
    if (relay->settings.ca_file) SET(CURLOPT_CAINFO, relay->settings.ca_file);
    return ok;
}

static bool set_options(struct relay *relay, struct transfer *transfer, const struct upstream_request *request)
{
    CURL *easy = transfer->easy;
    bool ok = request->ask ? upstream_set_options(relay, easy, request->ask->body, request->ask->body_len)
                           : upstream_set_options(relay, easy, "", 0);
    SET(CURLOPT_HTTPHEADER, headers_of(relay, transfer, request->trace));
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_WRITEFUNCTION, request->on_body);
    SET(CURLOPT_WRITEDATA, request->owner);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, transfer);
#undef SET
    return ok;
}

/* Not under way yet. false: transfer->easy is NULL. */
static bool open_transfer(struct relay *relay, struct transfer *transfer, const struct upstream_request *request)
{
    *transfer = (struct transfer){.easy = curl_easy_init(),
                                  .owner = request->owner,
                                  .on_over = request->on_over,
                                  .id_name = request->id_name,
                                  .id = request->id};
    buf_init(&transfer->refusal, REFUSAL_MAX_BYTES);
    if (transfer->easy && set_options(relay, transfer, request)) return true;
    if (transfer->easy) curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    return false;
}

static bool add_transfer(struct relay *relay, struct transfer *transfer)
{
    if (pools_add(relay, transfer)) return true;
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    return false;
}

bool upstream_ask(struct relay *relay, struct transfer *transfer, const struct upstream_request *request)
{
    request->ask->count++;
    metrics_add(&metrics->counters.upstream_requests, 1);
    warm_asked(relay);
    return open_transfer(relay, transfer, request) && add_transfer(relay, transfer);
}

bool upstream_get_models(struct relay *relay, struct transfer *transfer, const struct upstream_request *request,
                         int timeout_ms)
{
    if (!open_transfer(relay, transfer, request)) return false;
    if (curl_easy_setopt(transfer->easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_URL, relay->settings.provider->models_url) == CURLE_OK &&
        curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK)
        return add_transfer(relay, transfer);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    return false;
}

void upstream_close(struct relay *relay, struct transfer *transfer)
{
    if (transfer->decoder) relay->settings.provider->ops->decoder_free(transfer->decoder);
    transfer->decoder = NULL;
    buf_fini(&transfer->refusal);
    if (!transfer->easy) return;
    pools_remove(relay, transfer);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
}

static struct upstream_failure connection_failed(const struct transfer *transfer)
{
    CURLcode result = transfer->result;
    bool never_sent =
        result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_SEND_ERROR;
    bool timed_out = result == CURLE_OPERATION_TIMEDOUT;
    upstream_count(timed_out ? CHAT_ERR_UPSTREAM_TIMEOUT : CHAT_ERR_UPSTREAM_ERROR, false);
    log_write(LOG_WARN, "upstream_connection_failed", LOG_STR(transfer->id_name, transfer->id), LOG_INT("curl", result),
              LOG_STR("reason", curl_easy_strerror(result)));
    return (struct upstream_failure){.error = timed_out ? CHAT_ERR_UPSTREAM_TIMEOUT : CHAT_ERR_UPSTREAM_ERROR,
                                     .outcome = BREAKER_FAILURE,
                                     .retryable = never_sent || timed_out,
                                     .retry_after_s = -1};
}

const char *upstream_account_sentence(const struct upstream_failure *failure)
{
    return failure->account ? "The model provider refuses this service's key or account: its operator has to act."
                            : NULL;
}

static struct upstream_failure refused(struct relay *relay, const struct transfer *transfer, int status)
{
    const struct provider *provider = relay->settings.provider;
    struct provider_refusal refusal = provider->ops->refusal(
        provider, status, transfer->refusal.data ? transfer->refusal.data : "", transfer->refusal.len,
        transfer->retry_after[0] ? transfer->retry_after : NULL, clock_wall_ms(relay->settings.clock));
    upstream_count(refusal.error, refusal.alert);
    if (refusal.account) tell_account(ACCOUNT_REFUSED);
    relay->reason = refusal.reason;
    log_write(refusal.alert ? LOG_ERROR : LOG_WARN, refusal.alert ? "provider_refused_account" : "upstream_refused",
              LOG_STR(transfer->id_name, transfer->id), LOG_INT("upstream_status", status),
              LOG_STR("code", error_code(refusal.error)),
              LOG_STR("upstream_code", refusal.reason.code[0] ? refusal.reason.code : NULL),
              LOG_STR("upstream_param", refusal.reason.param[0] ? refusal.reason.param : NULL),
              LOG_STR("problem", transfer->encoded ? "a Content-Encoding that was not asked for" : NULL));
    return (struct upstream_failure){.error = refusal.error,
                                     .account = refusal.account,
                                     .reason = &relay->reason,
                                     .status = status,
                                     .outcome = refusal.outcome,
                                     .retryable = refusal.retryable,
                                     .retry_after_s = refusal.retry_after_s};
}

bool upstream_looked_at(struct relay *relay, const struct transfer *transfer)
{
    const struct provider *provider = relay->settings.provider;
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    bool refused = status >= 400 && provider->ops->refusal(provider, (int)status, "", 0, NULL, 0).account;
    if (refused || status == 200) tell_account(refused ? ACCOUNT_REFUSED : ACCOUNT_FINE);
    return refused;
}

struct upstream_failure upstream_failure(struct relay *relay, const struct transfer *transfer)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 0 || (status == 200 && transfer->result != CURLE_OK && !transfer->checked))
        return connection_failed(transfer);
    return refused(relay, transfer, (int)status);
}

/* ---- of the whole relay ---- */

static bool make_headers(struct relay *relay)
{
    const char *lines[] = {relay->settings.provider->authorization,
                           "Content-Type: application/json",
                           "Accept: text/event-stream, application/json",
                           "Accept-Encoding: identity",
                           "Expect:",
                           "User-Agent: chat-fcgi"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct curl_slist *more = curl_slist_append(relay->headers, lines[i]);
        if (!more) return false;
        relay->headers = more;
    }
    return true;
}

bool upstream_init(struct relay *relay)
{
    return curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK && make_headers(relay) && pools_init(relay);
}

void upstream_fini(struct relay *relay)
{
    pools_fini(relay);
    curl_slist_free_all(relay->headers);
    relay->headers = NULL;
    curl_global_cleanup();
}
