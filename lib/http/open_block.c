#include "http/open_block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

enum { TAB = 4, CODE_INDENT = 4, ORDERED_DIGITS = 9, LIST_SPACES = 4, FENCE_MIN = 3, RULE_MIN = 3, HEADING_LEVELS = 6 };

/* A block quote, or an item of a list: how many columns its text is indented by. */
struct container {
    bool is_item;
    bool is_empty; /* an item without anything in it yet */
    uint32_t width;
};

/* The innermost block, which holds lines of text. */
enum leaf { LEAF_NONE, LEAF_PARAGRAPH, LEAF_FENCE, LEAF_INDENTED, LEAF_HTML };

/* How HTML that began a block ends: the first five by a word, the others by a blank line (4.6). */
enum html { HTML_TEXT_TAG = 1, HTML_COMMENT, HTML_INSTRUCTION, HTML_DECLARATION, HTML_CDATA, HTML_BLOCK_TAG, HTML_TAG };

struct blocks {
    struct buf stack;  /* of struct container, outermost first */
    struct buf quotes; /* which of them are quotes: of uint32_t */
    size_t depth, quote_count;
    enum leaf leaf;
    char fence_mark;
    size_t fence_len;
    enum html html;
    const char *html_tag; /* of HTML_TEXT_TAG */
};

/* A line being taken apart. Columns count from 0; a tab goes on to the next multiple of four. */
struct line {
    const char *at, *end;
    size_t column;
    size_t tab_left; /* columns of the tab at `at` that are still to be used; 0: all of it */
    bool ink_known;
    const char *ink; /* the next that is neither space nor tab, `end` where there is none */
    size_t ink_column;
    const char *rule; /* from here on the line has only signs of one kind, and blanks */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t run_of(char mark, const char *at, const char *end)
{
    size_t len = 0;
    while (at + len < end && at[len] == mark) len++;
    return len;
}

/* ---- the line ---- */

static size_t width_at(const struct line *line)
{
    if (*line->at != '\t') return 1;
    return line->tab_left ? line->tab_left : TAB - line->column % TAB;
}

/* Finds the next ink. A position found before is valid until it is passed, so a line's blanks are looked at once. */
static void find_ink(struct line *line)
{
    if (line->ink_known) return;
    struct line ahead = *line;
    while (ahead.at < ahead.end && is_blank(*ahead.at)) {
        ahead.column += width_at(&ahead);
        ahead.tab_left = 0;
        ahead.at++;
    }
    line->ink = ahead.at;
    line->ink_column = ahead.column;
    line->ink_known = true;
}

static size_t indent_of(const struct line *line)
{
    return line->ink_column - line->column;
}

static bool is_at_end(const struct line *line)
{
    return line->ink == line->end;
}

/* Skips that many columns of blanks. */
static void skip_columns(struct line *line, size_t columns)
{
    while (columns > 0 && line->at < line->end && is_blank(*line->at)) {
        size_t width = width_at(line), used = width < columns ? width : columns;
        columns -= used;
        line->column += used;
        line->tab_left = used < width ? width - used : 0;
        if (!line->tab_left) line->at++;
    }
}

static void skip_to_ink(struct line *line)
{
    line->at = line->ink;
    line->column = line->ink_column;
    line->tab_left = 0;
}

/* Skips signs, one column each. */
static void skip_signs(struct line *line, size_t count)
{
    line->at += count;
    line->column += count;
    line->ink_known = false;
    find_ink(line);
}

/* ---- containers ---- */

static struct container *container_at(struct blocks *blocks, size_t i)
{
    return (struct container *)(void *)blocks->stack.data + i;
}

static size_t quote_at(const struct blocks *blocks, size_t i)
{
    return ((const uint32_t *)(const void *)blocks->quotes.data)[i];
}

static void pop_to(struct blocks *blocks, size_t depth)
{
    if (depth == blocks->depth) return;
    blocks->depth = depth;
    blocks->stack.len = depth * sizeof(struct container);
    blocks->leaf = LEAF_NONE;
    while (blocks->quote_count > 0 && quote_at(blocks, blocks->quote_count - 1) >= depth) {
        blocks->quote_count--;
        blocks->quotes.len -= sizeof(uint32_t);
    }
}

static void fill_innermost(struct blocks *blocks)
{
    if (blocks->depth > 0) container_at(blocks, blocks->depth - 1)->is_empty = false;
}

static void push(struct blocks *blocks, bool is_item, size_t width)
{
    struct container container = {.is_item = is_item, .is_empty = true, .width = (uint32_t)width};
    uint32_t index = (uint32_t)blocks->depth;
    fill_innermost(blocks);
    if (!is_item) {
        if (!buf_append(&blocks->quotes, &index, sizeof index)) out_of_memory(sizeof index);
        blocks->quote_count++;
    }
    if (!buf_append(&blocks->stack, &container, sizeof container)) out_of_memory(sizeof container);
    blocks->depth++;
    blocks->leaf = LEAF_NONE;
}

/* Counts the containers from `depth` on that go on in a line without ink: items, except one that begins with it. */
static size_t match_blank(struct blocks *blocks, size_t depth, size_t quotes)
{
    if (quotes < blocks->quote_count) return quote_at(blocks, quotes);
    return depth < blocks->depth && container_at(blocks, blocks->depth - 1)->is_empty ? blocks->depth - 1
                                                                                      : blocks->depth;
}

/* Returns how many of the open containers go on in this line. */
static size_t match_containers(struct blocks *blocks, struct line *line)
{
    size_t quotes = 0;
    for (size_t depth = 0; depth < blocks->depth; depth++) {
        const struct container *container = container_at(blocks, depth);
        if (is_at_end(line)) return match_blank(blocks, depth, quotes);
        if (container->is_item) {
            if (indent_of(line) < container->width) return depth;
            skip_columns(line, container->width);
        } else {
            if (indent_of(line) >= CODE_INDENT || *line->ink != '>') return depth;
            skip_to_ink(line);
            skip_signs(line, 1);
            skip_columns(line, 1);
            quotes++;
        }
    }
    return blocks->depth;
}

/* ---- what begins a block ---- */

static bool is_rule(const struct line *line)
{
    if (line->ink < line->rule) return false;
    size_t signs = 0;
    for (const char *c = line->ink; c < line->end && signs < RULE_MIN; c++) signs += !is_blank(*c);
    return signs == RULE_MIN;
}

static bool is_heading(const struct line *line)
{
    size_t level = run_of('#', line->ink, line->end);
    const char *behind = line->ink + level;
    return level >= 1 && level <= HEADING_LEVELS && (behind == line->end || is_blank(*behind));
}

/* "===" or "---" below a paragraph. */
static bool is_underline(const struct line *line)
{
    const char *behind = line->ink + run_of(*line->ink, line->ink, line->end);
    if (*line->ink != '=' && *line->ink != '-') return false;
    while (behind < line->end && is_blank(*behind)) behind++;
    return behind == line->end;
}

static size_t fence_at(const struct line *line)
{
    char mark = *line->ink;
    if (mark != '`' && mark != '~') return 0;
    size_t run = run_of(mark, line->ink, line->end);
    const char *info = line->ink + run;
    if (run < FENCE_MIN || (mark == '`' && memchr(info, '`', (size_t)(line->end - info)))) return 0;
    return run;
}

static bool closes_fence(const struct blocks *blocks, const struct line *line)
{
    if (is_at_end(line) || indent_of(line) >= CODE_INDENT) return false;
    size_t run = run_of(blocks->fence_mark, line->ink, line->end);
    const char *behind = line->ink + run;
    while (behind < line->end && is_blank(*behind)) behind++;
    return run >= blocks->fence_len && behind == line->end;
}

/* ---- HTML ---- */

static const char *const text_tags[] = {"script", "pre", "textarea", "style", NULL};
static const char *const block_tags[] = {
    "address",  "article",    "aside",  "base",    "basefont", "blockquote", "body",     "caption",  "center",
    "col",      "colgroup",   "dd",     "details", "dialog",   "dir",        "div",      "dl",       "dt",
    "fieldset", "figcaption", "figure", "footer",  "form",     "frame",      "frameset", "h1",       "h2",
    "h3",       "h4",         "h5",     "h6",      "head",     "header",     "hr",       "html",     "iframe",
    "legend",   "li",         "link",   "main",    "menu",     "menuitem",   "nav",      "noframes", "ol",
    "optgroup", "option",     "p",      "param",   "search",   "section",    "summary",  "table",    "tbody",
    "td",       "tfoot",      "th",     "thead",   "title",    "tr",         "track",    "ul",       NULL};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_with(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(end - at) >= len && strncasecmp(at, word, len) == 0;
}

static const char *skip_name(const char *at, const char *end)
{
    while (at < end && (is_letter(*at) || is_digit(*at) || *at == '-')) at++;
    return at;
}

static const char *find_name(const char *const *names, const char *at, const char *behind)
{
    for (; *names; names++)
        if (strlen(*names) == (size_t)(behind - at) && begins_with(at, behind, *names)) return *names;
    return NULL;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at)) at++;
    return at;
}

/* Skips an attribute with its value; NULL: it is none. */
static const char *skip_attribute(const char *at, const char *end)
{
    if (at == end || !(is_letter(*at) || *at == '_' || *at == ':')) return NULL;
    while (at < end && (is_letter(*at) || is_digit(*at) || strchr("_.:-", *at))) at++;
    const char *equals = skip_blanks(at, end);
    if (equals == end || *equals != '=') return at;
    const char *value = skip_blanks(equals + 1, end);
    if (value == end) return NULL;
    if (*value == '"' || *value == '\'') {
        const char *close = memchr(value + 1, *value, (size_t)(end - value - 1));
        return close ? close + 1 : NULL;
    }
    const char *behind = value;
    while (behind < end && (unsigned char)*behind > ' ' && !strchr("\"'=<>`", *behind)) behind++;
    return behind > value ? behind : NULL;
}

/* Returns whether a whole tag ends the line. at: behind its name. */
static bool is_whole_tag(const char *at, const char *end, bool closing)
{
    while (!closing) {
        const char *blank = skip_blanks(at, end), *next = blank > at ? skip_attribute(blank, end) : NULL;
        if (!next) break;
        at = next;
    }
    at = skip_blanks(at, end);
    if (!closing && at < end && *at == '/') at++;
    return at < end && *at == '>' && skip_blanks(at + 1, end) == end;
}

/* Returns the kind of HTML block that the line begins; 0: none. */
static int html_at(const struct line *line, bool in_paragraph, const char **tag)
{
    const char *at = line->ink, *end = line->end;
    if (*at != '<') return 0;
    if (begins_with(at, end, "<!--")) return HTML_COMMENT;
    if (begins_with(at, end, "<?")) return HTML_INSTRUCTION;
    if (at + 2 < end && at[1] == '!' && is_letter(at[2])) return HTML_DECLARATION;
    if ((size_t)(end - at) >= 9 && memcmp(at, "<![CDATA[", 9) == 0) return HTML_CDATA;
    bool closing = at + 1 < end && at[1] == '/';
    const char *name = at + 1 + closing, *behind = skip_name(name, end);
    if (name == end || !is_letter(*name)) return 0;
    bool ends = behind == end || is_blank(*behind) || *behind == '>';
    *tag = find_name(text_tags, name, behind);
    if (*tag && !closing && ends) return HTML_TEXT_TAG;
    if (find_name(block_tags, name, behind) && (ends || begins_with(behind, end, "/>"))) return HTML_BLOCK_TAG;
    return !in_paragraph && is_whole_tag(behind, end, closing) ? HTML_TAG : 0;
}

/* Returns the word that ends a block of HTML; NULL: a blank line ends it. */
static const char *html_end(enum html html)
{
    switch (html) {
    case HTML_COMMENT: return "-->";
    case HTML_INSTRUCTION: return "?>";
    case HTML_DECLARATION: return ">";
    case HTML_CDATA: return "]]>";
    case HTML_TEXT_TAG:
    case HTML_BLOCK_TAG:
    case HTML_TAG: break;
    }
    return NULL;
}

static bool ends_html(const struct blocks *blocks, const char *at, const char *end)
{
    const char *word = html_end(blocks->html);
    if (word) return memmem(at, (size_t)(end - at), word, strlen(word)) != NULL;
    if (blocks->html != HTML_TEXT_TAG) return false;
    for (; (at = memchr(at, '<', (size_t)(end - at))); at++) {
        if (end - at < 2 || at[1] != '/') continue;
        const char *behind = skip_name(at + 2, end);
        if (behind < end && *behind == '>' && find_name(text_tags, at + 2, behind)) return true;
    }
    return false;
}

/* ---- lists ---- */

/* Returns the length of the sign that begins an item; 0: none. */
static size_t list_sign(const struct line *line, bool in_paragraph)
{
    const char *at = line->ink;
    if (*at == '-' || *at == '+' || *at == '*') {
        at++;
    } else {
        size_t digits = 0;
        while (at + digits < line->end && is_digit(at[digits])) digits++;
        if (digits == 0 || digits > ORDERED_DIGITS || at + digits == line->end) return 0;
        if (at[digits] != '.' && at[digits] != ')') return 0;
        if (in_paragraph && strtol(at, NULL, 10) != 1) return 0;
        at += digits + 1;
    }
    if (at < line->end && !is_blank(*at)) return 0;
    if (in_paragraph && skip_blanks(at, line->end) == line->end) return 0;
    return (size_t)(at - line->ink);
}

static void begin_item(struct blocks *blocks, struct line *line, size_t sign)
{
    size_t indent = indent_of(line);
    skip_to_ink(line);
    skip_signs(line, sign);
    size_t spaces = indent_of(line);
    if (is_at_end(line) || spaces > LIST_SPACES) spaces = 1;
    skip_columns(line, spaces);
    push(blocks, true, indent + sign + spaces);
}

/* ---- a line ---- */

/* Goes on with the open leaf in this line, if all of its containers go on. false: the leaf ended before this line. */
static bool continue_leaf(struct blocks *blocks, const struct line *line)
{
    switch (blocks->leaf) {
    case LEAF_FENCE:
        if (closes_fence(blocks, line)) blocks->leaf = LEAF_NONE;
        return true;
    case LEAF_INDENTED:
        if (is_at_end(line) || indent_of(line) >= CODE_INDENT) return true;
        break;
    case LEAF_HTML:
        if (is_at_end(line) && blocks->html >= HTML_BLOCK_TAG) break;
        if (ends_html(blocks, line->at, line->end)) blocks->leaf = LEAF_NONE;
        return true;
    case LEAF_PARAGRAPH: /* first look for blocks that may begin within one */
        if (!is_at_end(line)) return false;
        break;
    case LEAF_NONE: return false;
    }
    blocks->leaf = LEAF_NONE;
    return false;
}

/* Begins a block that is no container. false: none begins here. */
static bool begin_leaf(struct blocks *blocks, const struct line *line, bool in_paragraph, bool lazy, enum leaf *leaf)
{
    size_t fence = fence_at(line);
    *leaf = LEAF_NONE;
    if (is_heading(line)) return true;
    if (fence) {
        *leaf = LEAF_FENCE;
        blocks->fence_len = fence;
        blocks->fence_mark = *line->ink;
        return true;
    }
    const char *tag = NULL;
    int html = html_at(line, in_paragraph || lazy, &tag);
    if (html) {
        blocks->html = (enum html)html;
        blocks->html_tag = tag;
        if (!ends_html(blocks, line->ink, line->end)) *leaf = LEAF_HTML;
        return true;
    }
    return (in_paragraph && is_underline(line)) || is_rule(line);
}

/* The line's own leaf is in the containers that go on. */
static void set_leaf(struct blocks *blocks, size_t depth, enum leaf leaf)
{
    pop_to(blocks, depth);
    fill_innermost(blocks);
    blocks->leaf = leaf;
}

/* Begins the containers and blocks of this line, after the `depth` containers that go on. */
static void begin_blocks(struct blocks *blocks, struct line *line, size_t depth)
{
    bool lazy = depth < blocks->depth && blocks->leaf == LEAF_PARAGRAPH; /* its paragraph may go on all the same */
    for (; !is_at_end(line); depth = blocks->depth, lazy = false) {
        bool in_paragraph = depth == blocks->depth && blocks->leaf == LEAF_PARAGRAPH;
        bool indented = indent_of(line) >= CODE_INDENT;
        enum leaf leaf;
        size_t sign;
        if (!indented && *line->ink == '>') {
            pop_to(blocks, depth);
            skip_to_ink(line);
            skip_signs(line, 1);
            skip_columns(line, 1);
            push(blocks, false, 0);
        } else if (!indented && begin_leaf(blocks, line, in_paragraph, lazy, &leaf)) {
            set_leaf(blocks, depth, leaf);
            return;
        } else if (!indented && (sign = list_sign(line, in_paragraph))) {
            pop_to(blocks, depth);
            begin_item(blocks, line, sign);
        } else {
            if (!in_paragraph && !lazy) set_leaf(blocks, depth, indented ? LEAF_INDENTED : LEAF_PARAGRAPH);
            return;
        }
    }
}

static const char *find_rule(const char *at, const char *end)
{
    const char *from = end;
    char mark = 0;
    while (from > at) {
        char c = from[-1];
        if (!is_blank(c)) {
            if (!strchr("*-_", c) || (mark && c != mark)) break;
            mark = c;
        }
        from--;
    }
    return from;
}

static void take_line(struct blocks *blocks, const char *at, const char *end)
{
    struct line line = {.at = at, .end = end, .rule = find_rule(at, end)};
    find_ink(&line);
    size_t depth = match_containers(blocks, &line);
    if (depth == blocks->depth && continue_leaf(blocks, &line)) return;
    if (is_at_end(&line)) {
        pop_to(blocks, depth);
        if (blocks->leaf == LEAF_PARAGRAPH) blocks->leaf = LEAF_NONE;
        return;
    }
    begin_blocks(blocks, &line, depth);
}

/* Lines end with LF, CR or both. */
static const char *find_line_end(const char *at, const char *end)
{
    while (at < end && *at != '\n' && *at != '\r') at++;
    return at;
}

void open_block_close(struct buf *out, const char *text, size_t len)
{
    struct blocks blocks = {.depth = 0};
    const char *at = text, *end = text + len;
    buf_init(&blocks.stack, (len + 1) * sizeof(struct container));
    buf_init(&blocks.quotes, (len + 1) * sizeof(uint32_t));
    while (at < end) {
        const char *line_end = find_line_end(at, end);
        take_line(&blocks, at, line_end);
        at = line_end + 1;
        if (line_end < end && *line_end == '\r' && at < end && *at == '\n') at++;
    }
    if (blocks.depth == 0 && blocks.leaf == LEAF_FENCE)
        for (size_t i = 0; i < blocks.fence_len; i++) buf_append_char(out, blocks.fence_mark);
    if (blocks.depth == 0 && blocks.leaf == LEAF_HTML) {
        const char *word = html_end(blocks.html);
        if (word) buf_append_str(out, word);
        if (blocks.html == HTML_TEXT_TAG) buf_printf(out, "</%s>", blocks.html_tag);
    }
    buf_fini(&blocks.stack);
    buf_fini(&blocks.quotes);
}
