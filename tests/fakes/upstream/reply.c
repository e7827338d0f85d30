#include "reply.h"

#include <stdlib.h>
#include <string.h>

#include "timers.h"

/* An endless answer that isn't streamed still ends. */
#define COLLECT_MAX 10000

void reply_init(struct reply *self)
{
    *self = (struct reply){.status = 200, .type = "application/json", .finish_reason = "stop"};
    scenario_init(&self->scenario);
    self->body.left = -1;
    self->began_us = timers_now_us();
}

void reply_fini(struct reply *self)
{
    scenario_fini(&self->scenario);
    buf_fini(&self->extra);
    buf_fini(&self->fixed);
    wire_fini(&self->wire);
    script_fini(&self->reasoning);
    script_fini(&self->content);
    free(self->echo);
}

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status) return phrases[i].phrase;
    return "Status";
}

static void choose_framing(struct reply *self)
{
    const struct scenario *sc = &self->scenario;
    self->body.split = sc->split > 0 ? (size_t)sc->split : 0;
    self->body.gzip = sc->gzip;
    self->body.left = sc->cut >= 0 ? sc->cut : sc->reset;
    if (sc->http10)
        self->body.framing = BODY_EOF;
    else if (self->streamed || sc->gzip || sc->split > 0)
        self->body.framing = BODY_CHUNKED;
    else
        self->body.framing = BODY_LENGTH;
    if (sc->http10 || sc->close) self->keep_alive = false;
}

static void add_headers(struct reply *self, struct buf *out)
{
    const struct scenario *sc = &self->scenario;
    choose_framing(self);
    if (sc->interim)
        buf_str(out, "HTTP/1.1 100 Continue\r\n\r\n"
                     "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n");
    buf_printf(out, "HTTP/1.%d %d %s\r\n", sc->http10 ? 0 : 1, self->status, reason_phrase(self->status));
    buf_printf(out, "Content-Type: %s\r\n", self->type);
    if (self->streamed) buf_str(out, "Cache-Control: no-cache\r\n");
    if (self->body.framing == BODY_CHUNKED) buf_str(out, "Transfer-Encoding: chunked\r\n");
    if (self->body.framing == BODY_LENGTH) buf_printf(out, "Content-Length: %zu\r\n", self->fixed.len);
    if (sc->gzip) buf_str(out, "Content-Encoding: gzip\r\n");
    if (!self->keep_alive) buf_str(out, "Connection: close\r\n");
    buf_add(out, self->extra.data, self->extra.len);
    buf_str(out, "\r\n");
}

/* The parts of the think tags around the reasoning; one part a delta. NULL: none is left. */
static const char *think_part(struct reply *self, bool closing)
{
    static const char *const open[2][3] = {{"<think>\n", NULL}, {"<thi", "nk>\n", NULL}};
    static const char *const shut[2][4] = {{"\n</think>\n\n", NULL}, {"\n</", "think", ">\n\n", NULL}};
    const struct scenario *sc = &self->scenario;
    if (sc->field != FIELD_THINK || self->reasoning.limit == 0) return NULL;
    if (sc->think == (closing ? THINK_OPEN : THINK_CLOSE)) return NULL;
    return closing ? shut[sc->tagsplit][self->think_step] : open[sc->tagsplit][self->think_step];
}

static const char *reasoning_field(const struct reply *self)
{
    static const char *const names[] = {"reasoning", "reasoning_content", "content"};
    return names[self->scenario.field];
}

/* Puts the next delta's text into piece and names its field; NULL: both scripts are at their end. */
static const char *next_delta(struct reply *self, struct buf *piece)
{
    const char *part;
    piece->len = 0;
    if (self->step == REPLY_REASONING) {
        if (self->reasoning.index == 0 && (part = think_part(self, false)) != NULL) {
            self->think_step++;
            buf_str(piece, part);
            return reasoning_field(self);
        }
        if (script_next(&self->reasoning, piece)) return reasoning_field(self);
        self->think_step = 0;
        self->step = REPLY_CONTENT;
    }
    if (!self->content_begun && (part = think_part(self, true)) != NULL) {
        self->think_step++;
        buf_str(piece, part);
        return "content";
    }
    self->content_begun = true;
    return script_next(&self->content, piece) ? "content" : NULL;
}

static void count_delta(struct reply *self)
{
    if (self->deltas++ == 0) self->usage.first_token_s = (double)(timers_now_us() - self->began_us) / 1e6;
    self->usage.completion_tokens++;
    if (self->step == REPLY_REASONING) self->usage.reasoning_tokens++;
}

static void add_delta(struct reply *self, struct buf *raw)
{
    static struct buf piece;
    const char *field = next_delta(self, &piece);
    if (field == NULL) {
        if (self->content.limit > 0 && self->content.text != NULL && self->content.text_pos < self->content.text_len)
            self->finish_reason = "length";
        self->step = REPLY_FINISH;
        return;
    }
    for (long i = 0; i < self->scenario.comments; i++) wire_comment(&self->wire, raw);
    wire_delta(&self->wire, raw, field, piece.data, piece.len, self->deltas & 1);
    count_delta(self);
}

static void add_opening(struct reply *self, struct buf *raw)
{
    if (self->scenario.bom) buf_str(raw, "\xef\xbb\xbf");
    if (self->scenario.usage_twice) wire_early_usage(&self->wire, raw);
    wire_oddities(&self->wire, raw);
    if (self->scenario.tools) wire_tool_calls(&self->wire, raw);
    self->step = REPLY_REASONING;
}

static void add_ending(struct reply *self, struct buf *raw)
{
    const struct scenario *sc = &self->scenario;
    self->usage.total_s = (double)(timers_now_us() - self->began_us) / 1e6;
    if (sc->usage_at_finish)
        wire_finish_with_usage(&self->wire, raw, self->finish_reason, &self->usage);
    else if (!sc->nofinish)
        wire_finish(&self->wire, raw, self->finish_reason);
    if (self->include_usage && !sc->nousage && !sc->usage_at_finish) wire_usage(&self->wire, raw, &self->usage);
    if (!sc->nodone) wire_done(&self->wire, raw);
    self->step = REPLY_ENDED;
}

/* What a scenario orders after a number of deltas. True: it took this step. */
static bool turn_of_events(struct reply *self, struct buf *raw)
{
    const struct scenario *sc = &self->scenario;
    if (sc->stall == self->deltas || (sc->comments_forever && sc->stall < 0)) {
        self->step = REPLY_SILENT;
        return true;
    }
    if (sc->error_at == self->deltas) {
        wire_error(&self->wire, raw, self->echo ? self->echo : "");
        if (sc->error_done) wire_done(&self->wire, raw);
        self->step = REPLY_ENDED;
        return true;
    }
    return false;
}

/* One step of a stream; raw gets what it says, before body.h has its way with it. */
static void stream_step(struct reply *self, struct buf *raw)
{
    if (self->scenario.empty) self->step = REPLY_ENDED;
    if (self->step == REPLY_OPENING) add_opening(self, raw);
    if (self->step == REPLY_SILENT) {
        wire_comment(&self->wire, raw);
        return;
    }
    if (self->step == REPLY_REASONING || self->step == REPLY_CONTENT) {
        if (turn_of_events(self, raw)) return;
        add_delta(self, raw);
    }
    if (self->step == REPLY_FINISH) add_ending(self, raw);
}

static enum reply_result broken(const struct reply *self)
{
    return self->scenario.reset >= 0 ? REPLY_RESET : REPLY_BREAK;
}

enum reply_result reply_next(struct reply *self, struct buf *out)
{
    static struct buf raw; /* the program has one thread */
    raw.len = 0;
    if (self->step == REPLY_HEADERS) {
        add_headers(self, out);
        self->step = self->streamed ? REPLY_OPENING : REPLY_FIXED;
        return self->body.left == 0 ? broken(self) : REPLY_AGAIN;
    }
    if (self->step == REPLY_FIXED) {
        buf_add(&raw, self->fixed.data, self->fixed.len);
        self->step = REPLY_ENDED;
    } else {
        stream_step(self, &raw);
    }
    if (!body_add(&self->body, out, raw.data, raw.len)) return broken(self);
    if (self->step == REPLY_SILENT) return self->scenario.comments_forever ? REPLY_AGAIN : REPLY_HUSH;
    if (self->step != REPLY_ENDED) return REPLY_AGAIN;
    if (!body_end(&self->body, out)) return broken(self);
    return self->keep_alive ? REPLY_OVER : REPLY_BREAK;
}

static double positive(double ms)
{
    return ms > 0 ? ms : 0;
}

uint64_t reply_wait_us(const struct reply *self)
{
    double ms = self->pace_ms;
    if (self->step == REPLY_HEADERS)
        ms = positive(self->scenario.headers_ms);
    else if (self->step == REPLY_OPENING)
        ms = positive(self->scenario.first_ms);
    else if (self->step == REPLY_FIXED)
        ms = positive(self->scenario.first_ms) + self->pace_ms * (double)self->deltas;
    else if (self->step == REPLY_SILENT)
        ms = 100;
    return (uint64_t)(ms * 1000);
}

void reply_collect(struct reply *self)
{
    struct buf piece = {0}, content = {0}, reasoning = {0};
    const char *field;
    self->step = REPLY_REASONING;
    while (self->deltas < COLLECT_MAX && (field = next_delta(self, &piece)) != NULL) {
        buf_add(strcmp(field, "content") == 0 ? &content : &reasoning, piece.data, piece.len);
        count_delta(self);
    }
    self->step = REPLY_HEADERS;
    self->usage.total_s = self->pace_ms * (double)self->deltas / 1e3;
    wire_completion(&self->wire, &self->fixed, &content, &reasoning, self->finish_reason, &self->usage);
    buf_fini(&piece);
    buf_fini(&content);
    buf_fini(&reasoning);
}
