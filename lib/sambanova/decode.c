/*
 *   bytes ──sse_reader──► event ──chunk_read──► delta ──┬─ reasoning ───────────────► sink
 *                                                      └─ content ──tags (<think>)──► sink
 */
#include "sambanova/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sse.h"
#include "sambanova/chunk.h"
#include "sambanova/errors.h"

enum { MAX_LEADING_SPACE = 64 }; /* held back at the start, in case a tag follows; more than this is content */

static const char opening[] = "<think>", closing[] = "</think>";

struct decoder {
    struct sse_reader events;
    struct chunk_form form;
    struct buf scratch; /* a text that had to be unescaped */
    struct buf last;    /* for decode_last: JSON; with the usage in it where last_tells */
    bool last_tells;
    size_t other_bytes;
    const struct delta_sink *sink; /* while within feed or end */
    size_t body_bytes;
    size_t text_bytes; /* as it came, tags included */
    enum chat_error error;
    enum breaker_outcome outcome; /* of the error */
    const char *problem;
    const char *finish_reason;
    struct token_usage usage;
    bool done;  /* [DONE] */
    bool began; /* the first byte that counts was looked at */
    bool saw_chunk;
    bool has_content; /* more than white space */
    bool has_reasoning;
    enum {
        TAGS_START,     /* nothing but white space so far, or the beginning of a tag: held */
        TAGS_REASONING, /* behind <think>, until </think> */
        TAGS_CONTENT,   /* no <think> at the start: a lone </think> may come */
        TAGS_OVER,      /* </think> has come: all further text is content */
    } tags;
    bool skip_space;  /* right behind a tag */
    unsigned matched; /* TAGS_REASONING, TAGS_CONTENT: characters of </think> seen at the end so far */
    unsigned held_space;
    unsigned held_len; /* TAGS_START: white space, then a part of a tag */
    char held[MAX_LEADING_SPACE + sizeof closing];
};

struct decoder *decode_new(const struct provider *self)
{
    struct decoder *decoder = calloc(1, sizeof *decoder);
    (void)self;
    if (!decoder) return NULL;
    sse_reader_init(&decoder->events, DECODE_MAX_EVENT);
    chunk_form_init(&decoder->form);
    buf_init(&decoder->scratch, 3 * DECODE_MAX_EVENT); /* a byte that is no UTF-8 becomes three */
    buf_init(&decoder->last, DECODE_MAX_EVENT + 64);
    decoder->usage = (struct token_usage)USAGE_UNKNOWN;
    return decoder;
}

void decode_free(struct decoder *decoder)
{
    if (!decoder) return;
    sse_reader_fini(&decoder->events);
    chunk_form_fini(&decoder->form);
    buf_fini(&decoder->scratch);
    buf_fini(&decoder->last);
    free(decoder);
}

/* Notes the failure. Returns false, which the callers hand on: reading stops. */
static bool fail(struct decoder *decoder, enum chat_error error, enum breaker_outcome outcome, const char *problem)
{
    decoder->error = error;
    decoder->outcome = outcome;
    decoder->problem = problem;
    return false;
}

/* The stream is malformed. */
static bool fail_broken(struct decoder *decoder, const char *problem)
{
    return fail(decoder, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_FAILURE, problem);
}

/* The stream can't be taken, but a caller may have caused that: it exceeds a bound, or has an error in another form. */
static bool fail_unfit(struct decoder *decoder, const char *problem)
{
    return fail(decoder, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_NEITHER, problem);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- text ---- */

static bool has_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_space(text[i])) return true;
    return false;
}

static void emit_content(struct decoder *decoder, const char *text, size_t len)
{
    if (len == 0) return;
    decoder->has_content = decoder->has_content || has_text(text, len);
    decoder->sink->content(decoder->sink->context, text, len);
}

static void emit_reasoning(struct decoder *decoder, const char *text, size_t len)
{
    if (len == 0) return;
    decoder->has_reasoning = decoder->has_reasoning || has_text(text, len);
    decoder->sink->reasoning(decoder->sink->context, text, len);
}

static void emit_tagged(struct decoder *decoder, const char *text, size_t len)
{
    if (decoder->tags == TAGS_REASONING)
        emit_reasoning(decoder, text, len);
    else
        emit_content(decoder, text, len);
}

/* Called after the start. </think> has '<' at its front alone, so after a mismatch only a new '<' can begin it.
 */
static void take_content(struct decoder *decoder, const char *text, size_t len)
{
    const char *at = text, *end = text + len, *begin;
    if (decoder->skip_space) {
        while (at < end && is_space(*at)) at++;
        if (at == end) return;
        decoder->skip_space = false;
    }
    for (begin = at; at < end && decoder->tags != TAGS_OVER;) {
        if (decoder->matched == 0) {
            at = memchr(at, '<', (size_t)(end - at));
            if (!at) break;
        }
        if (*at != closing[decoder->matched]) {
            /* Hands on what was held of an earlier text; the rest of the match is behind begin. */
            if ((size_t)(at - begin) < decoder->matched)
                emit_tagged(decoder, closing, decoder->matched - (size_t)(at - begin));
            decoder->matched = 0;
            continue;
        }
        at++;
        if (++decoder->matched < sizeof closing - 1) continue;
        if ((size_t)(at - begin) > decoder->matched)
            emit_tagged(decoder, begin, (size_t)(at - begin) - decoder->matched);
        decoder->skip_space = decoder->tags == TAGS_REASONING || !decoder->has_content;
        decoder->tags = TAGS_OVER;
        decoder->matched = 0;
        take_content(decoder, at, (size_t)(end - at));
        return;
    }
    if ((size_t)(end - begin) > decoder->matched) emit_tagged(decoder, begin, (size_t)(end - begin) - decoder->matched);
}

/* Ends the start: the text that was held is plain text. */
static void release_held(struct decoder *decoder)
{
    char held[sizeof decoder->held];
    size_t len = decoder->held_len;
    memcpy(held, decoder->held, len);
    decoder->held_len = 0;
    decoder->tags = TAGS_CONTENT;
    take_content(decoder, held, len);
}

static bool begins(const char *tag, size_t tag_len, const char *part, size_t len)
{
    return len <= tag_len && memcmp(tag, part, len) == 0;
}

static void take_start(struct decoder *decoder, const char *text, size_t len)
{
    size_t i = 0;
    for (; i < len && decoder->tags == TAGS_START; i++) {
        const char *part = decoder->held + decoder->held_space;
        size_t part_len = decoder->held_len - decoder->held_space;
        if (part_len == 0 && is_space(text[i]) && decoder->held_space < MAX_LEADING_SPACE) {
            decoder->held[decoder->held_len++] = text[i];
            decoder->held_space++;
            continue;
        }
        decoder->held[decoder->held_len] = text[i];
        part_len++;
        if (begins(opening, sizeof opening - 1, part, part_len)) {
            decoder->held_len++;
            if (part_len < sizeof opening - 1) continue;
            decoder->tags = TAGS_REASONING;
        } else if (begins(closing, sizeof closing - 1, part, part_len)) {
            decoder->held_len++;
            if (part_len < sizeof closing - 1) continue;
            decoder->tags = TAGS_OVER;
        } else {
            release_held(decoder);
            break; /* text[i] is not taken yet */
        }
        decoder->held_len = 0;
        decoder->skip_space = true;
    }
    if (decoder->tags != TAGS_START) take_content(decoder, text + i, len - i);
}

static bool decode_text(struct decoder *decoder, const struct json_text *raw, const char **text, size_t *len)
{
    if (!json_text_decode(raw, &decoder->scratch, text, len))
        return fail(decoder, CHAT_ERR_INTERNAL, BREAKER_NEITHER, "no memory for a chunk");
    if (*len > DECODE_MAX_TEXT - decoder->text_bytes) return fail_unfit(decoder, "more than 1 MiB of text");
    decoder->text_bytes += *len;
    return true;
}

static bool take_reasoning_text(struct decoder *decoder, const struct json_text *raw)
{
    const char *text;
    size_t len;
    if (!decode_text(decoder, raw, &text, &len)) return false;
    emit_reasoning(decoder, text, len);
    return true;
}

static bool take_content_text(struct decoder *decoder, const struct json_text *raw)
{
    const char *text;
    size_t len;
    if (!decode_text(decoder, raw, &text, &len)) return false;
    if (decoder->tags == TAGS_START)
        take_start(decoder, text, len);
    else
        take_content(decoder, text, len);
    return true;
}

static bool take_part(void *context, const struct json_text *text, bool thinking)
{
    return thinking ? take_reasoning_text(context, text) : take_content_text(context, text);
}

static bool take_thinking_part(void *context, const struct json_text *text, bool thinking)
{
    (void)thinking;
    return take_reasoning_text(context, text);
}

/* ---- chunks ---- */

static bool take_finish_reason(struct decoder *decoder, const struct json_text *reason)
{
    /* The last five are words of other hosts. */
    static const struct {
        const char *word, *means;
    } reasons[] = {
        {"stop", "stop"},
        {"length", "length"},
        {"tool_calls", "tool_calls"},
        {"content_filter", "content_filter"},
        {"function_call", "tool_calls"},
        {"max_tokens", "length"},
        {"error", NULL},
        {"abort", NULL},
        {"cancelled", NULL},
    };
    if (reason->len == 0) return true;
    decoder->finish_reason = "stop"; /* any other word means that the answer is over: eos, end_turn … */
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (json_text_is(reason, reasons[i].word)) decoder->finish_reason = reasons[i].means;
    return decoder->finish_reason ||
           fail(decoder, CHAT_ERR_UPSTREAM_ERROR, BREAKER_NEITHER, "finish_reason tells of an error");
}

static void take_usage(struct token_usage *usage, const struct token_usage *told)
{
    if (told->prompt_tokens >= 0) {
        usage->prompt_tokens = told->prompt_tokens;
        usage->cached_tokens = told->cached_tokens < told->prompt_tokens ? told->cached_tokens : told->prompt_tokens;
    }
    if (told->completion_tokens >= 0) usage->completion_tokens = told->completion_tokens;
    if (told->total_tokens >= 0) usage->total_tokens = told->total_tokens;
}

static bool fail_told(struct decoder *decoder, const struct chunk *chunk, const char *json, size_t len,
                      const char *problem)
{
    return fail(decoder, errors_classify(&chunk->error), errors_outcome(&chunk->error, json, len), problem);
}

static bool take_chunk(struct decoder *decoder, const struct chunk *chunk, const char *json, size_t len)
{
    const struct json_text *reasoning = chunk->reasoning.len > 0 ? &chunk->reasoning : &chunk->reasoning_content;
    const bool aloud = json_text_is(&chunk->channel, "analysis") || json_text_is(&chunk->channel, "commentary");
    decoder->saw_chunk = true;
    decoder->other_bytes += chunk->other_bytes;
    if (chunk->usage_member.at) take_usage(&decoder->usage, &chunk->usage);
    if (chunk->error.present) return fail_told(decoder, chunk, json, len, "an error object in the stream");
    if (!chunk->has_choice) return true;
    if (reasoning->len > 0 && !take_reasoning_text(decoder, reasoning)) return false;
    if (chunk->content.len > 0 &&
        !(aloud ? take_reasoning_text(decoder, &chunk->content) : take_content_text(decoder, &chunk->content)))
        return false;
    if (chunk->content_parts.at) {
        chunk_each_part(chunk, aloud ? take_thinking_part : take_part, decoder);
        if (decoder->error) return false;
    }
    return take_finish_reason(decoder, &chunk->finish_reason);
}

/* ---- chunks that go on ---- */

static void pass_comment(struct decoder *decoder)
{
    static const char comment[] = ": waiting\n\n";
    const struct passed *passed = decoder->sink->passed;
    if (passed && passed->open) buf_append(passed->out, comment, sizeof comment - 1);
}

/* Joins several data lines: between tokens a line end is a blank, and within a string there is none. */
static void join_lines(struct buf *out, size_t from)
{
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\n') out->data[i] = ' ';
}

/* Keeps the newest chunk with the usage; before there is one, the first of all. */
static void keep_last(struct decoder *decoder, const struct chunk *chunk, const char *json, size_t len)
{
    const bool tells = chunk->usage.prompt_tokens >= 0 || chunk->usage.completion_tokens >= 0;
    if (decoder->last.len && !tells) return;
    buf_reset(&decoder->last);
    chunk_pass_usage(chunk, json, len, &decoder->last);
    join_lines(&decoder->last, 0);
    decoder->last_tells = tells;
}

/* A chunk without a choice tells a client nothing, and many clients fail on it. */
static bool pass_chunk(struct decoder *decoder, const struct chunk *chunk, const char *json, size_t len, bool joined)
{
    struct passed *passed = decoder->sink->passed;
    if (!passed) return true;
    if (passed->usage) keep_last(decoder, chunk, json, len);
    if (chunk->choice_count == 0) return true;
    buf_append(passed->out, "data: ", 6);
    size_t from = passed->out->len;
    chunk_pass(chunk, json, len, passed->out);
    if (joined) join_lines(passed->out, from);
    buf_append(passed->out, "\n\n", 2);
    passed->open = true;
    return true;
}

static bool on_event(void *context, const struct sse_event *event)
{
    struct decoder *decoder = context;
    const char *data = event->data, *end = data + event->len;
    struct passed *passed = decoder->sink->passed;
    if (event->bare) {
        pass_comment(decoder);
        return true;
    }
    while (data < end && is_space(*data)) data++;
    while (data < end && is_space(end[-1])) end--;
    struct chunk chunk;
    if (strcmp(event->name, "error") == 0) {
        (void)chunk_read(data, (size_t)(end - data), &chunk);
        return fail_told(decoder, &chunk, data, (size_t)(end - data), "an event named error");
    }
    if (data == end) {
        pass_comment(decoder);
        return true;
    }
    if (end - data == 6 && memcmp(data, "[DONE]", 6) == 0) {
        decoder->done = true;
        return false;
    }
    /* events such as ping are not for us, whatever their data */
    if (*data != '{' && event->name[0] && strcmp(event->name, "message") != 0) {
        pass_comment(decoder);
        return true;
    }
    if (passed) passed->events++;
    const char *problem = chunk_read_like(&decoder->form, data, (size_t)(end - data), &chunk);
    if (problem) {
        if (strcmp(problem, "nested too deep") == 0) /* clearer than "malformed" */
            return fail_unfit(decoder, "a chunk nested deeper than 32");
        return fail_broken(decoder, "a chunk that is no JSON object");
    }
    if (passed && !chunk_sound(&chunk, data, (size_t)(end - data)))
        return fail_unfit(decoder, "a chunk that is no JSON in UTF-8 to the letter");
    return take_chunk(decoder, &chunk, data, (size_t)(end - data)) &&
           pass_chunk(decoder, &chunk, data, (size_t)(end - data), event->joined);
}

/* ---- the interface ---- */

/* Looks at the first byte that is no white space or BOM: it shows whether this is an event stream at all. */
static bool begin(struct decoder *decoder, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (is_space((char)c) || c == 0xef || c == 0xbb || c == 0xbf) continue;
        decoder->began = true;
        if (c == '<') return fail_broken(decoder, "an HTML page instead of a stream");
        if (c == '{' || c == '[') return fail_unfit(decoder, "JSON instead of a stream");
        if (c == 0x1f) return fail_broken(decoder, "gzip that was not asked for");
        return true;
    }
    return true;
}

enum chat_error decode_feed(struct decoder *decoder, const char *bytes, size_t len, const struct delta_sink *sink)
{
    const size_t room = DECODE_MAX_BODY - decoder->body_bytes;
    if (decoder->error || decoder->done) return decoder->error;
    if (!decoder->began && !begin(decoder, bytes, len)) return decoder->error;
    decoder->sink = sink;
    decoder->events.tell_bare = sink->passed != NULL;
    if (sse_reader_feed(&decoder->events, bytes, len < room ? len : room, on_event, decoder) == SSE_TOO_LONG)
        fail_unfit(decoder, "a line or event over 256 KiB");
    decoder->sink = NULL;
    if (!decoder->error && !decoder->done && len > room) fail_unfit(decoder, "more than 64 MiB of stream");
    decoder->body_bytes += len < room ? len : room;
    return decoder->error;
}

bool decode_done(const struct decoder *decoder)
{
    return decoder->done;
}

void decode_last(const struct decoder *decoder, const struct token_usage *usage, struct buf *out)
{
    const struct buf *last = &decoder->last;
    if (!last->len) return;
    buf_append_str(out, "data: ");
    buf_append(out, last->data, decoder->last_tells ? last->len : last->len - 1); /* without the closing brace */
    if (!decoder->last_tells)
        buf_printf(out,
                   ",\"usage\":{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
                   ",\"total_tokens\":%" PRId64 "}}",
                   usage->prompt_tokens, usage->completion_tokens, usage->prompt_tokens + usage->completion_tokens);
    buf_append_str(out, "\n\n");
}

void decode_whole(const struct provider *self, struct buf *body, struct provider_end *out)
{
    struct chunk chunk;
    const char *text = body->data ? body->data : "", *problem = chunk_read(text, body->len, &chunk);
    (void)self;
    *out = (struct provider_end){.usage = USAGE_UNKNOWN};
    if (problem) {
        out->error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE;
        out->outcome = BREAKER_FAILURE;
        out->problem = "an answer that is no JSON object";
    } else if (chunk.error.present) {
        out->error = errors_classify(&chunk.error);
        out->outcome = errors_outcome(&chunk.error, text, body->len);
        out->problem = "an error object with status 200";
    } else if (!chunk.has_choice) {
        out->error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE;
        out->outcome = BREAKER_NEITHER;
        out->problem = "an answer without a choice";
    } else if (!chunk_sound(&chunk, text, body->len)) {
        out->error = CHAT_ERR_UPSTREAM_INVALID_RESPONSE;
        out->outcome = BREAKER_NEITHER;
        out->problem = "an answer that is no JSON in UTF-8 to the letter";
    } else if (!chunk_mend_created(&chunk, body)) {
        out->error = CHAT_ERR_INTERNAL;
        out->problem = "no memory for an answer";
    } else {
        take_usage(&out->usage, &chunk.usage);
        out->other_bytes = chunk.other_bytes;
    }
}

static void release_rest(struct decoder *decoder)
{
    /* White space alone is no answer. */
    if (decoder->tags == TAGS_START && decoder->held_len > decoder->held_space) release_held(decoder);
    emit_tagged(decoder, closing, decoder->matched);
    decoder->matched = 0;
}

void decode_end(struct decoder *decoder, const struct delta_sink *sink, struct provider_end *out)
{
    decoder->sink = sink;
    release_rest(decoder);
    decoder->sink = NULL;
    bool length = decoder->finish_reason && strcmp(decoder->finish_reason, "length") == 0;
    if (decoder->error)
        ;
    else if (decoder->body_bytes == 0)
        fail_broken(decoder, "an empty body");
    else if (!decoder->saw_chunk && !decoder->done)
        fail_broken(decoder, "no event in the body");
    else if (!decoder->finish_reason && !decoder->done)
        fail_broken(decoder, "no finish_reason and no [DONE]");
    else if (!decoder->has_content && !(length && decoder->has_reasoning)) /* it ended properly all the same */
        fail(decoder, CHAT_ERR_UPSTREAM_INVALID_RESPONSE, BREAKER_SUCCESS, "no answer text");
    *out = (struct provider_end){
        .error = decoder->error,
        .outcome = decoder->error ? decoder->outcome : BREAKER_SUCCESS,
        .finish_reason = decoder->finish_reason,
        .usage = decoder->usage,
        .other_bytes = decoder->other_bytes,
        .problem = decoder->problem,
    };
}

/* If a server or proxy names no type, or an unspecific one, it may be a stream: the bytes will show. */
bool decode_is_stream(const struct provider *self, const char *content_type)
{
    static const char *const possible[] = {"", "text/event-stream", "text/plain", "application/octet-stream"};
    size_t len;
    (void)self;
    if (!content_type) return true;
    content_type += strspn(content_type, " \t");
    len = strcspn(content_type, "; \t\r\n");
    for (size_t i = 0; i < sizeof possible / sizeof *possible; i++)
        if (strlen(possible[i]) == len && strncasecmp(content_type, possible[i], len) == 0) return true;
    return false;
}
