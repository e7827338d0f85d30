/*
 * One request to the provider, on libcurl's multi interface (pools.c). HTTP/1.1 on purpose: with this libcurl HTTP/2
 * opens a connection a stream anyway once one is full, and a stalled stream can stall its
 * neighbours. Nothing is removed from a multi handle within a callback.
 */
#include "upstream/transfer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/log.h"
#include "upstream/tally.h"

enum {
    DNS_CACHE_SECONDS = 300,
    READ_BYTES = 4096, /* libcurl's buffer of each transfer; its own 16 KB would hold what comes in a second */
    REFUSAL_MAX_BYTES = 8192,
};

void transfer_check(struct upstream *upstream, struct transfer *transfer, bool streamed)
{
    const struct provider *provider = upstream->settings.provider;
    long status = 0;
    char *type = NULL;
    transfer->checked = true;
    curl_easy_getinfo(transfer->pooled.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->pooled.easy, CURLINFO_CONTENT_TYPE, &type);
    transfer->is_answer = status == 200 && !transfer->encoded && (!streamed || provider_is_stream(provider, type));
    if (status == 200) tally_account(ACCOUNT_FINE);
    if (transfer->is_answer && streamed) {
        transfer->decoder = provider_decoder_new(provider);
        transfer->is_answer = transfer->decoder != NULL;
    }
}

size_t transfer_keep_refusal(struct transfer *transfer, const char *bytes, size_t len)
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

/* The headers of all requests, with the trace's before them where there is one. Borrowed by curl until the transfer is
 * closed.
 */
static struct curl_slist *headers_of(struct upstream *upstream, struct transfer *transfer, const struct trace *trace)
{
    char value[TRACEPARENT_SIZE];
    trace_format(trace, value);
    if (!value[0]) return upstream->headers;
    snprintf(transfer->traceparent, sizeof transfer->traceparent, "traceparent: %s", value);
    transfer->headers = (struct curl_slist){.data = transfer->traceparent, .next = upstream->headers};
    return &transfer->headers;
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

bool transfer_set_options(const struct upstream *upstream, CURL *easy, const char *body, size_t body_len)
{
    const struct provider *provider = upstream->settings.provider;
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
    if (upstream->settings.ca_file) SET(CURLOPT_CAINFO, upstream->settings.ca_file);
    return ok;
}

static bool set_options(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec)
{
    CURL *easy = transfer->pooled.easy;
    bool ok = transfer_set_options(upstream, easy, spec->body ? spec->body : "", spec->body_len);
    SET(CURLOPT_HTTPHEADER, headers_of(upstream, transfer, spec->trace));
    SET(CURLOPT_WRITEFUNCTION, spec->on_body);
    SET(CURLOPT_WRITEDATA, spec->owner);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, transfer);
#undef SET
    return ok;
}

/* Not under way yet. false: transfer->pooled.easy is NULL. */
static bool open_transfer(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec)
{
    *transfer = (struct transfer){.pooled = {.easy = curl_easy_init(), .owner = spec->owner, .on_over = spec->on_over},
                                  .id_name = spec->id_name,
                                  .id = spec->id};
    buf_init(&transfer->refusal, REFUSAL_MAX_BYTES);
    if (transfer->pooled.easy && set_options(upstream, transfer, spec)) return true;
    if (transfer->pooled.easy) curl_easy_cleanup(transfer->pooled.easy);
    transfer->pooled.easy = NULL;
    return false;
}

static bool add_transfer(struct upstream *upstream, struct transfer *transfer)
{
    if (pools_add(upstream->pools, &transfer->pooled)) return true;
    curl_easy_cleanup(transfer->pooled.easy);
    transfer->pooled.easy = NULL;
    return false;
}

bool transfer_ask(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec)
{
    return open_transfer(upstream, transfer, spec) && add_transfer(upstream, transfer);
}

bool transfer_get_models(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec,
                         int timeout_ms)
{
    if (!open_transfer(upstream, transfer, spec)) return false;
    if (curl_easy_setopt(transfer->pooled.easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
        curl_easy_setopt(transfer->pooled.easy, CURLOPT_URL, upstream->settings.provider->models_url) == CURLE_OK &&
        curl_easy_setopt(transfer->pooled.easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK)
        return add_transfer(upstream, transfer);
    curl_easy_cleanup(transfer->pooled.easy);
    transfer->pooled.easy = NULL;
    return false;
}

void transfer_close(struct upstream *upstream, struct transfer *transfer)
{
    if (transfer->decoder) provider_decoder_free(upstream->settings.provider, transfer->decoder);
    transfer->decoder = NULL;
    buf_fini(&transfer->refusal);
    if (!transfer->pooled.easy) return;
    pools_remove(upstream->pools, &transfer->pooled);
    curl_easy_cleanup(transfer->pooled.easy);
    transfer->pooled.easy = NULL;
}

static struct failure connection_failed(const struct transfer *transfer)
{
    CURLcode result = transfer->pooled.result;
    bool never_sent =
        result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_SEND_ERROR;
    bool timed_out = result == CURLE_OPERATION_TIMEDOUT;
    tally_failure(timed_out ? CHAT_ERR_UPSTREAM_TIMEOUT : CHAT_ERR_UPSTREAM_ERROR, false);
    log_write(LOG_WARN, "upstream_connection_failed", LOG_STR(transfer->id_name, transfer->id), LOG_INT("curl", result),
              LOG_STR("reason", curl_easy_strerror(result)));
    return (struct failure){.error = timed_out ? CHAT_ERR_UPSTREAM_TIMEOUT : CHAT_ERR_UPSTREAM_ERROR,
                            .outcome = BREAKER_FAILURE,
                            .retryable = never_sent || timed_out,
                            .retry_after_s = -1};
}

static struct failure refused(struct upstream *upstream, const struct transfer *transfer, int status)
{
    const struct provider *provider = upstream->settings.provider;
    struct provider_refusal refusal = provider_read_refusal(
        provider, status, transfer->refusal.data ? transfer->refusal.data : "", transfer->refusal.len,
        transfer->retry_after[0] ? transfer->retry_after : NULL, clock_wall_ms(upstream->settings.clock));
    tally_failure(refusal.error, refusal.alert);
    if (refusal.account) tally_account(ACCOUNT_REFUSED);
    upstream->reason = refusal.reason;
    log_write(refusal.alert ? LOG_ERROR : LOG_WARN, refusal.alert ? "provider_refused_account" : "upstream_refused",
              LOG_STR(transfer->id_name, transfer->id), LOG_INT("upstream_status", status),
              LOG_STR("code", error_code(refusal.error)),
              LOG_STR("upstream_code", refusal.reason.code[0] ? refusal.reason.code : NULL),
              LOG_STR("upstream_param", refusal.reason.param[0] ? refusal.reason.param : NULL),
              LOG_STR("problem", transfer->encoded ? "a Content-Encoding that was not asked for" : NULL));
    return (struct failure){.error = refusal.error,
                            .account = refusal.account,
                            .reason = &upstream->reason,
                            .status = status,
                            .outcome = refusal.outcome,
                            .retryable = refusal.retryable,
                            .retry_after_s = refusal.retry_after_s};
}

bool transfer_looked_at(const struct upstream *upstream, const struct transfer *transfer)
{
    const struct provider *provider = upstream->settings.provider;
    long status = 0;
    curl_easy_getinfo(transfer->pooled.easy, CURLINFO_RESPONSE_CODE, &status);
    bool refused = status >= 400 && provider_read_refusal(provider, (int)status, "", 0, NULL, 0).account;
    if (refused || status == 200) tally_account(refused ? ACCOUNT_REFUSED : ACCOUNT_FINE);
    return refused;
}

struct failure transfer_failure(struct upstream *upstream, const struct transfer *transfer)
{
    long status = 0;
    curl_easy_getinfo(transfer->pooled.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 0 || (status == 200 && transfer->pooled.result != CURLE_OK && !transfer->checked))
        return connection_failed(transfer);
    return refused(upstream, transfer, (int)status);
}
