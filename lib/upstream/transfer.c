/*
 * One request to the provider: its head is written here, its body goes out behind, and the response is read piece by
 * piece. An idle connection may have been closed by the provider in the very moment, some say 408 before. So a request
 * that got no byte of a response on a used connection, or a 408, is sent once more, on a new one.
 */
#include "upstream/transfer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "upstream/tally.h"

enum {
    REFUSAL_MAX_BYTES = 8192,
    /* Of a paced stream at once. A read brings one TLS record at most, and a provider may send each chunk in its own.
     */
    PACED_READS = 64,
    PACED_BYTES = 4 * UPSTREAM_READ_BYTES,
    TIMED_OUT = 408, /* the provider has waited for a request, and not seen this one */
};

/* ---- the end ---- */

static void end_as(struct transfer *transfer, CURLcode result)
{
    if (transfer->phase == TRANSFER_OVER) return;
    pace_leave(&transfer->upstream->pace, &transfer->paced);
    if (result == CURLE_OK && transfer->response.reusable && !transfer->head)
        connection_keep(&transfer->user);
    else
        connection_drop(&transfer->user);
    transfer->phase = TRANSFER_OVER;
    transfer->result = result;
    loop_at_turn_end(transfer->upstream->settings.loop, LOOP_SETTLE, &transfer->ending);
}

/* At the turn's end. */
static void tell_over(struct turn_end *item)
{
    struct transfer *transfer = LOOP_OWNER(item, struct transfer, ending);
    if (transfer->phase == TRANSFER_OVER) transfer->spec.on_over(transfer->spec.owner);
}

/* On a used connection that may have been at its end: once. */
static bool may_ask_again(const struct transfer *transfer)
{
    return !transfer->fresh && transfer->phase == TRANSFER_ASKING && connection_was_used(transfer->user.connection);
}

static bool ask_again(struct transfer *transfer)
{
    pace_leave(&transfer->upstream->pace, &transfer->paced);
    connection_drop(&transfer->user);
    response_fini(&transfer->response);
    response_begin(&transfer->response);
    transfer->began = false;
    transfer->fresh = true;
    transfer->phase = TRANSFER_OPENING;
    return connection_take(transfer->upstream->connections, &transfer->user, true);
}

static void fail(struct transfer *transfer, CURLcode result)
{
    if (transfer->began || !may_ask_again(transfer) || !ask_again(transfer)) end_as(transfer, result);
}

/* ---- the response ---- */

/* Hands on what was read. Returns the number of pieces. */
static unsigned take_bytes(struct transfer *transfer, const char *bytes, size_t len)
{
    unsigned pieces = 0;
    const char *body;
    size_t body_len;
    for (;;) {
        switch (response_next(&transfer->response, &bytes, &len, &body, &body_len)) {
        case RESPONSE_HEAD:
            if (transfer->response.status != TIMED_OUT || !may_ask_again(transfer)) continue;
            if (!ask_again(transfer)) end_as(transfer, CURLE_OUT_OF_MEMORY);
            return pieces;
        case RESPONSE_MORE: return pieces;
        case RESPONSE_BODY:
            pieces++;
            if (transfer->spec.on_body(transfer->spec.owner, body, body_len) == PIECE_TAKEN) continue;
            end_as(transfer, CURLE_WRITE_ERROR);
            return pieces;
        case RESPONSE_OVER:
            if (len) transfer->response.reusable = false; /* nobody has asked for that */
            end_as(transfer, CURLE_OK);
            return pieces;
        case RESPONSE_BROKEN: end_as(transfer, CURLE_WEIRD_SERVER_REPLY); return pieces;
        }
    }
}

static void take_end(struct transfer *transfer)
{
    if (!transfer->began)
        fail(transfer, CURLE_GOT_NOTHING);
    else
        end_as(transfer, response_end(&transfer->response) == RESPONSE_OVER ? CURLE_OK : CURLE_PARTIAL_FILE);
}

/* What may be read at once, and what was. */
struct reading {
    int reads_left;
    size_t bytes;
    unsigned pieces;
};

/* Reads once. Returns whether there may be more. */
static bool read_once(struct transfer *transfer, struct reading *reading)
{
    struct upstream *upstream = transfer->upstream;
    size_t len = 0;
    if (transfer->spec.room && !transfer->spec.room(transfer->spec.owner)) {
        transfer->held = true;
        return false;
    }
    CURLcode result = connection_read(transfer->user.connection, upstream->bytes, sizeof upstream->bytes, &len);
    if (result == CURLE_AGAIN) return false;
    if (result != CURLE_OK)
        fail(transfer, result);
    else if (len == 0)
        take_end(transfer);
    else {
        transfer->began = true;
        reading->bytes += len;
        reading->pieces += take_bytes(transfer, upstream->bytes, len);
    }
    return transfer->phase == TRANSFER_ASKING && (upstream->tls || len == sizeof upstream->bytes);
}

/* Waits for events from now on, or is paced. */
static void wait_for_more(struct transfer *transfer, unsigned pieces)
{
    uint32_t events = EPOLLIN | (transfer->head ? EPOLLOUT : 0u);
    if (transfer->phase != TRANSFER_ASKING) return;
    if (transfer->held || (!transfer->head && pace_took(&transfer->upstream->pace, &transfer->paced, pieces)))
        events = 0;
    if (!connection_wait(transfer->user.connection, events)) end_as(transfer, CURLE_OUT_OF_MEMORY);
}

/* Returns whether there may be more. */
static bool read_some(struct transfer *transfer, struct reading *reading)
{
    bool more = true;
    transfer->reading = true;
    while (more && reading->reads_left-- > 0 && reading->bytes < PACED_BYTES) more = read_once(transfer, reading);
    if (reading->bytes) metrics_add(&metrics->counters.upstream_reads, 1);
    if (reading->pieces && transfer->spec.read_done) transfer->spec.read_done(transfer->spec.owner);
    transfer->reading = false;
    if (transfer->held) pace_leave(&transfer->upstream->pace, &transfer->paced);
    return more;
}

static void read_response(struct transfer *transfer)
{
    struct reading reading = {.reads_left = 1};
    read_some(transfer, &reading);
    wait_for_more(transfer, reading.pieces);
}

/* One that brings more than a reading takes would fall behind: it is read by its events for a while. */
static void on_pace(struct paced *paced)
{
    struct transfer *transfer = LOOP_OWNER(paced, struct transfer, paced);
    struct reading reading = {.reads_left = PACED_READS};
    if (read_some(transfer, &reading)) pace_leave(&transfer->upstream->pace, paced);
    wait_for_more(transfer, reading.pieces);
}

/* ---- the request ---- */

/* What goes out next, from head and body. One write, and one TLS record, takes a small body along with the head. */
static const char *next_part(struct transfer *transfer, size_t *len)
{
    struct upstream *upstream = transfer->upstream;
    const struct transfer_spec *spec = &transfer->spec;
    size_t head_left = transfer->sent < transfer->head_len ? transfer->head_len - transfer->sent : 0;
    if (!head_left) {
        size_t at = transfer->sent - transfer->head_len;
        *len = spec->body_len - at;
        return spec->body + at;
    }
    size_t head = head_left < sizeof upstream->outgoing ? head_left : sizeof upstream->outgoing;
    size_t room = sizeof upstream->outgoing - head;
    size_t body = spec->body_len < room ? spec->body_len : room;
    memcpy(upstream->outgoing, transfer->head + transfer->sent, head);
    if (body) memcpy(upstream->outgoing + head, spec->body, body);
    *len = head + body;
    return upstream->outgoing;
}

/* A head holds the provider's key. */
static void free_head(struct transfer *transfer)
{
    if (transfer->head) explicit_bzero(transfer->head, transfer->head_len);
    free(transfer->head);
    transfer->head = NULL;
}

/* What the socket takes. false: it has failed. */
static bool send_request(struct transfer *transfer)
{
    size_t whole = transfer->head_len + transfer->spec.body_len;
    while (transfer->sent < whole) {
        size_t len, sent = 0;
        const char *part = next_part(transfer, &len);
        CURLcode result = connection_send(transfer->user.connection, part, len, &sent);
        if (result == CURLE_AGAIN) return true;
        if (result != CURLE_OK) return false;
        transfer->sent += sent;
    }
    free_head(transfer);
    return true;
}

static bool write_head(struct transfer *transfer)
{
    const struct upstream *upstream = transfer->upstream;
    const struct transfer_spec *spec = &transfer->spec;
    char trace[TRACEPARENT_SIZE], length[32] = "";
    trace_format(spec->trace, trace);
    if (spec->body) snprintf(length, sizeof length, "Content-Length: %zu\r\n", spec->body_len);
    free_head(transfer);
    int len = asprintf(&transfer->head, "%s %s HTTP/1.1\r\n%s%s%s%s%s\r\n", spec->method, spec->target,
                       upstream->head_lines, trace[0] ? "traceparent: " : "", trace, trace[0] ? "\r\n" : "", length);
    if (len < 0) transfer->head = NULL;
    transfer->head_len = len < 0 ? 0 : (size_t)len;
    transfer->sent = 0;
    return len >= 0;
}

static void on_ready(struct connection_user *user)
{
    struct transfer *transfer = LOOP_OWNER(user, struct transfer, user);
    transfer->phase = TRANSFER_ASKING;
    if (!write_head(transfer))
        end_as(transfer, CURLE_OUT_OF_MEMORY);
    else if (!send_request(transfer))
        fail(transfer, CURLE_SEND_ERROR);
    else
        wait_for_more(transfer, 0);
}

static void on_failed(struct connection_user *user, CURLcode result)
{
    end_as(LOOP_OWNER(user, struct transfer, user), result);
}

/* A provider may refuse a request before it has read it, and close: what it said is read first. */
static void on_event(struct connection_user *user, uint32_t events)
{
    struct transfer *transfer = LOOP_OWNER(user, struct transfer, user);
    bool failed = false;
    if (events & EPOLLOUT && transfer->head) failed = !send_request(transfer);
    if (events & ~(uint32_t)EPOLLOUT || failed)
        read_response(transfer);
    else
        wait_for_more(transfer, 0);
    if (failed && transfer->phase == TRANSFER_ASKING && transfer->head) fail(transfer, CURLE_SEND_ERROR);
}

/* ---- its life ---- */

bool transfer_ask(struct upstream *upstream, struct transfer *transfer, const struct transfer_spec *spec)
{
    assert(!transfer->ending.due);
    *transfer = (struct transfer){.upstream = upstream,
                                  .spec = *spec,
                                  .user = {.ready = on_ready, .failed = on_failed, .event = on_event},
                                  .paced.read = on_pace,
                                  .ending.run = tell_over,
                                  .phase = TRANSFER_OPENING};
    buf_init(&transfer->refusal, REFUSAL_MAX_BYTES);
    response_begin(&transfer->response);
    if (connection_take(upstream->connections, &transfer->user, false)) return true;
    transfer->phase = TRANSFER_CLOSED;
    return false;
}

bool transfer_is_sent(const struct transfer *transfer)
{
    return transfer->phase >= TRANSFER_ASKING && transfer->began && !transfer->head;
}

void transfer_resume(struct transfer *transfer)
{
    if (!transfer->held || transfer->phase != TRANSFER_ASKING) return;
    transfer->held = false;
    read_response(transfer);
}

void transfer_close(struct transfer *transfer)
{
    if (transfer->phase == TRANSFER_CLOSED) return;
    assert(!transfer->reading);
    if (transfer->decoder) provider_decoder_free(transfer->upstream->settings.provider, transfer->decoder);
    pace_leave(&transfer->upstream->pace, &transfer->paced);
    connection_drop(&transfer->user);
    response_fini(&transfer->response);
    free_head(transfer);
    buf_fini(&transfer->refusal);
    transfer->decoder = NULL;
    transfer->phase = TRANSFER_CLOSED;
}

/* ---- what a response means ---- */

void transfer_check(struct transfer *transfer, bool streamed)
{
    const struct provider *provider = transfer->upstream->settings.provider;
    const struct response *response = &transfer->response;
    transfer->checked = true;
    transfer->is_answer = response->status == 200 && !response->encoded &&
                          (!streamed || provider_is_stream(provider, response->type[0] ? response->type : NULL));
    if (response->status == 200) tally_account(ACCOUNT_FINE);
    if (transfer->is_answer && streamed) {
        transfer->decoder = provider_decoder_new(provider);
        transfer->is_answer = transfer->decoder != NULL;
    }
}

enum piece transfer_keep_refusal(struct transfer *transfer, const char *bytes, size_t len)
{
    size_t room = REFUSAL_MAX_BYTES - transfer->refusal.len;
    buf_append(&transfer->refusal, bytes, len < room ? len : room);
    return len < room ? PIECE_TAKEN : PIECE_ENOUGH;
}

static struct failure connection_failed(const struct transfer *transfer)
{
    CURLcode result = transfer->result;
    bool never_sent =
        result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_SEND_ERROR;
    bool timed_out = result == CURLE_OPERATION_TIMEDOUT;
    tally_failure(timed_out ? CHAT_ERR_UPSTREAM_TIMEOUT : CHAT_ERR_UPSTREAM_ERROR, false);
    log_write(LOG_WARN, "upstream_connection_failed", LOG_STR(transfer->spec.id_name, transfer->spec.id),
              LOG_INT("curl", result), LOG_STR("reason", curl_easy_strerror(result)),
              LOG_STR("problem", transfer->response.problem));
    return (struct failure){.error = timed_out ? CHAT_ERR_UPSTREAM_TIMEOUT : CHAT_ERR_UPSTREAM_ERROR,
                            .outcome = BREAKER_FAILURE,
                            .retryable = never_sent || timed_out,
                            .retry_after_s = -1};
}

static struct failure refused(const struct transfer *transfer, int status)
{
    struct upstream *upstream = transfer->upstream;
    const struct provider *provider = upstream->settings.provider;
    const struct response *response = &transfer->response;
    struct provider_refusal refusal = provider_read_refusal(
        provider, status, transfer->refusal.data ? transfer->refusal.data : "", transfer->refusal.len,
        response->retry_after[0] ? response->retry_after : NULL, clock_wall_ms(upstream->settings.clock));
    tally_failure(refusal.error, refusal.alert);
    if (refusal.account) tally_account(ACCOUNT_REFUSED);
    upstream->reason = refusal.reason;
    log_write(refusal.alert ? LOG_ERROR : LOG_WARN, refusal.alert ? "provider_refused_account" : "upstream_refused",
              LOG_STR(transfer->spec.id_name, transfer->spec.id), LOG_INT("upstream_status", status),
              LOG_STR("code", error_code(refusal.error)),
              LOG_STR("upstream_code", refusal.reason.code[0] ? refusal.reason.code : NULL),
              LOG_STR("upstream_param", refusal.reason.param[0] ? refusal.reason.param : NULL),
              LOG_STR("problem", response->encoded ? "a Content-Encoding that was not asked for" : NULL));
    return (struct failure){.error = refusal.error,
                            .account = refusal.account,
                            .reason = &upstream->reason,
                            .status = status,
                            .outcome = refusal.outcome,
                            .retryable = refusal.retryable,
                            .retry_after_s = refusal.retry_after_s};
}

bool transfer_looked_at(const struct transfer *transfer)
{
    int status = transfer->response.status;
    bool refused =
        status >= 400 && provider_read_refusal(transfer->upstream->settings.provider, status, "", 0, NULL, 0).account;
    if (refused || status == 200) tally_account(refused ? ACCOUNT_REFUSED : ACCOUNT_FINE);
    return refused;
}

struct failure transfer_failure(const struct transfer *transfer)
{
    int status = transfer->response.status;
    if (status == 0 || (status == 200 && transfer->result != CURLE_OK && !transfer->checked))
        return connection_failed(transfer);
    return refused(transfer, status);
}
