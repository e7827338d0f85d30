/*
 * One question to the provider, over all its tries: the same again, shorter, or to the fallback model, as long as its
 * owner has been shown nothing. It has three limits of time: for the whole, for the first byte, and between two pieces
 * of use. Its owner is an answer or a completion (relay/).
 *
 *   question_new ─► question_ask ──► asking ──► receiving ──► over ─► question_free
 *                                      ▲  │ failed  │ failed, nothing shown
 *                                      └─ pausing ◄─┘
 *
 * What is read from a socket comes to the owner as the sink's calls and `bytes`, within a reading. There
 * the owner may call question_fine, question_alive and question_break; from `bytes`, `room` and `read_done` also
 * question_stop. All is for the loop's thread, where nothing else is said.
 */
#ifndef UPSTREAM_QUESTION_H
#define UPSTREAM_QUESTION_H

#include "base/trace.h"
#include "upstream/facts.h"

struct upstream;
struct question;

/* How it ended. Pointers live as long as the call. */
struct question_end {
    enum chat_error error;                /* CHAT_OK: the answer is whole */
    int status;                           /* the provider's, of a refusal; 0: it isn't one */
    const struct provider_reason *reason; /* of a refusal; else NULL */
    int64_t retry_after_s;                /* as a client is told; 0: nothing */
    bool account_refused;                 /* the provider takes nothing from this service */
    const char *says;                     /* to users, in place of the code's own sentence; static, NULL */
    const char *problem;                  /* for the log; static, NULL */
};

/* What a question says to its owner. `room`, `bytes`, `read_done` and the sink are called within a reading. */
struct question_ops {
    /* Whether the provider may be read: UPSTREAM_READ_BYTES may come. Where not, it isn't until question_resume. NULL:
     * it always may. */
    bool (*room)(void *owner);
    /* A piece of a stream was decoded. NULL: the sink has said it all. */
    void (*bytes)(void *owner);
    /* All pieces that one reading brought have been decoded. It is called before another question is read. NULL: the
     * owner doesn't gather them. */
    void (*read_done)(void *owner);
    /* The question is over. Called once, never within a reading, and not after question_stop. The question
     * is not to be freed here. */
    void (*over)(void *owner, const struct question_end *end);
};

/* Borrowed as long as the question is, but for the body. */
struct question_spec {
    const struct question_ops *ops;
    void *owner;
    struct delta_sink sink; /* of a stream; with `passed`: finish_reason or [DONE] is the end, whatever the text */
    bool streamed;
    char *body; /* malloc'ed, taken */
    size_t body_len;
    const char *model;   /* that the body names */
    struct body_cut cut; /* of the body, should the model find it too long */
    struct breaker_ticket breaker;
    const struct trace *trace;
    const char *id_name, *id; /* what the log calls it */
};

/* Takes the spec's body. If the breaker's ticket is of another model than the body names, the body is changed to that
 * one. Aborts without memory. Returns the question, for question_free. Any thread. */
struct question *question_new(struct upstream *upstream, const struct question_spec *spec);
/* Starts the first try; called once. `over` may be called before it returns. */
void question_ask(struct question *question);
/* The owner has shown something of what came. So no other try follows, and the breaker hears well of the model. */
void question_fine(struct question *question);
/* Something of use came: the limit between two pieces begins anew. */
void question_alive(struct question *question);
/* From the sink or `bytes`: what came can't be used. It ends with CHAT_ERR_UPSTREAM_INVALID_RESPONSE. problem: static.
 */
void question_break(struct question *question, const char *problem);
/* There is room again, after `room` said that there was none. What is there comes before this returns, unless it ends
 * the question. The time that the provider wasn't read counts for no limit. Not within a reading. */
void question_resume(struct question *question);
/* Ends the question without `over`. Before it returns, the sink gets what the decoder still holds. The connection is
 * closed; within a reading, at this turn's end. Does nothing if it is over. Not from the sink. */
void question_stop(struct question *question);
/* Not within a reading, nor a callback of its own; from the loop only in LOOP_FREE. NULL is fine. */
void question_free(struct question *question);
/* What is known of it. Once it is over or stopped nothing changes, and other threads may read. */
const struct question_facts *question_facts(const struct question *question);
/* Of one that isn't streamed, once it is over with CHAT_OK: the provider's JSON. */
const struct buf *question_whole(const struct question *question);
/* Within `over` with CHAT_OK, of a stream whose usage was to be passed: decoder_last of usecases/provider.h. */
void question_last(const struct question *question, const struct token_usage *usage, struct buf *out);

#endif
