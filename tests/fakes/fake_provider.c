#include "tests/fakes/fake_provider.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sambanova/compose.h"

struct decoder {
    char line[4096];
    size_t len;
    bool stop, done, bad, too_long;
    struct token_usage usage;
    char held[32]; /* text that comes at the end: "held one" */
};

static bool compose(const struct provider *self, const struct prompt *prompt, struct buf *out, struct body_cut *cut)
{
    static const char *const roles[] = {[ROLE_SYSTEM] = "system", [ROLE_USER] = "user", [ROLE_ASSISTANT] = "assistant"};
    size_t first_at = 0, shorter_at = 0;

    const struct fake_provider *fake = (const struct fake_provider *)self;

    if (fake->compose_fails) return false;
    buf_printf(out, "model=%s max_tokens=%d%s\n", prompt->model, prompt->max_tokens,
               fake->takes_effort && prompt->low_effort ? " effort=low" : "");
    for (size_t i = 0; i < prompt->turn_count; i++) {
        const struct turn *turn = &prompt->turns[i];

        buf_append_str(out, turn->joins ? "+" : i ? "\n" : "");
        if (!turn->joins) buf_printf(out, "%s: ", roles[turn->role]);
        if (!first_at && turn->role != ROLE_SYSTEM) first_at = out->len;
        if (i && i == prompt->shorter_from) shorter_at = out->len;
        buf_append(out, turn->content, turn->content_len);
    }
    buf_append_char(out, '\n');
    *cut = (struct body_cut){0};
    if (shorter_at > first_at) {
        *cut = (struct body_cut){.from_end = out->len - first_at, .to_end = out->len - shorter_at};
        snprintf(cut->starts_at, sizeof cut->starts_at, "%s", prompt->shorter_starts_at);
    }
    return !out->failed;
}

static bool set_model(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out)
{
    const char *blank = memchr(body, ' ', len);

    (void)self;
    buf_printf(out, "model=%s", model);
    buf_append(out, blank, len - (size_t)(blank - body));
    return !out->failed;
}

static struct decoder *decoder_new(const struct provider *self)
{
    struct decoder *decoder = calloc(1, sizeof *decoder);

    (void)self;
    if (!decoder) abort();
    decoder->usage = (struct token_usage)USAGE_UNKNOWN;
    return decoder;
}

static void decoder_free(struct decoder *decoder)
{
    free(decoder);
}

static void run_line(struct decoder *decoder, const struct delta_sink *sink)
{
    long long prompt, completion;
    char *line = decoder->line;

    if (strncmp(line, "c ", 2) == 0) sink->content(sink->context, line + 2, strlen(line + 2));
    if (strncmp(line, "r ", 2) == 0) sink->reasoning(sink->context, line + 2, strlen(line + 2));
    if (strncmp(line, "held ", 5) == 0) snprintf(decoder->held, sizeof decoder->held, "%s", line + 5);
    if (strcmp(line, "stop") == 0) decoder->stop = true;
    if (strcmp(line, "done") == 0) decoder->done = true;
    if (strcmp(line, "bad") == 0) decoder->bad = true;
    if (strcmp(line, "too_long") == 0) decoder->bad = decoder->too_long = true;
    if (sscanf(line, "usage %lld %lld", &prompt, &completion) == 2)
        decoder->usage = (struct token_usage){prompt, completion, prompt + completion, 0};
}

static enum chat_error decoder_feed(struct decoder *decoder, const char *bytes, size_t len,
                                    const struct delta_sink *sink)
{
    for (size_t i = 0; i < len && !decoder->bad; i++) {
        if (bytes[i] != '\n') {
            if (decoder->len + 1 < sizeof decoder->line) decoder->line[decoder->len++] = bytes[i];
            continue;
        }
        decoder->line[decoder->len] = '\0';
        decoder->len = 0;
        run_line(decoder, sink);
    }
    return decoder->bad ? CHAT_ERR_UPSTREAM_INVALID_RESPONSE : CHAT_OK;
}

static bool decoder_done(const struct decoder *decoder)
{
    return decoder->done;
}

static void decoder_end(struct decoder *decoder, const struct delta_sink *sink, struct provider_end *out)
{
    bool whole = !decoder->bad && (decoder->stop || decoder->done);

    if (decoder->held[0]) sink->content(sink->context, decoder->held, strlen(decoder->held));
    decoder->held[0] = '\0';
    *out = (struct provider_end){.error = whole ? CHAT_OK : CHAT_ERR_UPSTREAM_INVALID_RESPONSE,
                                 .outcome = whole ? BREAKER_SUCCESS : BREAKER_FAILURE,
                                 .finish_reason = decoder->stop ? "stop" : NULL,
                                 .usage = decoder->usage,
                                 .problem = whole ? NULL : "cut"};
    if (decoder->too_long) out->error = CHAT_ERR_CONTEXT_LENGTH_EXCEEDED;
}

static struct provider_refusal refusal(const struct provider *self, int status, const char *body, size_t len,
                                       const char *retry_after, int64_t wall_ms)
{
    struct provider_refusal out = {.error = CHAT_ERR_UPSTREAM_ERROR, .retry_after_s = -1};

    (void)self;
    (void)wall_ms;
    if (retry_after) out.retry_after_s = atoi(retry_after);
    out.retryable = status == 502 || status == 503;
    out.outcome = status == 429 ? BREAKER_BUSY : status < 400 || status > 499 ? BREAKER_FAILURE : BREAKER_NEITHER;
    out.alert = out.account = status == 401 || status == 402;
    if (status == 200) out.error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE;
    if (status == 429) out.error = CHAT_ERR_UPSTREAM_RATE_LIMITED;
    if (status == 410) out.error = CHAT_ERR_MODEL_NOT_FOUND;
    if (len >= 7 && memcmp(body, "context", 7) == 0) out.error = CHAT_ERR_CONTEXT_LENGTH_EXCEEDED;
    return out;
}

static bool is_stream(const struct provider *self, const char *content_type)
{
    (void)self;
    return content_type && strncmp(content_type, "text/event-stream", 17) == 0;
}

void fake_provider_init(struct fake_provider *self, int port)
{
    static const struct provider_ops ops = {
        .compose = compose,
        .set_model = set_model,
        .bound = compose_bound,
        .decoder_new = decoder_new,
        .decoder_free = decoder_free,
        .decoder_feed = decoder_feed,
        .decoder_done = decoder_done,
        .decoder_end = decoder_end,
        .refusal = refusal,
        .is_stream = is_stream,
    };

    memset(self, 0, sizeof *self);
    snprintf(self->url, sizeof self->url, "http://127.0.0.1:%d/v1/chat/completions", port);
    snprintf(self->models_url, sizeof self->models_url, "http://127.0.0.1:%d/v1/models", port);
    self->provider = (struct provider){.ops = &ops,
                                       .completions_url = self->url,
                                       .models_url = self->models_url,
                                       .authorization = "Authorization: Bearer key-of-the-fake",
                                       .connect_timeout_ms = 5000,
                                       .first_byte_timeout_ms = 20000,
                                       .idle_timeout_ms = 20000,
                                       .total_timeout_ms = 60000};
}
