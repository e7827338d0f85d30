#include "domain/message.h"

#include <string.h>

#include "base/utf8.h"
#include "domain/cjk.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const role_names[] = {
    [ROLE_SYSTEM] = "system",
    [ROLE_USER] = "user",
    [ROLE_ASSISTANT] = "assistant",
};
static const char *const status_names[] = {
    [MESSAGE_STREAMING] = "streaming",     [MESSAGE_COMPLETE] = "complete", [MESSAGE_STOPPED] = "stopped",
    [MESSAGE_INTERRUPTED] = "interrupted", [MESSAGE_FAILED] = "failed",
};
static const char *const feedback_names[] = {
    [FEEDBACK_NONE] = "none",
    [FEEDBACK_UP] = "up",
    [FEEDBACK_DOWN] = "down",
};

/* -1: not among them. */
static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return (int)i;
    }
    return -1;
}

bool message_took_tokens(const struct token_usage *told)
{
    return told->prompt_tokens > 0 || told->completion_tokens > 0;
}

const char *message_role_name(enum message_role role)
{
    return role_names[role];
}

bool message_role_parse(const char *name, enum message_role *out)
{
    int found = find_name(role_names, COUNT(role_names), name);
    if (found >= 0) *out = (enum message_role)found;
    return found >= 0;
}

const char *message_status_name(enum message_status status)
{
    return status_names[status];
}

bool message_status_parse(const char *name, enum message_status *out)
{
    int found = find_name(status_names, COUNT(status_names), name);
    if (found >= 0) *out = (enum message_status)found;
    return found >= 0;
}

const char *message_feedback_name(enum message_feedback feedback)
{
    return feedback_names[feedback];
}

bool message_feedback_parse(const char *name, enum message_feedback *out)
{
    int found = find_name(feedback_names, COUNT(feedback_names), name);
    if (found >= 0) *out = (enum message_feedback)found;
    return found >= 0;
}

static bool is_blank(const char *text, size_t len)
{
    uint32_t code_point = 0;
    for (size_t at = 0; at < len;) {
        at += utf8_decode(text + at, len - at, &code_point);
        if (!utf8_is_space(code_point)) return false;
    }
    return true;
}

const char *message_content_problem(const char *content, size_t len, int max_code_points)
{
    if (len == 0) return "must not be empty";
    if (!utf8_valid(content, len)) return "must be valid UTF-8";
    if (memchr(content, '\0', len)) return "must not contain NUL";
    if (utf8_count(content, len) > (size_t)max_code_points) return "is longer than a message may be";
    return is_blank(content, len) ? "must not be only white space" : NULL;
}

int64_t message_estimate_tokens(const char *text, size_t len)
{
    int64_t cjk = 0, others = 0;
    size_t bytes;
    for (size_t at = 0; at < len; at += bytes) {
        uint32_t code_point = 0;
        bytes = utf8_decode(text + at, len - at, &code_point);
        if (bytes == 0) bytes = 1;
        if (cjk_is(code_point))
            cjk++;
        else
            others++;
    }
    int64_t tokens = cjk + others / 4;
    return tokens == 0 && len > 0 ? 1 : tokens;
}
