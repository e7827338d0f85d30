#include "domain/plain_text.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

enum {
    MARKS_MAX = 64,   /* runs of emphasis signs that are looked at */
    REACH_MAX = 4096, /* bytes between a sign and the one that closes it */
    NESTED_MAX = 8,   /* brackets within a link's text */
    FENCE_INDENT = 3, /* more is no fence */
    HEADING_LEVELS = 6,
};

/* A run of emphasis signs as it stands in the result; what has found its other half is taken out at the end. */
struct mark {
    char sign;
    size_t at, len; /* in the result */
    size_t left;    /* signs that have found no other half */
    bool opens;
};

struct writing {
    char text[PLAIN_TEXT_MAX];
    size_t len;
    bool full;
    struct mark marks[MARKS_MAX];
    size_t mark_count;
};

static void put(struct writing *out, const char *bytes, size_t len)
{
    size_t room = PLAIN_TEXT_MAX - out->len;
    if (len > room) {
        len = room;
        while (len > 0 && ((unsigned char)bytes[len] & 0xc0) == 0x80) len--;
        out->full = true;
    }
    memcpy(out->text + out->len, bytes, len);
    out->len += len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t run_of(char sign, const char *at, const char *end)
{
    size_t len = 0;
    while (at + len < end && at[len] == sign) len++;
    return len;
}

static const char *within_reach(const char *at, const char *end)
{
    return end - at > REACH_MAX ? at + REACH_MAX : end;
}

/* ---- within a line ---- */

/* Code: the text between two runs of the same length. NULL: no such thing. */
static const char *put_code(struct writing *out, const char *at, const char *end)
{
    size_t run = run_of('`', at, end);
    const char *inside = at + run, *limit = within_reach(at, end);
    for (const char *close = inside; (close = memchr(close, '`', (size_t)(limit - close)));) {
        size_t closing = run_of('`', close, limit);
        if (closing == run) {
            put(out, inside, (size_t)(close - inside));
            return close + run;
        }
        close += closing;
    }
    return NULL;
}

/* Behind the bracket that closes the one at `at`; NULL: none, or a blank line before it. */
static const char *behind_bracket(const char *at, const char *end, char open, char close)
{
    end = within_reach(at, end);
    int depth = 0;
    for (; at < end; at++) {
        if (*at == '\\') {
            at++;
        } else if (*at == open) {
            if (++depth > NESTED_MAX) return NULL;
        } else if (*at == close) {
            if (--depth == 0) return at + 1;
        } else if (*at == '\n' && at + 1 < end && at[1] == '\n') {
            return NULL;
        }
    }
    return NULL;
}

/* [text](address): where the text ends; the text is then read on as any. */
struct link {
    const char *text_end, *end; /* NULL: it is no link */
};

static struct link find_link(const char *at, const char *end)
{
    const char *behind = behind_bracket(at, end, '[', ']');
    if (!behind || behind == end || *behind != '(') return (struct link){0};
    const char *link_end = behind_bracket(behind, end, '(', ')');
    return link_end ? (struct link){behind - 1, link_end} : (struct link){0};
}

/* <https://example.org>: the address. */
static const char *put_address(struct writing *out, const char *at, const char *end)
{
    const char *close = memchr(at, '>', (size_t)(within_reach(at, end) - at));
    if (!close) return NULL;
    for (const char *c = at; c < close; c++)
        if (is_blank(*c)) return NULL;
    if (!memmem(at, (size_t)(close - at), "://", 3)) return NULL;
    put(out, at + 1, (size_t)(close - at - 1));
    return close + 1;
}

static size_t pair_up(struct mark *opening, size_t left)
{
    size_t both = opening->left < left ? opening->left : left;
    opening->left -= both;
    return left - both;
}

/* A run of emphasis signs: kept in the result for now. Within a word they are its own (snake_case, 2*3), but where the
 * word is of a script without spaces. */
static const char *put_mark(struct writing *out, const char *start, const char *at, const char *end)
{
    size_t run = run_of(*at, at, end), left = run;
    char before = at > start ? at[-1] : ' ', after = at + run < end ? at[run] : ' ';
    bool in_word = is_word(before) && is_word(after);
    bool closes = !is_blank(before) && !in_word && !strchr("([{", before);
    bool opens = !is_blank(after) && !in_word && !strchr(")]}.,:;?!", after);
    if (*at == '~' && run != 2) opens = closes = false;
    if (out->mark_count == MARKS_MAX) opens = closes = false;
    for (size_t i = out->mark_count; closes && left > 0 && i-- > 0;)
        if (out->marks[i].sign == *at && out->marks[i].opens) left = pair_up(&out->marks[i], left);
    if (opens || left < run)
        out->marks[out->mark_count++] =
            (struct mark){.sign = *at, .at = out->len, .len = run, .left = left, .opens = opens};
    put(out, at, run);
    return at + run;
}

static const char *put_run(struct writing *out, const char *at, const char *end)
{
    size_t run = run_of(*at, at, end);
    put(out, at, run);
    return at + run;
}

/* White space of any kind and length as one character of it. */
static const char *put_character(struct writing *out, const char *at, const char *end)
{
    uint32_t c = 0;
    size_t len = utf8_decode(at, (size_t)(end - at), &c);
    bool blank = len > 0 && (c <= ' ' || utf8_is_space(c));
    if (len == 0) len = 1;
    if (!blank)
        put(out, at, len);
    else if (out->len > 0 && !is_blank(out->text[out->len - 1]))
        put(out, *at == '\n' ? "\n" : " ", 1);
    return at + len;
}

/* Puts what begins at `at`, and gives what is behind it. */
static const char *put_piece(struct writing *out, const char *start, const char *at, const char *end)
{
    const char *next = NULL;
    switch (*at) {
    case '\\': /* not before brackets: that is a formula */
        if (at + 1 < end && strchr("*_~`#", at[1])) {
            put(out, at + 1, 1);
            return at + 2;
        }
        break;
    case '`': next = put_code(out, at, end); break;
    case '<': next = put_address(out, at, end); break;
    case '*':
    case '_':
    case '~': return put_mark(out, start, at, end);
    default: break;
    }
    if (next) return next;
    return *at == '`' ? put_run(out, at, end) : put_character(out, at, end);
}

/* ---- lines ---- */

/* Behind the signs that a line begins with. */
static const char *skip_block_signs(const char *at, const char *end)
{
    for (;;) {
        while (at < end && (*at == ' ' || *at == '\t')) at++;
        if (at < end && *at == '>') {
            at++;
            continue;
        }
        bool bullet = at + 1 < end && strchr("-+*", *at) && (at[1] == ' ' || at[1] == '\t');
        if (!bullet) break;
        at += 2;
    }
    size_t level = run_of('#', at, end);
    bool heading = level >= 1 && level <= HEADING_LEVELS && (at + level == end || is_blank(at[level]));
    return heading ? at + level : at;
}

/* "---", "* * *", "===": drawn as a line, or makes a heading of the line above. */
static bool is_rule(const char *at, const char *end)
{
    size_t signs = 0;
    char sign = 0;
    for (; at < end; at++) {
        if (is_blank(*at)) continue;
        if (!strchr("-*_=", *at) || (sign && *at != sign)) return false;
        sign = *at;
        signs++;
    }
    return signs >= 3;
}

/* How long the fence is that this line is, 0: it is none. */
static size_t fence_of(const char *at, const char *end, char *sign)
{
    size_t indent = run_of(' ', at, end);
    if (indent > FENCE_INDENT || at + indent == end || !strchr("`~", at[indent])) return 0;
    *sign = at[indent];
    size_t run = run_of(*sign, at + indent, end);
    bool inline_code = *sign == '`' && memchr(at + indent + run, '`', (size_t)(end - at) - indent - run);
    return run < 3 || inline_code ? 0 : run;
}

struct reading {
    const char *text, *end;
    bool with_code;
    size_t fence; /* of the block that is open; 0: none */
    char fence_sign;
    struct link link; /* that is being read */
};

/* Whether this line is part of a block of code, or its border. */
static bool in_code(struct reading *in, const char *line, const char *line_end, bool *border)
{
    char sign = 0;
    size_t fence = fence_of(line, line_end, &sign);
    *border = fence > 0 && (!in->fence || (sign == in->fence_sign && fence >= in->fence));
    if (*border && in->fence) {
        in->fence = 0;
        return true;
    }
    if (*border) {
        in->fence = fence;
        in->fence_sign = sign;
    }
    return in->fence > 0;
}

static const char *read_line_start(struct reading *in, struct writing *out, const char *at)
{
    const char *newline = memchr(at, '\n', (size_t)(in->end - at)), *line_end = newline ? newline : in->end;
    bool border = false, code = in_code(in, at, line_end, &border);
    if (!code) {
        const char *inside = skip_block_signs(at, line_end);
        return is_rule(at, line_end) || is_rule(inside, line_end) ? line_end : inside;
    }
    if (!border && in->with_code) put(out, at, (size_t)(line_end - at));
    return line_end;
}

static void read_text(struct reading *in, struct writing *out)
{
    const char *at = in->text;
    bool line_start = true;
    while (at < in->end && !out->full) {
        if (line_start) {
            line_start = false;
            at = read_line_start(in, out, at);
            continue;
        }
        if (in->link.end && at >= in->link.text_end) {
            if (at < in->link.end) at = in->link.end;
            in->link = (struct link){0};
            continue;
        }
        if (*at == '[' || (*at == '!' && at + 1 < in->end && at[1] == '[')) {
            const char *bracket = *at == '!' ? at + 1 : at;
            struct link link = in->link.end ? (struct link){0} : find_link(bracket, in->end);
            if (link.end) {
                in->link = link;
                at = bracket + 1;
                continue;
            }
        }
        line_start = *at == '\n';
        /* a link's text ends where it ends, whatever is open in it */
        at = put_piece(out, in->text, at, in->link.end ? in->link.text_end : in->end);
    }
}

/* The signs that have found each other go; of a run with some left over the first stay. */
static size_t take_marks_out(struct writing *out)
{
    size_t written = 0, from = 0;
    for (size_t i = 0; i < out->mark_count; i++) {
        const struct mark *mark = &out->marks[i];
        size_t keep = mark->at + mark->left < out->len ? mark->at + mark->left : out->len;
        size_t behind = mark->at + mark->len < out->len ? mark->at + mark->len : out->len;
        memmove(out->text + written, out->text + from, keep - from);
        written += keep - from;
        from = behind;
    }
    memmove(out->text + written, out->text + from, out->len - from);
    return written + out->len - from;
}

static bool has_ink(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_blank(text[i])) return true;
    return false;
}

const char *plain_text(const char *text, size_t len, struct arena *arena, size_t *out_len)
{
    struct writing *out = arena_alloc(arena, sizeof *out);
    for (int with_code = 0; with_code < 2; with_code++) {
        struct reading in = {.text = text, .end = text + len, .with_code = with_code};
        out->len = out->mark_count = 0;
        out->full = false;
        read_text(&in, out);
        *out_len = take_marks_out(out);
        if (has_ink(out->text, *out_len)) return out->text;
    }
    *out_len = len;
    return text;
}
