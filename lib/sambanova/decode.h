/*
 * Turns the bytes of a streamed answer into text: the decoder of usecases/provider.h. The same bytes give the same text
 * and the same end however they are split; only the borders of the pieces differ.
 *
 * Reasoning is:
 *   - delta.reasoning or delta.reasoning_content; if a chunk has both, they are copies, and the first counts;
 *   - content of a delta whose own channel is "analysis" or "commentary" ("final", any other or none: content);
 *   - content parts of type "thinking" or "reasoning";
 *   - <think>…</think> at the very start of the content, white space before it allowed. Tags and the white space
 *     right behind them are dropped. Without </think> all of it is reasoning. A later <think> is plain text.
 *   - </think> that nothing opened: only the tag is dropped, once. The text before it has been shown as content by
 *     then. To take it back, or to hold every answer back in case the tag comes, would be worse.
 *
 * An answer is whole if it has a finish_reason or [DONE], and text that is not only white space; with finish_reason
 * "length" reasoning is enough.
 */
#ifndef SAMBANOVA_DECODE_H
#define SAMBANOVA_DECODE_H

#include "usecases/provider.h"

enum {
    DECODE_MAX_EVENT = 256 * 1024,      /* bytes of a line, and of an event's data */
    DECODE_MAX_TEXT = 1024 * 1024,      /* bytes of content and reasoning together */
    DECODE_MAX_BODY = 64 * 1024 * 1024, /* bytes of the whole stream */
};

struct decoder *decode_new(const struct provider *self);
void decode_free(struct decoder *decoder);
enum chat_error decode_feed(struct decoder *decoder, const char *bytes, size_t len, const struct delta_sink *sink);
bool decode_done(const struct decoder *decoder);
void decode_last(const struct decoder *decoder, const struct token_usage *usage, struct buf *out);
void decode_whole(const struct provider *self, struct buf *body, struct provider_end *out);
void decode_end(struct decoder *decoder, const struct delta_sink *sink, struct provider_end *out);
bool decode_is_stream(const struct provider *self, const char *content_type);

#endif
