/*
 * The relay's view of a provider: how to ask it, and how its bytes become deltas. All of it is pure computation:
 * no I/O, safe in the relay loop.
 */
#ifndef USECASES_PROVIDER_H
#define USECASES_PROVIDER_H

#include "base/buf.h"
#include "base/error.h"
#include "domain/breaker.h"
#include "domain/context.h"

/* Where the events of a stream go on to a completion's client. Each goes out as `data: `, one line of JSON and a blank
 * line, whatever its framing was. An event that is not strictly JSON in UTF-8 breaks the stream. */
struct passed {
    struct buf *out;
    bool usage;      /* the client wants the usage: it is kept for decoder_last; otherwise it is left out */
    bool open;       /* a chunk was written, so an event without data may become a comment */
    unsigned events; /* how many with data have come, written or not; the caller resets it */
};

/* Takes what the decoder finds, in order. Text is always valid UTF-8, in whole characters, without NUL. */
struct delta_sink {
    void (*content)(void *context, const char *text, size_t len);
    void (*reasoning)(void *context, const char *text, size_t len);
    void *context;
    struct passed *passed; /* NULL: nobody wants the events */
};

/* How a stream ended, as far as its bytes show. */
struct provider_end {
    enum chat_error error;     /* CHAT_OK: a whole answer. UPSTREAM_ERROR: an error object; UPSTREAM_INVALID_RESPONSE:
                                  cut, empty, HTML, malformed, over a bound; others by the provider's error codes */
    const char *finish_reason; /* static string: "stop" "length" "tool_calls" "content_filter"; NULL = none seen */
    enum breaker_outcome outcome; /* what it shows of the model, without what a caller can cause: SUCCESS if the
                                     provider ended it properly, whatever its text */
    struct token_usage usage;     /* -1 = not told */
    size_t other_bytes;           /* of text that no sink got: other choices, tool calls; of a whole answer, all */
    const char *problem;          /* static, for the log: "no finish_reason and no [DONE]" …; NULL */
};

enum { PROVIDER_CODE_SIZE = 48, PROVIDER_PARAM_SIZE = 104, PROVIDER_MESSAGE_SIZE = 304 };

/* The provider's own reason against a request, for the client that wrote it. Each is UTF-8 in one line without control
 * characters; "" if the provider gives none, or none fit to be shown. */
struct provider_reason {
    char code[PROVIDER_CODE_SIZE];       /* word characters alone */
    char param[PROVIDER_PARAM_SIZE];     /* the field it is about */
    char message[PROVIDER_MESSAGE_SIZE]; /* "" too where it holds the key */
};

/* The meaning of an answer with a status other than 200. */
struct provider_refusal {
    enum chat_error error;
    bool retryable;               /* worth another try before anything was shown: 502, 503 */
    enum breaker_outcome outcome; /* FAILURE: of the provider, not of our request; BUSY: 429 */
    bool alert;                   /* the key or the account was refused: an operator must act */
    bool account;                 /* the provider takes nothing from this service at all: 401, 402 */
    int64_t retry_after_s;        /* -1 = none; clamped to 0..3600 */
    struct provider_reason reason;
};

/* The part to take out of a request body for a shorter one: the bytes from `from_end` before its end to `to_end` before
 * it. It is counted from the end, so another model's name in the head changes nothing. */
struct body_cut {
    size_t from_end, to_end;        /* both 0: nothing can be taken out */
    char starts_at[UUID_TEXT_SIZE]; /* the message that the shorter one begins with */
};

/* Bounds on a completion's request, whatever the client wrote. */
struct completion_bounds {
    const char *model;  /* NULL: the body names one */
    int64_t max_tokens; /* the most that either limit may have; if neither is set, the older one gets it */
    bool stream;        /* usage is asked for; otherwise only if there are stream_options at all */
};

struct decoder; /* one stream's; state only, bounded */

struct provider;
/* Implemented by lib/sambanova; callers use the functions below. */
struct provider_ops {
    bool (*compose)(const struct provider *self, const struct prompt *prompt, struct buf *out, struct body_cut *cut);
    bool (*set_model)(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out);
    bool (*bound)(const struct provider *self, const char *body, size_t len, const struct completion_bounds *bounds,
                  struct buf *out);
    struct decoder *(*decoder_new)(const struct provider *self);
    void (*decoder_free)(struct decoder *decoder);
    enum chat_error (*decoder_feed)(struct decoder *decoder, const char *bytes, size_t len,
                                    const struct delta_sink *sink);
    bool (*decoder_done)(const struct decoder *decoder);
    void (*decoder_last)(const struct decoder *decoder, const struct token_usage *usage, struct buf *out);
    void (*decoder_end)(struct decoder *decoder, const struct delta_sink *sink, struct provider_end *out);
    void (*whole)(const struct provider *self, struct buf *body, struct provider_end *out);
    struct provider_refusal (*refusal)(const struct provider *self, int status, const char *body, size_t len,
                                       const char *retry_after, int64_t wall_ms);
    bool (*is_stream)(const struct provider *self, const char *content_type);
};
struct provider {
    const struct provider_ops *ops;
    const char *completions_url; /* …/chat/completions */
    const char *models_url;
    const char *proxy;         /* between the provider and us; "": none. A secret: it may have a password */
    const char *authorization; /* "Authorization: Bearer …": a secret, for the connection alone */
    int connect_timeout_ms;
    int first_byte_timeout_ms;
    int idle_timeout_ms;
    int total_timeout_ms;
};

/* Writes the request body for a streamed answer to `out`, and into *cut how it becomes the shorter one that the prompt
 * names. false: it would exceed out's max. */
static inline bool provider_compose(const struct provider *self, const struct prompt *prompt, struct buf *out,
                                    struct body_cut *cut)
{
    return self->ops->compose(self, prompt, out, cut);
}

/* Takes a request body: a JSON object, composed by us or checked by the gate. Writes the same for another model to
 * `out`. false: it names no model, or would exceed out's max. */
static inline bool provider_set_model(const struct provider *self, const char *body, size_t len, const char *model,
                                      struct buf *out)
{
    return self->ops->set_model(self, body, len, model, out);
}

/* Takes a completion's request body: a JSON object, checked by the gate, with numbers as its token limits. Writes it to
 * `out` within its bounds, with the roles that the models know. false: a key that is set or bounded is spelled with
 * escapes, or it would exceed out's max (out->failed). */
static inline bool provider_bound(const struct provider *self, const char *body, size_t len,
                                  const struct completion_bounds *bounds, struct buf *out)
{
    return self->ops->bound(self, body, len, bounds, out);
}

/* Returns a decoder for one stream, which the caller frees; NULL: no memory. */
static inline struct decoder *provider_decoder_new(const struct provider *self)
{
    return self->ops->decoder_new(self);
}

/* Frees a decoder. */
static inline void provider_decoder_free(const struct provider *self, struct decoder *decoder)
{
    self->ops->decoder_free(decoder);
}

/* Takes body bytes of a 200 as they come, however they are split. CHAT_OK: go on (also after the end marker: the rest
 * is ignored). An error: the stream is broken; stop reading. decoder_end reports the same. */
static inline enum chat_error provider_decoder_feed(const struct provider *self, struct decoder *decoder,
                                                    const char *bytes, size_t len, const struct delta_sink *sink)
{
    return self->ops->decoder_feed(decoder, bytes, len, sink);
}

/* Returns true once [DONE] was seen: nothing after it counts. */
static inline bool provider_decoder_done(const struct provider *self, const struct decoder *decoder)
{
    return self->ops->decoder_done(decoder);
}

/* If usage was to be passed: writes the event with it, the last before the end marker. Takes it from `usage` if the
 * provider sent none. */
static inline void provider_decoder_last(const struct provider *self, const struct decoder *decoder,
                                         const struct token_usage *usage, struct buf *out)
{
    self->ops->decoder_last(decoder, usage, out);
}

/* Called after the last byte, whether it ended cleanly or not. Hands on text that was held back (a cut tag, an open
 * character), and fills *out. */
static inline void provider_decoder_end(const struct provider *self, struct decoder *decoder,
                                        const struct delta_sink *sink, struct provider_end *out)
{
    self->ops->decoder_end(decoder, sink, out);
}

/* Takes the body of a 200 that is not streamed, and mends in it what clients would refuse. If out->error is CHAT_OK, it
 * is an answer which may go on to a completion's client, and its usage is filled. */
static inline void provider_whole(const struct provider *self, struct buf *body, struct provider_end *out)
{
    self->ops->whole(self, body, out);
}

/* Takes the first bytes (up to 8 KiB) of an error answer, its Retry-After header (or NULL), and the time now, for
 * dates. Returns what the answer means. */
static inline struct provider_refusal provider_read_refusal(const struct provider *self, int status, const char *body,
                                                            size_t len, const char *retry_after, int64_t wall_ms)
{
    return self->ops->refusal(self, status, body, len, retry_after, wall_ms);
}

/* Returns whether a 200 with this Content-Type (or NULL) can be an event stream at all. */
static inline bool provider_is_stream(const struct provider *self, const char *content_type)
{
    return self->ops->is_stream(self, content_type);
}

#endif
