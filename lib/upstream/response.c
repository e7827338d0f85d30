/*
 *   VERSION ─► STATUS ─► FIELDS ─┬─► SIZED ──────────────────────────────┬─► OVER
 *      ▲         1xx        │    ├─► TO_END (response_end)               │
 *      └────────────────────┘    └─► CHUNK_SIZE ─► SIZE_REST ─┬─► TRAILER ┘
 *                                      ▲                      ▼
 *                                      └─────── CHUNK_END ◄─ CHUNK
 *
 * Each stage takes what is its own of a piece, byte for byte the same however the pieces are cut. So only the head's
 * lines, which are read as a whole, are ever kept.
 */
#include "upstream/response.h"

#include <string.h>
#include <strings.h>

enum {
    MAX_LINE = 16 << 10,
    MAX_HEAD = 64 << 10,
    MAX_SIZE_LINE = 4 << 10,
    MAX_TRAILERS = 16 << 10,
    MAX_INTERIM = 16,
};

static const uint64_t max_length = UINT64_C(1) << 53;
static const char version[] = "HTTP/1."; /* its last digit is read with the rest of the line */

enum stage {
    STAGE_VERSION, /* bytes of `version` */
    STAGE_STATUS,  /* the rest of the status line */
    STAGE_FIELDS,
    STAGE_SIZED, /* a body, `left` bytes of it */
    STAGE_TO_END,
    STAGE_CHUNK_SIZE,
    STAGE_SIZE_REST,  /* behind the size's digits, to the line's end */
    STAGE_CHUNK,      /* data, `left` bytes of it */
    STAGE_CHUNK_END,  /* the line end behind it */
    STAGE_CHUNK_LF,   /* its CR has come */
    STAGE_TRAILER,    /* at the beginning of a line */
    STAGE_TRAILER_LF, /* a CR was the first of the line */
    STAGE_TRAILER_REST,
    STAGE_OVER, /* from here on nothing is taken */
    STAGE_BROKEN,
};

_Static_assert(sizeof(struct response) <= 320, "one for each transfer");

/* What was fed and isn't taken yet. */
struct piece {
    const char *at, *end;
};

struct text {
    const char *at;
    size_t len;
};

/* Notes why nothing more can be read. The problem is static. Returns RESPONSE_BROKEN, which the callers hand on. */
static enum response_step broken(struct response *response, const char *problem)
{
    response->problem = problem;
    response->reusable = false;
    response->stage = STAGE_BROKEN;
    return RESPONSE_BROKEN;
}

static enum response_step over(struct response *response)
{
    response->stage = STAGE_OVER;
    return RESPONSE_OVER;
}

/* The next stage begins. Returns RESPONSE_MORE: what is left of the piece is for it. */
static enum response_step go_on(struct response *response, enum stage stage)
{
    response->stage = (uint8_t)stage;
    return RESPONSE_MORE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* -1: none. */
static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : -1;
}

static int hex_digit_of(char c)
{
    const int letter = c | 0x20;
    if (c >= '0' && c <= '9') return c - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* ---- texts ---- */

static struct text trimmed(const char *at, size_t len)
{
    while (len && is_blank(*at)) at++, len--;
    while (len && is_blank(at[len - 1])) len--;
    return (struct text){at, len};
}

static bool is(struct text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* Takes the next member off a list with commas; it may be empty. false: there is none any more. */
static bool next_member(struct text *list, struct text *member)
{
    if (!list->at) return false;
    const char *comma = memchr(list->at, ',', list->len);
    const size_t len = comma ? (size_t)(comma - list->at) : list->len;
    *member = trimmed(list->at, len);
    *list = comma ? (struct text){comma + 1, list->len - len - 1} : (struct text){NULL, 0};
    return true;
}

/* Keeps a value, as much of it as there is room for. An empty one counts as none. */
static void keep(char *to, size_t size, struct text value)
{
    if (value.len == 0) return;
    const size_t len = value.len < size ? value.len : size - 1;
    memcpy(to, value.at, len);
    to[len] = '\0';
}

/* ---- the head ---- */

/* Reads digits alone, at least one. false: it is no number, or over max_length. */
static bool read_length(struct text text, uint64_t *length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = digit_of(text.at[i]);
        if (digit < 0) return false;
        number = 10 * number + (unsigned)digit;
        if (number > max_length) return false;
    }
    *length = number;
    return text.len > 0;
}

static enum response_step take_length(struct response *response, struct text list)
{
    struct text member;
    while (next_member(&list, &member)) {
        uint64_t length;
        if (!read_length(member, &length)) return broken(response, "a Content-Length that is none");
        if (response->has_length && length != response->left) return broken(response, "two lengths that differ");
        response->has_length = true;
        response->left = length;
    }
    return RESPONSE_MORE;
}

/* Several headers are one list. */
static void take_transfer_codings(struct response *response, struct text list)
{
    struct text member;
    response->transfer = true;
    while (next_member(&list, &member)) {
        const char *parameters = memchr(member.at, ';', member.len);
        if (parameters) member = trimmed(member.at, (size_t)(parameters - member.at));
        if (member.len == 0 || is(member, "identity")) continue;
        response->coded = true;
        response->chunked = is(member, "chunked");
        response->encoded = response->encoded || !response->chunked;
    }
}

static void take_content_codings(struct response *response, struct text list)
{
    struct text member;
    while (next_member(&list, &member))
        if (member.len && !is(member, "identity")) response->encoded = true;
}

static void take_connection(struct response *response, struct text list)
{
    struct text member;
    while (next_member(&list, &member)) {
        if (is(member, "close")) response->close = true;
        if (is(member, "keep-alive")) response->keep_alive = true;
    }
}

static enum response_step take_field(struct response *response, struct text name, struct text value)
{
    if (is(name, "content-length")) return take_length(response, value);
    if (is(name, "transfer-encoding"))
        take_transfer_codings(response, value);
    else if (is(name, "content-encoding"))
        take_content_codings(response, value);
    else if (is(name, "connection"))
        take_connection(response, value);
    else if (is(name, "content-type"))
        keep(response->type, sizeof response->type, value);
    else if (is(name, "retry-after"))
        keep(response->retry_after, sizeof response->retry_after, value);
    return RESPONSE_MORE;
}

/* Takes what follows "HTTP/1.": the version's last digit, blanks, three digits, and anything behind a blank. */
static enum response_step take_status(struct response *response, const char *line, size_t len)
{
    static const char problem[] = "a malformed status line";
    if (len == 0 || (*line != '0' && *line != '1')) return broken(response, "neither HTTP/1.0 nor HTTP/1.1");
    response->minor = *line == '1';
    const struct text rest = trimmed(line + 1, len - 1);
    uint64_t code;
    if (rest.at == line + 1 || rest.len < 3 || (rest.len > 3 && !is_blank(rest.at[3])))
        return broken(response, problem);
    if (!read_length((struct text){rest.at, 3}, &code) || code < 100) return broken(response, problem);
    if (code == 101) return broken(response, "a switch to another protocol");
    if (code < 200 && ++response->interim > MAX_INTERIM) return broken(response, "too many interim responses");
    response->code = (int16_t)code;
    return go_on(response, STAGE_FIELDS);
}

/* What the headers say of the body. */
static enum stage body_stage(const struct response *response)
{
    if (response->code == 204 || response->code == 304) return STAGE_OVER;
    if (response->chunked) return STAGE_CHUNK_SIZE;
    if (response->coded || !response->has_length) return STAGE_TO_END;
    return response->left ? STAGE_SIZED : STAGE_OVER;
}

/* With both a length and a coding, somebody on the way may have read the body's end elsewhere (RFC 9112, §6.3). */
static bool is_reusable(const struct response *response)
{
    if (response->close || response->stage == STAGE_TO_END) return false;
    if (response->minor == 0 && (!response->keep_alive || response->transfer)) return false;
    return !response->transfer || !response->has_length;
}

static enum response_step end_head(struct response *response)
{
    if (response->code < 200) {
        response->matched = 0;
        return go_on(response, STAGE_VERSION);
    }
    buf_fini(&response->line);
    response->status = response->code;
    response->stage = (uint8_t)body_stage(response);
    if (response->stage != STAGE_SIZED) response->left = 0;
    response->count = 0;
    response->reusable = is_reusable(response);
    return RESPONSE_HEAD;
}

/* Takes a line without its LF. One that begins with a blank goes on with the header before it, and is skipped. */
static enum response_step take_line(struct response *response, const char *line, size_t len)
{
    if (len && line[len - 1] == '\r') len--;
    if (memchr(line, '\0', len)) return broken(response, "a NUL in the head");
    if (response->stage == STAGE_STATUS) return take_status(response, line, len);
    if (len == 0) return end_head(response);
    if (is_blank(*line)) return RESPONSE_MORE;
    const char *colon = memchr(line, ':', len);
    if (!colon) return broken(response, "a header without a colon");
    if (response->code < 200) return RESPONSE_MORE;
    const size_t name_len = (size_t)(colon - line);
    return take_field(response, trimmed(line, name_len), trimmed(colon + 1, len - name_len - 1));
}

/* Takes the next line of the head. One that is cut by the piece's end is kept; else it is read where it lies. */
static enum response_step take_head(struct response *response, struct piece *piece)
{
    struct buf *kept = &response->line;
    const char *at = piece->at, *lf = memchr(at, '\n', (size_t)(piece->end - at));
    const size_t len = (size_t)((lf ? lf : piece->end) - at);
    piece->at += len + (lf != NULL);
    response->count += len + (lf != NULL);
    if (len > MAX_LINE - kept->len || response->count > MAX_HEAD)
        return broken(response, "a header line over 16 KB, or a head over 64 KB");
    if ((!lf || kept->len) && !buf_append(kept, at, len)) return broken(response, "no memory for a header line");
    if (!lf) return RESPONSE_MORE;
    if (!kept->len) return take_line(response, at, len);
    const size_t whole = kept->len;
    kept->len = 0;
    return take_line(response, kept->data, whole);
}

/* Takes bytes of "HTTP/1.", which no bound counts. What is no HTTP/1 is known at the first byte that differs. */
static enum response_step take_version(struct response *response, struct piece *piece)
{
    while (piece->at < piece->end && version[response->matched])
        if (*piece->at++ != version[response->matched++]) return broken(response, "no HTTP/1 response");
    return version[response->matched] ? RESPONSE_MORE : go_on(response, STAGE_STATUS);
}

/* ---- the body ---- */

/* Hands on as much of the body as the piece holds. `next` follows once nothing is left of it. */
static enum response_step take_body(struct response *response, struct piece *piece, enum stage next, struct text *body)
{
    const size_t here = (size_t)(piece->end - piece->at);
    *body = (struct text){piece->at, here < response->left ? here : (size_t)response->left};
    piece->at += body->len;
    response->left -= body->len;
    if (response->left == 0) response->stage = (uint8_t)next;
    return RESPONSE_BODY;
}

static enum response_step take_to_end(struct piece *piece, struct text *body)
{
    *body = (struct text){piece->at, (size_t)(piece->end - piece->at)};
    piece->at = piece->end;
    return RESPONSE_BODY;
}

/* Skips, and counts, the rest of a line with its LF. false: the piece ends before the LF. */
static bool skip_line(struct response *response, struct piece *piece)
{
    const char *at = piece->at;
    while (at < piece->end && *at != '\n') at++;
    const bool whole = at < piece->end;
    at += whole;
    response->count += (size_t)(at - piece->at);
    piece->at = at;
    return whole;
}

static enum response_step take_size_rest(struct response *response, struct piece *piece)
{
    const bool whole = skip_line(response, piece);
    if (response->count > MAX_SIZE_LINE) return broken(response, "a chunk's size line over 4 KB");
    if (!whole) return RESPONSE_MORE;
    response->count = 0; /* of the next size line, or the trailers */
    return go_on(response, response->left ? STAGE_CHUNK : STAGE_TRAILER);
}

static bool ends_size(char c)
{
    return c == '\r' || c == '\n' || c == ';' || is_blank(c);
}

/* Adds hexadecimal digits to `left`, which is 0 at the first one. What follows them is an extension or the line's end.
 */
static enum response_step take_chunk_size(struct response *response, struct piece *piece)
{
    const char *at = piece->at;
    uint64_t size = response->left;
    for (int digit; at < piece->end && size <= max_length && (digit = hex_digit_of(*at)) >= 0; at++)
        size = size << 4 | (unsigned)digit;
    response->count += (size_t)(at - piece->at);
    response->left = size;
    piece->at = at;
    if (response->count > MAX_SIZE_LINE) return broken(response, "a chunk's size line over 4 KB");
    if (size > max_length) return broken(response, "a chunk over 2^53 bytes");
    if (at == piece->end) return RESPONSE_MORE;
    if (response->count == 0 || !ends_size(*at)) return broken(response, "a chunk without a size");
    response->stage = STAGE_SIZE_REST;
    return take_size_rest(response, piece);
}

/* Takes the CRLF, or LF, behind a chunk's data. */
static enum response_step take_chunk_end(struct response *response, struct piece *piece)
{
    if (response->stage == STAGE_CHUNK_END && *piece->at == '\r') {
        piece->at++;
        response->stage = STAGE_CHUNK_LF;
    }
    if (piece->at == piece->end) return RESPONSE_MORE;
    if (*piece->at++ != '\n') return broken(response, "a chunk longer than its size");
    return go_on(response, STAGE_CHUNK_SIZE);
}

/* Skips trailers, up to the line that is empty. That one, and a CR at a line's beginning, are not counted. */
static enum response_step take_trailer(struct response *response, struct piece *piece)
{
    const enum stage stage = response->stage;
    const char c = *piece->at;
    if (c == '\n' && stage != STAGE_TRAILER_REST) {
        piece->at++;
        return over(response);
    }
    if (c == '\r' && stage == STAGE_TRAILER) {
        piece->at++;
        return go_on(response, STAGE_TRAILER_LF);
    }
    const bool whole = skip_line(response, piece);
    if (response->count > MAX_TRAILERS) return broken(response, "trailers over 16 KB");
    return go_on(response, whole ? STAGE_TRAILER : STAGE_TRAILER_REST);
}

/* ---- the interface ---- */

/* Takes at least one byte of the piece, which isn't empty. */
static enum response_step take(struct response *response, struct piece *piece, struct text *body)
{
    switch ((enum stage)response->stage) {
    case STAGE_VERSION: return take_version(response, piece);
    case STAGE_STATUS:
    case STAGE_FIELDS: return take_head(response, piece);
    case STAGE_SIZED: return take_body(response, piece, STAGE_OVER, body);
    case STAGE_TO_END: return take_to_end(piece, body);
    case STAGE_CHUNK_SIZE: return take_chunk_size(response, piece);
    case STAGE_SIZE_REST: return take_size_rest(response, piece);
    case STAGE_CHUNK: return take_body(response, piece, STAGE_CHUNK_END, body);
    case STAGE_CHUNK_END:
    case STAGE_CHUNK_LF: return take_chunk_end(response, piece);
    case STAGE_TRAILER:
    case STAGE_TRAILER_LF:
    case STAGE_TRAILER_REST: return take_trailer(response, piece);
    case STAGE_OVER:
    case STAGE_BROKEN: break; /* response_next takes nothing then */
    }
    return RESPONSE_BROKEN;
}

void response_begin(struct response *response)
{
    *response = (struct response){.stage = STAGE_VERSION};
    buf_init(&response->line, MAX_LINE);
}

enum response_step response_next(struct response *response, const char **bytes, size_t *len, const char **body,
                                 size_t *body_len)
{
    if (response->stage >= STAGE_OVER) return response->stage == STAGE_OVER ? RESPONSE_OVER : RESPONSE_BROKEN;
    if (*len == 0) return RESPONSE_MORE;
    struct piece piece = {*bytes, *bytes + *len};
    struct text part = {NULL, 0};
    enum response_step step;
    do {
        step = take(response, &piece, &part);
    } while (step == RESPONSE_MORE && piece.at < piece.end);
    *bytes = piece.at;
    *len = (size_t)(piece.end - piece.at);
    *body = part.at;
    *body_len = part.len;
    return step;
}

enum response_step response_end(struct response *response)
{
    switch ((enum stage)response->stage) {
    case STAGE_OVER:
    case STAGE_TO_END: return over(response);
    case STAGE_BROKEN: return RESPONSE_BROKEN;
    case STAGE_VERSION:
        if (response->matched || response->interim) return broken(response, "the connection ended within the head");
        return broken(response, "the connection ended before a response");
    case STAGE_STATUS:
    case STAGE_FIELDS: return broken(response, "the connection ended within the head");
    default: return broken(response, "the connection ended within the body");
    }
}

void response_fini(struct response *response)
{
    buf_fini(&response->line);
}
