/* A question asked the plain blocking way, from a thread that has the time. */
#include "upstream/options.h"
#include "upstream/upstream.h"

struct asking {
    const struct provider *provider;
    const struct delta_sink *sink;
    struct decoder *decoder;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct asking *asking = context;
    enum chat_error error = provider_decoder_feed(asking->provider, asking->decoder, bytes, size * count, asking->sink);
    return error == CHAT_OK ? size * count : 0;
}

/* NULL: it has none. Borrowed from the handle. */
static const char *retry_after_of(CURL *easy)
{
    struct curl_header *header;
    return curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

/* What the model has shown. */
static void take_outcome(const struct upstream *upstream, CURL *easy, CURLcode result, const struct provider_end *told,
                         struct blocking_end *out)
{
    const struct provider *provider = upstream->settings.provider;
    if (result == CURLE_OPERATION_TIMEDOUT) return;
    if (out->status == 200)
        out->outcome = told->outcome;
    else if (out->status == 0)
        out->outcome = BREAKER_FAILURE;
    else {
        struct provider_refusal refusal = provider_read_refusal(provider, out->status, "", 0, retry_after_of(easy),
                                                                clock_wall_ms(upstream->settings.clock));
        out->rest_s = refusal.retry_after_s;
        out->outcome = refusal.outcome;
    }
}

static void perform(const struct upstream *upstream, CURL *easy, struct asking *asking, struct blocking_end *out)
{
    long status = 0;
    CURLcode result = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int)status;
    struct provider_end told;
    provider_decoder_end(asking->provider, asking->decoder, asking->sink, &told);
    take_outcome(upstream, easy, result, &told, out);
    if (status == 200) out->usage = told.usage;
    out->whole = result == CURLE_OK && status == 200 && told.error == CHAT_OK;
}

void upstream_ask_blocking(const struct upstream *upstream, const struct blocking_question *question,
                           struct blocking_end *out)
{
    const struct provider *provider = upstream->settings.provider;
    struct asking asking = {.provider = provider, .sink = &question->sink, .decoder = provider_decoder_new(provider)};
    CURL *easy = curl_easy_init();
    *out = (struct blocking_end){.outcome = BREAKER_NEITHER, .rest_s = -1};
    if (easy && asking.decoder && upstream_set_options(upstream, easy) &&
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)question->body_len) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, question->body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE) ==
            CURLE_OK && /* the key isn't the proxy's */
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, upstream->headers) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)question->timeout_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &asking) == CURLE_OK)
        perform(upstream, easy, &asking, out);
    if (asking.decoder) provider_decoder_free(provider, asking.decoder);
    if (easy) curl_easy_cleanup(easy);
}
