#include "domain/session.h"

#include <string.h>

#include "base/utf8.h"
#include "domain/cjk.h"
#include "domain/plain_text.h"

const char SESSION_DEFAULT_TITLE[] = "New chat";

static const char ELLIPSIS[] = "\xe2\x80\xa6";

static const char *const source_names[] = {
    [TITLE_DEFAULT] = "default",
    [TITLE_FIRST_MESSAGE] = "first_message",
    [TITLE_MODEL] = "model",
    [TITLE_USER] = "user",
};

const char *title_source_name(enum title_source source)
{
    return source_names[source];
}

bool title_source_parse(const char *name, enum title_source *out)
{
    for (size_t i = 0; i < sizeof source_names / sizeof source_names[0]; i++) {
        if (strcmp(source_names[i], name) == 0) {
            *out = (enum title_source)i;
            return true;
        }
    }
    return false;
}

/* C0, DEL and C1: what may stand in no title. */
static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

const char *session_title_problem(const char *title, size_t len)
{
    if (len == 0) return "must not be empty";
    if (!utf8_valid(title, len)) return "must be valid UTF-8";
    if (utf8_count(title, len) > SESSION_TITLE_MAX) return "must be at most 200 characters";
    uint32_t code_point = 0;
    bool has_ink = false;
    for (size_t at = 0; at < len;) {
        at += utf8_decode(title + at, len - at, &code_point);
        if (is_control(code_point)) return "must not contain control characters";
        if (!utf8_is_space(code_point)) has_ink = true;
    }
    return has_ink ? NULL : "must not be only white space";
}

/* A title being written: never longer than its maximum, and aware of where it may be cut. */
struct title_draft {
    char text[SESSION_MADE_TITLE_MAX * 4 + sizeof ELLIPSIS];
    size_t len;
    size_t count;    /* code points */
    size_t word_end; /* bytes up to the last place where a cut leaves whole words and room for the ellipsis */
    size_t hard_end; /* bytes up to the last character that leaves room for the ellipsis */
};

/* What lies before the next character may be cut off after it. */
static void draft_mark_word_end(struct title_draft *draft)
{
    if (draft->count < SESSION_MADE_TITLE_MAX) draft->word_end = draft->len;
}

/* false: the title is full. */
static bool draft_put(struct title_draft *draft, const char *bytes, size_t len)
{
    if (draft->count == SESSION_MADE_TITLE_MAX) return false;
    memcpy(draft->text + draft->len, bytes, len);
    draft->len += len;
    if (++draft->count < SESSION_MADE_TITLE_MAX) draft->hard_end = draft->len;
    return true;
}

static void draft_cut(struct title_draft *draft)
{
    draft->len = draft->word_end > 0 ? draft->word_end : draft->hard_end;
    memcpy(draft->text + draft->len, ELLIPSIS, sizeof ELLIPSIS - 1);
    draft->len += sizeof ELLIPSIS - 1;
}

/* Control characters count as white space here: a message may hold them, a title may not. Within a script that
 * has no spaces every character is a word to cut at. */
const char *session_title_from(const char *text, size_t len, struct arena *arena)
{
    struct title_draft draft = {.len = 0};
    text = plain_text(text, len, arena, &len);
    bool space_due = false, after_cjk = false;
    size_t bytes;
    for (size_t at = 0; at < len; at += bytes) {
        uint32_t code_point = 0; /* malformed bytes pass for a control character */
        bytes = utf8_decode(text + at, len - at, &code_point);
        if (bytes == 0) bytes = 1;
        if (is_control(code_point) || utf8_is_space(code_point)) {
            space_due = draft.len > 0;
            continue;
        }
        if (space_due || after_cjk || cjk_is(code_point)) draft_mark_word_end(&draft);
        after_cjk = cjk_is(code_point);
        if ((space_due && !draft_put(&draft, " ", 1)) || !draft_put(&draft, text + at, bytes)) {
            draft_cut(&draft);
            break;
        }
        space_due = false;
    }
    return draft.len > 0 ? arena_strndup(arena, draft.text, draft.len) : SESSION_DEFAULT_TITLE;
}
