#include "wire.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CHUNK_END ".chunk\",\"system_fingerprint\":\"fastcoe\""
#define COMPLETION_END "\",\"system_fingerprint\":\"fastcoe\""

static void make_id(char *out, size_t size, unsigned long number)
{
    uint64_t half[2];
    for (int i = 0; i < 2; i++) { /* splitmix64 */
        uint64_t z = (number * 2 + (unsigned)i + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        half[i] = z ^ (z >> 31);
    }
    snprintf(out, size, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(half[0] >> 32), (unsigned)(half[0] >> 16 & 0xffff),
             (unsigned)(half[0] & 0xfff), (unsigned)(half[1] >> 52), (unsigned long long)(half[1] & 0xffffffffffff));
}

/* The members after the choices; "object" is left open, its name differs. */
static void add_meta(struct wire *self, struct buf *out, const char *model)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    buf_printf(out, "\"created\":%lld.%04ld,\"id\":\"%s\",\"model\":\"", (long long)now.tv_sec,
               now.tv_nsec / 100000 | 1, self->id);
    buf_json(out, model, strlen(model));
    buf_str(out, "\",\"object\":\"chat.completion");
}

void wire_open(struct wire *self, const struct scenario *scenario, const char *model, unsigned long number)
{
    *self = (struct wire){.scenario = scenario};
    self->eol = scenario->crlf ? "\r\n" : scenario->cr ? "\r" : "\n";
    snprintf(self->data, sizeof(self->data), "data:%s", scenario->nospace ? "" : " ");
    make_id(self->id, sizeof(self->id), number);
    add_meta(self, &self->meta, model);
    buf_add(&self->tail, self->meta.data, self->meta.len);
    buf_printf(&self->tail, CHUNK_END "}%s%s", self->eol, self->eol);
}

void wire_fini(struct wire *self)
{
    buf_fini(&self->tail);
    buf_fini(&self->meta);
}

static void open_choices(struct wire *self, struct buf *out)
{
    buf_str(out, self->data);
    buf_str(out, "{\"choices\":[");
}

static void break_line(struct wire *self, struct buf *out)
{
    if (!self->scenario->multidata) return;
    buf_str(out, self->eol);
    buf_str(out, self->data);
}

static void close_choices(struct wire *self, struct buf *out)
{
    buf_add(out, "],", 2);
    break_line(self, out);
    buf_add(out, self->tail.data, self->tail.len);
}

/* An event whose choices, or what stands in their place, are given as JSON. */
static void event(struct wire *self, struct buf *out, const char *members)
{
    buf_str(out, self->data);
    buf_char(out, '{');
    buf_str(out, members);
    break_line(self, out);
    buf_add(out, self->tail.data, self->tail.len);
}

static void add_text(struct wire *self, struct buf *out, const char *field, const char *text, size_t len)
{
    bool parts = self->scenario->partsarray && strcmp(field, "content") == 0;
    buf_str(out, "{\"delta\":{\"");
    buf_str(out, field);
    buf_str(out, parts ? "\":[{\"type\":\"text\",\"text\":\"" : "\":\"");
    buf_json(out, text, len);
    buf_str(out, parts ? "\"}]" : "\"");
}

void wire_delta(struct wire *self, struct buf *out, const char *field, const char *text, size_t len, bool odd)
{
    static const char other[] = "{\"delta\":{\"content\":\"OTHER CHOICE\",\"role\":\"assistant\"},"
                                "\"finish_reason\":null,\"index\":1,\"logprobs\":null}";
    bool n2 = self->scenario->n2;
    open_choices(self, out);
    if (n2 && odd) {
        buf_str(out, other);
        buf_char(out, ',');
    }
    add_text(self, out, field, text, len);
    if (strcmp(field, "reasoning") == 0) buf_str(out, ",\"channel\":\"analysis\"");
    buf_str(out, ",\"role\":\"assistant\"},\"finish_reason\":null,\"index\":0,\"logprobs\":null}");
    if (n2 && !odd) {
        buf_char(out, ',');
        buf_str(out, other);
    }
    close_choices(self, out);
}

void wire_finish(struct wire *self, struct buf *out, const char *reason)
{
    if (self->scenario->n2)
        event(self, out, "\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"length\",\"index\":1}],");
    open_choices(self, out);
    buf_printf(out, "{\"delta\":{\"content\":\"\"},\"finish_reason\":\"%s\",\"index\":0,\"logprobs\":null}", reason);
    close_choices(self, out);
}

static void add_usage(struct wire *self, struct buf *out, const struct wire_usage *usage)
{
    if (self->scenario->usage_absurd) {
        buf_str(out, "\"usage\":{\"prompt_tokens\":-7,\"completion_tokens\":1e30,\"total_tokens\":\"many\","
                     "\"completion_tokens_details\":{\"reasoning_tokens\":-1}}");
        return;
    }
    double total_s = usage->total_s > 0.000001 ? usage->total_s : 0.000001;
    long total = usage->prompt_tokens + usage->completion_tokens;
    buf_printf(out, "\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,\"total_tokens\":%ld,",
               usage->prompt_tokens, usage->completion_tokens, total);
    if (self->scenario->cached > 0)
        buf_printf(out, "\"prompt_tokens_details\":{\"cached_tokens\":%ld},", self->scenario->cached);
    buf_printf(out, "\"completion_tokens_details\":{\"reasoning_tokens\":%ld},", usage->reasoning_tokens);
    buf_printf(out, "\"is_last_response\":true,\"stop_reason\":\"stop\",\"time_to_first_token\":%.6f,",
               usage->first_token_s);
    buf_printf(out, "\"total_latency\":%.6f,\"completion_tokens_per_sec\":%.3f,\"total_tokens_per_sec\":%.3f}",
               usage->total_s, (double)usage->completion_tokens / total_s, (double)total / total_s);
}

static void close_usage(struct wire *self, struct buf *out)
{
    buf_char(out, '}');
    buf_str(out, self->eol);
    buf_str(out, self->eol);
}

static void end_with_usage(struct wire *self, struct buf *out, const char *choices, const struct wire_usage *usage)
{
    buf_str(out, self->data);
    buf_printf(out, "{\"choices\":[%s],", choices);
    buf_add(out, self->meta.data, self->meta.len);
    buf_str(out, CHUNK_END ",");
    break_line(self, out);
    add_usage(self, out, usage);
    close_usage(self, out);
}

void wire_usage(struct wire *self, struct buf *out, const struct wire_usage *usage)
{
    end_with_usage(self, out, "", usage);
}

void wire_finish_with_usage(struct wire *self, struct buf *out, const char *reason, const struct wire_usage *usage)
{
    char choice[160];
    snprintf(choice, sizeof choice,
             "{\"delta\":{\"content\":\"\"},\"finish_reason\":\"%s\",\"index\":0,\"logprobs\":null}", reason);
    end_with_usage(self, out, choice, usage);
}

void wire_early_usage(struct wire *self, struct buf *out)
{
    buf_str(out, self->data);
    buf_str(out, "{\"choices\":[{\"delta\":{\"content\":\"\",\"role\":\"assistant\"},\"finish_reason\":null,"
                 "\"index\":0}],");
    buf_add(out, self->meta.data, self->meta.len);
    buf_str(out, CHUNK_END ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}");
    close_usage(self, out);
}

void wire_done(struct wire *self, struct buf *out)
{
    buf_str(out, self->data);
    buf_str(out, "[DONE]");
    buf_str(out, self->eol);
    buf_str(out, self->eol);
}

void wire_comment(struct wire *self, struct buf *out)
{
    buf_printf(out, ": keep-alive%s%s", self->eol, self->eol);
}

void wire_error(struct wire *self, struct buf *out, const char *echo)
{
    const struct scenario *sc = self->scenario;
    const char *message = sc->message ? sc->message : "The model stopped unexpectedly.";
    if (sc->error_form == ERROR_EVENT) buf_printf(out, "event: error%s", self->eol);
    buf_str(out, self->data);
    buf_str(out, sc->error_form == ERROR_STRING ? "{\"error\":\"" : "{\"error\":{\"message\":\"");
    buf_json(out, message, strlen(message));
    buf_char(out, '"');
    if (sc->error_form != ERROR_STRING) {
        const char *code = sc->code ? sc->code : "server_error";
        buf_str(out, ",\"type\":\"server_error\",\"param\":null,\"code\":\"");
        buf_json(out, code, strlen(code));
        buf_str(out, "\",\"error_model_output\":\"");
        buf_json(out, echo, strlen(echo));
        buf_str(out, "\"}");
    }
    buf_printf(out, ",\"request_id\":\"%s\"", self->id);
    close_usage(self, out);
}

void wire_tool_calls(struct wire *self, struct buf *out)
{
    event(self, out,
          "\"choices\":[{\"delta\":{\"content\":null,\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,"
          "\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":"
          "\"\"}}]},\"finish_reason\":null,\"index\":0,\"logprobs\":null}],");
    event(self, out,
          "\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
          "\"{\\\"city\\\":\\\"Bern\\\"}\"}}]},\"finish_reason\":null,\"index\":0,\"logprobs\":null}],");
}

static void odd_nulls(struct wire *self, struct buf *out)
{
    static const char *const choices[] = {"\"choices\":null,", "", "\"choices\":[],", "\"choices\":[null],",
                                          "\"choices\":[],\"error\":null,"};
    static const char *const deltas[] = {
        "\"choices\":[{\"delta\":null,\"finish_reason\":null,\"index\":0}],",
        "\"choices\":[{\"finish_reason\":null,\"index\":0}],",
        "\"choices\":[{\"delta\":{\"content\":null,\"role\":\"assistant\"},\"finish_reason\":\"\",\"index\":0}],",
        "\"choices\":[{\"delta\":{},\"index\":0}],\"error\":null,",
    };
    for (size_t i = 0; self->scenario->nullchoices && i < sizeof(choices) / sizeof(choices[0]); i++)
        event(self, out, choices[i]);
    for (size_t i = 0; self->scenario->nulldelta && i < sizeof(deltas) / sizeof(deltas[0]); i++)
        event(self, out, deltas[i]);
}

/* A chunk with an unknown member that is nested that deep. */
static void odd_deep(struct wire *self, struct buf *out, long depth)
{
    struct buf members = {0};
    buf_str(&members, "\"choices\":[],\"extra\":");
    for (long i = 0; i < depth; i++) buf_char(&members, '[');
    for (long i = 0; i < depth; i++) buf_char(&members, ']');
    buf_char(&members, ',');
    event(self, out, buf_cstr(&members));
    buf_fini(&members);
}

static void odd_longline(struct wire *self, struct buf *out, long bytes)
{
    struct buf text = {0};
    buf_reserve(&text, (size_t)bytes);
    memset(text.data, 'x', (size_t)bytes);
    wire_delta(self, out, "content", text.data, (size_t)bytes, false);
    buf_fini(&text);
}

void wire_oddities(struct wire *self, struct buf *out)
{
    const struct scenario *sc = self->scenario;
    odd_nulls(self, out);
    if (sc->deep >= 0) odd_deep(self, out, sc->deep > 1000000 ? 1000000 : sc->deep);
    if (sc->longline > 0) odd_longline(self, out, sc->longline > 32000000 ? 32000000 : sc->longline);
    if (sc->badutf8) {
        static const char bad[] = "bad \xff\xfe \xc3( \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 end";
        wire_delta(self, out, "content", bad, sizeof(bad) - 1, false);
    }
    if (sc->nulchar) wire_delta(self, out, "content", "nul \0 end", 9, false);
    if (sc->nulraw) {
        static const char raw[] = "{\"delta\":{\"content\":\"raw \0 end\"},\"index\":0}";
        open_choices(self, out);
        buf_add(out, raw, sizeof(raw) - 1);
        close_choices(self, out);
    }
}

void wire_completion(struct wire *self, struct buf *out, const struct buf *content, const struct buf *reasoning,
                     const char *reason, const struct wire_usage *usage)
{
    const struct scenario *sc = self->scenario;
    buf_str(out, "{\"choices\":[{\"finish_reason\":");
    buf_printf(out, sc->nofinish ? "null" : "\"%s\"", reason);
    buf_str(out, ",\"index\":0,\"logprobs\":null,\"message\":{\"content\":\"");
    buf_json(out, content->data, content->len);
    buf_str(out, "\",\"role\":\"assistant\"");
    if (reasoning->len > 0) {
        buf_printf(out, ",\"%s\":\"", sc->field == FIELD_REASONING_CONTENT ? "reasoning_content" : "reasoning");
        buf_json(out, reasoning->data, reasoning->len);
        buf_char(out, '"');
    }
    if (sc->tools)
        buf_str(out, ",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
                     "\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Bern\\\"}\"}}]");
    buf_str(out, "}}],");
    buf_add(out, self->meta.data, self->meta.len);
    buf_str(out, COMPLETION_END);
    if (!sc->nousage) {
        buf_char(out, ',');
        add_usage(self, out, usage);
    }
    buf_char(out, '}');
}
