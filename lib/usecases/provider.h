/*
 * What the relay needs to know of a provider: how to ask, and how its bytes become deltas. Implemented by
 * lib/sambanova. Everything here is pure computation: no I/O, safe in the relay loop.
 */
#ifndef USECASES_PROVIDER_H
#define USECASES_PROVIDER_H

#include "base/buf.h"
#include "base/error.h"
#include "domain/breaker.h"
#include "domain/context.h"

/* Where the events of a stream go on to a completion's client, each as `data: `, one line of JSON and a blank line,
 * whatever they were framed as. What is not JSON in UTF-8 to the letter breaks the stream then. */
struct passed {
    struct buf *out;
    bool usage;      /* the client wants to know: what tells it is kept for decoder_last; else it is left out */
    bool open;       /* a chunk was written, so silence may be bridged: an event without data becomes a comment */
    unsigned events; /* with data that have come, written or not: the caller's to set back */
};

/* Takes what the decoder finds, in order, text always whole UTF-8 characters, valid, without NUL. */
struct delta_sink {
    void (*content)(void *context, const char *text, size_t len);
    void (*reasoning)(void *context, const char *text, size_t len);
    void *context;
    struct passed *passed; /* NULL: nobody wants the events */
};

/* How a stream ended, as far as the bytes tell. */
struct provider_end {
    enum chat_error error;     /* CHAT_OK: a whole answer. UPSTREAM_ERROR: an error object; UPSTREAM_INVALID_RESPONSE:
                                  cut, empty, HTML, malformed, over a bound; others by the provider's error codes */
    const char *finish_reason; /* static string: "stop" "length" "tool_calls" "content_filter"; NULL = none seen */
    enum breaker_outcome outcome; /* what it says of the model, as far as no caller can bring it about: SUCCESS where
                                     the provider ended it properly, whatever its text */
    struct token_usage usage;     /* -1 = not told */
    size_t other_bytes;           /* of text that no sink was handed: other choices, calls of tools; of a whole: all */
    const char *problem;          /* static, for the log: "no finish_reason and no [DONE]" …; NULL */
};

enum { PROVIDER_CODE_SIZE = 48, PROVIDER_PARAM_SIZE = 104, PROVIDER_MESSAGE_SIZE = 304 };

/* What the provider itself says against a request: for who wrote that. Each "" where it says nothing, or nothing fit to
 * be shown; UTF-8 in one line without control characters. */
struct provider_reason {
    char code[PROVIDER_CODE_SIZE];       /* word characters alone */
    char param[PROVIDER_PARAM_SIZE];     /* the field it is about */
    char message[PROVIDER_MESSAGE_SIZE]; /* "" too where it holds the key */
};

/* What an answer with a status other than 200 means. */
struct provider_refusal {
    enum chat_error error;
    bool retryable;               /* worth another try before anything was shown: 502, 503 */
    enum breaker_outcome outcome; /* FAILURE: of the provider, not of our request; BUSY: 429 */
    bool alert;                   /* the key or the account was refused: an operator must act */
    bool account;                 /* the provider takes nothing from this service at all: 401, 402 */
    int64_t retry_after_s;        /* -1 = none; clamped to 0..3600 */
    struct provider_reason reason;
};

/* What to take out of a request body so that a shorter one is left: the bytes from `from_end` before its end to
 * `to_end` before it. Counted from the end, so another model's name in its head changes nothing. */
struct body_cut {
    size_t from_end, to_end;        /* both 0: there is nothing to take out */
    char starts_at[UUID_TEXT_SIZE]; /* the message that the shorter one begins with */
};

/* What a completion's request says whatever the client wrote. */
struct completion_bounds {
    const char *model;  /* NULL: the body names one */
    int64_t max_tokens; /* of both limits at most, and the older one's where there is neither */
    bool stream;        /* usage is asked for; else only where there are stream_options at all */
};

struct decoder; /* one stream's; state only, bounded */

struct provider;
struct provider_ops {
    /* The request body for a streamed answer, and how it becomes the shorter one that the prompt names. false: it would
     * pass out's max. */
    bool (*compose)(const struct provider *self, const struct prompt *prompt, struct buf *out, struct body_cut *cut);
    /* The same request body for another model. body: a JSON object, composed by us or checked by the gate. false: it
     * names no model, or out's max. */
    bool (*set_model)(const struct provider *self, const char *body, size_t len, const char *model, struct buf *out);
    /* A completion's request body within its bounds, with the roles that the models know. body: a JSON object, checked
     * by the gate; numbers where tokens are limited. false: a key that is set or bounded is spelled with escapes, or
     * out's max (out->failed). */
    bool (*bound)(const struct provider *self, const char *body, size_t len, const struct completion_bounds *bounds,
                  struct buf *out);
    /* NULL: no memory. */
    struct decoder *(*decoder_new)(const struct provider *self);
    void (*decoder_free)(struct decoder *decoder);
    /* Takes body bytes of a 200 as they come, any split. CHAT_OK: go on (also after the end marker: the rest is
     * ignored). An error: the stream is broken, stop reading; decoder_end tells the same. */
    enum chat_error (*decoder_feed)(struct decoder *decoder, const char *bytes, size_t len,
                                    const struct delta_sink *sink);
    /* true once [DONE] was seen: nothing more will come that counts. */
    bool (*decoder_done)(const struct decoder *decoder);
    /* Where usage was to be passed: the event that tells it, the last before the end marker. `usage` where the provider
     * told none. */
    void (*decoder_last)(const struct decoder *decoder, const struct token_usage *usage, struct buf *out);
    /* After the last byte (cleanly ended or not); hands on text held back (a cut tag, an open character). */
    void (*decoder_end)(struct decoder *decoder, const struct delta_sink *sink, struct provider_end *out);
    /* The body of a 200 that is not streamed. out->error CHAT_OK: an answer, which may go on to a completion's client;
     * its usage is filled. What clients would refuse in it is mended. */
    void (*whole)(const struct provider *self, struct buf *body, struct provider_end *out);
    /* body: the first bytes (up to 8 KiB) of the error answer; retry_after: the header or NULL; now for dates. */
    struct provider_refusal (*refusal)(const struct provider *self, int status, const char *body, size_t len,
                                       const char *retry_after, int64_t wall_ms);
    /* Whether a 200 with this Content-Type (may be NULL) can be an event stream at all. */
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

#endif
