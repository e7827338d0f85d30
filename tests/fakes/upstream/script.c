#include "script.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "timers.h"

void script_fini(struct script *self)
{
    free(self->text);
    *self = (struct script){0};
}

void script_open_text(struct script *self, char *text)
{
    *self = (struct script){.text = text, .text_len = strlen(text), .limit = -1};
}

void script_open_generated(struct script *self, long chunks, size_t size)
{
    *self = (struct script){.size = size, .limit = chunks};
}

/* "<prefix><index>:" and then letters from 'a' + index % 26 on, cut to size bytes. */
static void generate(struct script *self, struct buf *out)
{
    static const char wide[] = "\xf0\x9f\x98\x80\xc3\xa9\xe6\xbc\xa2"; /* 4, 2 and 3 bytes */
    char head[32];
    int head_len = self->prefix ? snprintf(head, sizeof(head), "%c%ld:", self->prefix, self->index)
                                : snprintf(head, sizeof(head), "%ld:", self->index);
    buf_reserve(out, self->size);
    size_t at = self->size < (size_t)head_len ? self->size : (size_t)head_len;
    memcpy(out->data, head, at);
    while (self->utf8 && at + sizeof(wide) - 1 <= self->size) {
        memcpy(out->data + at, wide, sizeof(wide) - 1);
        at += sizeof(wide) - 1;
    }
    unsigned letter = (unsigned)(self->index % 26);
    for (; at < self->size; at++) {
        out->data[at] = (char)('a' + (int)letter);
        letter = letter == 25 ? 0 : letter + 1;
    }
    if (self->stamps && self->size >= SCRIPT_STAMP_SIZE) {
        uint64_t now_us = timers_now_us();
        for (int digit = 16; digit >= 1; digit--, now_us /= 10) out->data[digit] = (char)('0' + (int)(now_us % 10));
        out->data[0] = out->data[SCRIPT_STAMP_SIZE - 1] = '@';
    }
    out->len = self->size;
}

/* Blanks with the word after them, up to 8 bytes, or one other sign; characters stay whole. */
static size_t token_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (text[at] == ' ' || text[at] == '\n')) at++;
    size_t start = at;
    while (at < len && at - start < 8 && isalnum((unsigned char)text[at])) at++;
    if (at == start && at < len) {
        at++;
        while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80) at++;
    }
    return at;
}

bool script_next(struct script *self, struct buf *out)
{
    out->len = 0;
    if (self->limit >= 0 && self->index >= self->limit) return false;
    if (self->text != NULL) {
        size_t left = self->text_len - self->text_pos;
        if (left == 0) return false;
        size_t len = self->whole ? left : token_len(self->text + self->text_pos, left);
        buf_add(out, self->text + self->text_pos, len);
        self->text_pos += len;
    } else {
        generate(self, out);
    }
    self->index++;
    return true;
}

static unsigned hash(const char *text)
{
    unsigned h = 2166136261u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

/* The text on one line without blanks at its ends, at most max bytes, cut before a character. */
static void one_line(const char *text, size_t max, struct buf *out)
{
    bool blank = false;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= ' ') {
            blank = out->len > 0;
            continue;
        }
        if (out->len + 2 > max && (c & 0xc0) != 0x80) {
            buf_str(out, "…");
            return;
        }
        if (blank) buf_char(out, ' ');
        blank = false;
        buf_char(out, *text);
    }
}

static char *take(struct buf *self)
{
    buf_cstr(self);
    char *text = self->data;
    *self = (struct buf){0};
    return text;
}

static void add_opening(struct buf *out, const char *asked, int turn, unsigned pick)
{
    static const char *const openings[] = {
        "Good question. Let's take it step by step.",
        "Happy to help. Here is a short overview.",
        "Here is what I can tell you about that.",
    };
    buf_printf(out, "## %s\n\n%s", asked, openings[pick % 3]);
    if (turn > 1)
        buf_printf(out,
                   " This is turn **%d** of our conversation, so I keep in mind what was"
                   " said before.",
                   turn);
    buf_str(out, "\n\nYou asked:\n\n");
    buf_printf(out, "> %s\n\n", asked);
}

static void add_body(struct buf *out, const char *model)
{
    buf_str(out, "### The main points\n\n"
                 "1. **Start small.** Solve the simplest case first and look at the result.\n"
                 "2. **Measure.** A figure beats an opinion, even a rough one.\n"
                 "3. **Repeat.** Change one thing at a time:\n"
                 "   - keep what helps,\n"
                 "   - drop what doesn't.\n\n"
                 "### At a glance\n\n"
                 "| Step | Effort | Result |\n"
                 "| --- | :---: | ---: |\n"
                 "| Sketch | low | an idea |\n"
                 "| Prototype | medium | a *number* |\n"
                 "| Release | high | happy users |\n\n");
    buf_printf(out, "This answer comes from `%s` on the **test upstream**.\n\n", model);
}

static void add_code(struct buf *out, unsigned pick)
{
    buf_str(out, "### In code\n\n");
    buf_str(out, pick & 1 ? "```python\n"
                            "def mean(values: list[float]) -> float:\n"
                            "    \"\"\"The arithmetic mean; 0 for an empty list.\"\"\"\n"
                            "    return sum(values) / len(values) if values else 0.0\n\n\n"
                            "print(mean([1, 2, 3.5]))  # 2.1666…\n"
                            "```\n\n"
                          : "```typescript\n"
                            "export function mean(values: number[]): number {\n"
                            "  if (values.length === 0) return 0;\n"
                            "  return values.reduce((a, b) => a + b, 0) / values.length;\n"
                            "}\n"
                            "```\n\n");
    buf_str(out, "and the same in C:\n\n"
                 "```c\n"
                 "double mean(const double *values, size_t count)\n"
                 "{\n"
                 "    double sum = 0;\n"
                 "    for (size_t i = 0; i < count; i++)\n"
                 "        sum += values[i];\n"
                 "    return count ? sum / (double)count : 0;\n"
                 "}\n"
                 "```\n\n");
}

static bool is_greeting(const char *asked)
{
    static const char *const words[] = {"hi", "hello", "hey", "good morning", "thanks", "ping"};
    size_t len = strcspn(asked, "!.,?");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == len && strncasecmp(words[i], asked, len) == 0) return true;
    return false;
}

char *script_friendly_answer(const char *question, int turn, const char *model)
{
    struct buf out = {0}, asked = {0};
    unsigned pick = hash(question);
    one_line(question, 200, &asked);
    if (is_greeting(buf_cstr(&asked))) {
        buf_printf(&out,
                   "%s to you too! 👋 I'm `%s` on the test upstream. What would you like to"
                   " talk about?",
                   asked.data, model);
    } else {
        add_opening(&out, asked.len ? asked.data : "(nothing)", turn, pick);
        add_body(&out, model);
        add_code(&out, pick >> 3);
        buf_str(&out, "Would you like me to go deeper into one of these points?");
    }
    buf_fini(&asked);
    return take(&out);
}

char *script_friendly_reasoning(const char *question)
{
    struct buf out = {0}, asked = {0};
    one_line(question, 80, &asked);
    buf_printf(&out,
               "The user asks: \"%s\". Let me think about what would help most. A short"
               " overview first, then the main points, a table to compare them, and a"
               " little code that can be tried at once.",
               buf_cstr(&asked));
    buf_fini(&asked);
    return take(&out);
}

char *script_title(const char *question)
{
    struct buf out = {0}, line = {0};
    one_line(question, 400, &line);
    const char *at = buf_cstr(&line);
    at += strspn(at, "\"'#> ");
    for (int word = 0; *at && word < 6 && out.len < 48; word++) {
        size_t len = strcspn(at, " ");
        if (word > 0) buf_char(&out, ' ');
        buf_add(&out, at, len);
        at += len + strspn(at + len, " ");
    }
    while (out.len > 0 && strchr("?.!,:;\"'", out.data[out.len - 1]) != NULL) out.len--;
    if (out.len == 0) buf_str(&out, "New conversation");
    out.data[0] = (char)toupper((unsigned char)out.data[0]);
    buf_fini(&line);
    return take(&out);
}
