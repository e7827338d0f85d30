#include "http/export_view.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "http/open_block.h"

/* ---- the file's name ---- */

enum { NAME_MAX_CODE_POINTS = 60 }; /* 240 bytes at most: with an extension below the 255 of a file system */

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether a file name should not hold it: controls, separators and wildcards of any system, white space but U+0020, and
 * marks that turn the reading direction (they can make one extension look like another). */
static bool is_unsafe(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c < 0x80 && strchr("/\\:*?\"<>|%", (int)c))) return true;
    if (c == 0x061c || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069))
        return true;
    return c != ' ' && utf8_is_space(c);
}

/* Writes the first characters of the title, unsafe ones as '-', without dots, spaces and '-' at either end. */
static const char *file_name(const char *title, struct arena *arena)
{
    size_t len = utf8_prefix(title, strlen(title), NAME_MAX_CODE_POINTS), written = 0, bytes;
    char *name = arena_alloc(arena, len + 1);
    for (size_t at = 0; at < len; at += bytes) {
        uint32_t c = 0;
        bytes = utf8_decode(title + at, len - at, &c);
        if (bytes == 0) break;
        if (is_unsafe(c))
            name[written++] = '-';
        else {
            memcpy(name + written, title + at, bytes);
            written += bytes;
        }
    }
    while (written && strchr(". -", name[written - 1])) written--;
    name[written] = 0;
    return name + strspn(name, ". -");
}

/* Writes letters and digits as they are, and a run of anything else as one '-'. */
static const char *ascii_name(const char *name, struct arena *arena)
{
    char *ascii = arena_alloc(arena, strlen(name) + 1);
    size_t written = 0;
    for (const char *at = name; *at; at++) {
        if (is_alphanumeric((unsigned char)*at) || (*at == '_' && written))
            ascii[written++] = *at;
        else if (written && ascii[written - 1] != '-')
            ascii[written++] = '-';
    }
    while (written && ascii[written - 1] == '-') written--;
    ascii[written] = 0;
    return written ? ascii : "chat";
}

/* RFC 8187: all but attr-char is percent-encoded. */
static const char *percent_encoded(const char *name, struct arena *arena)
{
    char *out = arena_alloc(arena, 3 * strlen(name) + 1);
    size_t written = 0;
    for (const char *at = name; *at; at++) {
        if (is_alphanumeric((unsigned char)*at) || strchr("!#$&+-.^_`|~", *at))
            out[written++] = *at;
        else
            written += (size_t)snprintf(out + written, 4, "%%%02X", (unsigned)(unsigned char)*at);
    }
    return out;
}

const char *export_disposition(const char *title, const char *extension, struct arena *arena)
{
    const char *name = file_name(title, arena), *ascii = ascii_name(name, arena);
    if (!*name) name = ascii;
    return arena_printf(arena, "attachment; filename=\"%s.%s\"; filename*=UTF-8''%s.%s", ascii, extension,
                        percent_encoded(name, arena), extension);
}

/* ---- Markdown ---- */

/* "2026-01-31 12:00:00 UTC" */
static void put_time(struct buf *out, int64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(wall_ms, text);
    buf_printf(out, "%.10s %.8s UTC", text, text + 11);
}

/* A title is text, not markup. */
static void put_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("\\`*_[]<>#&", *text)) buf_append_char(out, '\\');
        buf_append_char(out, *text);
    }
}

void export_markdown_session(struct buf *out, const struct session *session)
{
    buf_append_str(out, "# ");
    put_escaped(out, session->title);
    buf_append_str(out, "\n\nStarted ");
    put_time(out, session->created_at_ms);
    buf_printf(out, " · %s\n", session->model);
}

static const char *speaker(enum message_role role)
{
    switch (role) {
    case ROLE_SYSTEM: return "System";
    case ROLE_USER: return "User";
    case ROLE_ASSISTANT: break;
    }
    return "Assistant";
}

static const char *remark(const struct message *message)
{
    switch (message->status) {
    case MESSAGE_STREAMING: return "_(still being written)_";
    case MESSAGE_STOPPED: return "_(stopped)_";
    case MESSAGE_INTERRUPTED: return "_(interrupted)_";
    case MESSAGE_FAILED: return "_(failed)_";
    case MESSAGE_COMPLETE: break;
    }
    if (message->finish_reason && strcmp(message->finish_reason, "length") == 0)
        return "_(cut off: as long as an answer may be)_";
    return NULL;
}

void export_markdown_message(struct buf *out, const struct message *message)
{
    buf_printf(out, "\n## %s · ", speaker(message->role));
    put_time(out, message->created_at_ms);
    buf_append_str(out, "\n\n");
    if (message->content_len) {
        buf_append(out, message->content, message->content_len);
        if (message->content[message->content_len - 1] != '\n') buf_append_char(out, '\n');
        size_t before = out->len;
        open_block_close(out, message->content, message->content_len);
        if (out->len > before) buf_append_char(out, '\n');
    }
    const char *note = remark(message);
    if (note) buf_printf(out, "%s%s\n", message->content_len ? "\n" : "", note);
}
