/*
 * Any bytes, cut anywhere, as a provider's stream: the decoder may not crash, must hand on valid UTF-8 without NUL, and
 * must give the same texts and the same end whole, byte by byte, and in pieces of sizes that the input chooses.
 * The first input byte is the size of the pieces.
 */
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "sambanova/decode.h"
#include "sambanova/errors.h"

struct heard {
    struct buf content;
    struct buf reasoning;
    struct provider_end end;
};

static void hear(struct buf *buf, const char *text, size_t len)
{
    must(len > 0 && utf8_valid(text, len) && !memchr(text, '\0', len));
    must(buf_append(buf, text, len));
}

static void hear_content(void *context, const char *text, size_t len)
{
    hear(&((struct heard *)context)->content, text, len);
}

static void hear_reasoning(void *context, const char *text, size_t len)
{
    hear(&((struct heard *)context)->reasoning, text, len);
}

static void decode(struct heard *heard, const uint8_t *stream, size_t len, size_t size)
{
    struct delta_sink sink = {.content = hear_content, .reasoning = hear_reasoning, .context = heard};
    struct decoder *decoder = decode_new(NULL);
    enum chat_error error = CHAT_OK;

    buf_init(&heard->content, DECODE_MAX_TEXT);
    buf_init(&heard->reasoning, DECODE_MAX_TEXT);
    must(decoder != NULL);
    for (size_t at = 0; at < len; at += size) {
        size_t piece_len = size < len - at ? size : len - at;
        char *piece = malloc(piece_len);

        must(piece != NULL);
        memcpy(piece, stream + at, piece_len);
        error = decode_feed(decoder, piece, piece_len, &sink);
        free(piece);
    }
    decode_end(decoder, &sink, &heard->end);
    must(error == CHAT_OK || heard->end.error == error);
    must((heard->end.error == CHAT_OK) == (heard->end.problem == NULL));
    must(heard->end.error != CHAT_OK || heard->content.len + heard->reasoning.len > 0);
    decode_free(decoder);
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void must_agree(const struct heard *whole, const uint8_t *stream, size_t len, size_t size)
{
    struct heard cut;

    decode(&cut, stream, len, size);
    must(same(&whole->content, &cut.content) && same(&whole->reasoning, &cut.reasoning));
    must(whole->end.error == cut.end.error && whole->end.finish_reason == cut.end.finish_reason &&
         whole->end.problem == cut.end.problem && memcmp(&whole->end.usage, &cut.end.usage, sizeof cut.end.usage) == 0);
    buf_fini(&cut.content);
    buf_fini(&cut.reasoning);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct heard whole;

    if (len < 2) return 0;
    decode(&whole, data + 1, len - 1, len - 1);
    must_agree(&whole, data + 1, len - 1, 1);
    must_agree(&whole, data + 1, len - 1, 2u + data[0]);
    buf_fini(&whole.content);
    buf_fini(&whole.reasoning);

    /* The same bytes as a refusal: a status and a body. */
    struct provider_refusal refusal = errors_refusal(NULL, 400 + data[0], (const char *)data + 1, len - 1, NULL, 0);
    must(refusal.error != CHAT_OK && refusal.retry_after_s == -1);
    return 0;
}
