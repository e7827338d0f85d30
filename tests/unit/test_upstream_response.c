#include "upstream/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* ---- what a response gave ---- */

struct heard {
    struct response response; /* its line is freed */
    struct buf body;
    enum response_step step; /* the last one */
    int heads;
    size_t rest; /* bytes that it didn't take */
};

/* For each byte of each cut, where ck_assert, which notes where it is, would take most of the time. */
static void must(bool fine, const char *problem)
{
    if (!fine) ck_abort_msg("%s", problem);
}

static void heard_init(struct heard *heard)
{
    *heard = (struct heard){.step = RESPONSE_MORE};
    buf_init(&heard->body, 1 << 20);
    response_begin(&heard->response);
}

static void heard_fini(struct heard *heard)
{
    response_fini(&heard->response);
    buf_fini(&heard->body);
}

static void hear_body(struct heard *heard, const char *piece, size_t size, const char *body, size_t len)
{
    must(heard->heads == 1, "a body without a head");
    must(len > 0, "an empty piece of a body");
    must(body >= piece && body + len <= piece + size, "a body elsewhere than in what was fed");
    must(buf_append(&heard->body, body, len), "a body over 1 MB");
}

/* In memory of its own size, so that a sanitizer sees a step too far. */
static void feed(struct heard *heard, const char *bytes, size_t size)
{
    char *piece = malloc(size ? size : 1);
    const char *at = piece, *body;
    size_t len = size, body_len;
    memcpy(piece, bytes, size);
    do {
        heard->step = response_next(&heard->response, &at, &len, &body, &body_len);
        must(at + len == piece + size, "bytes and their number don't agree");
        if (heard->step == RESPONSE_HEAD) heard->heads++;
        if (heard->step == RESPONSE_BODY) hear_body(heard, piece, size, body, body_len);
    } while (heard->step == RESPONSE_HEAD || heard->step == RESPONSE_BODY);
    must(heard->step != RESPONSE_MORE || len == 0, "more is wanted before all is taken");
    heard->rest += len;
    free(piece);
}

/* In a piece of `first` bytes, and then in pieces of `next` bytes. */
static struct heard hear(const char *bytes, size_t len, size_t first, size_t next)
{
    struct heard heard;
    heard_init(&heard);
    if (first > len) first = len;
    feed(&heard, bytes, first);
    for (size_t at = first; at < len; at += next) feed(&heard, bytes + at, next < len - at ? next : len - at);
    response_fini(&heard.response);
    return heard;
}

static void must_be_same(const char *name, const struct heard *a, struct heard b)
{
    const struct response *x = &a->response, *y = &b.response;
    ck_assert_msg(a->step == b.step && a->heads == b.heads, "%s: another cut, another step: %d and %d", name,
                  (int)a->step, (int)b.step);
    ck_assert_msg(a->body.len == b.body.len && (!a->body.len || memcmp(a->body.data, b.body.data, a->body.len) == 0),
                  "%s: another cut, another body: '%.*s' and '%.*s'", name, (int)a->body.len, a->body.data,
                  (int)b.body.len, b.body.data);
    ck_assert_msg(x->status == y->status && x->reusable == y->reusable && x->encoded == y->encoded &&
                      x->problem == y->problem && strcmp(x->type, y->type) == 0 &&
                      strcmp(x->retry_after, y->retry_after) == 0,
                  "%s: another cut, another head or problem", name);
    if (a->step == RESPONSE_OVER) ck_assert_msg(a->rest == b.rest, "%s: another cut, another rest", name);
    heard_fini(&b);
}

/* Every split in two, and byte by byte, gives what the whole gave. */
static void must_be_same_cut(const char *name, const struct heard *whole, const char *bytes, size_t len)
{
    for (size_t first = 0; first <= len; first++) must_be_same(name, whole, hear(bytes, len, first, len));
    must_be_same(name, whole, hear(bytes, len, 1, 1));
    must_be_same(name, whole, hear(bytes, len, 2, 3));
}

/* ---- responses that are fine ---- */

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

enum { REUSABLE = 1, ENCODED = 2, TO_END = 4 };

struct row {
    const char *name, *bytes;
    const char *body;
    int flags;
    int status;                     /* 0: 200 */
    const char *type, *retry_after; /* NULL: "" */
    size_t rest;
};

static const struct row rows[] = {
    /* the status line */
    {.name = "nothing but a length", .bytes = OK "Content-Length: 5\r\n\r\nhello", .body = "hello", .flags = REUSABLE},
    {.name = "bare LF", .bytes = "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", .body = "hello", .flags = REUSABLE},
    {.name = "LF and CRLF mixed",
     .bytes = "HTTP/1.1 200 OK\nA: b\r\nContent-Length: 5\n\r\nhello",
     .body = "hello",
     .flags = REUSABLE},
    {.name = "no reason",
     .bytes = "HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .status = 429},
    {.name = "an empty reason",
     .bytes = "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .status = 503},
    {.name = "blanks in the status line",
     .bytes = "HTTP/1.1 \t 200\tfine\r\nContent-Length: 0\r\n\r\n",
     .body = "",
     .flags = REUSABLE},
    {.name = "a status nobody knows",
     .bytes = "HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .status = 999},

    /* headers */
    {.name = "letters of any case",
     .bytes = "HTTP/1.1 200 OK\r\ncOnTeNt-LENGTH: 2\r\nCONTENT-type: A/b\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE,
     .type = "A/b"},
    {.name = "blanks around values",
     .bytes = OK "Content-Length:\t 2 \t\r\nContent-Type:  text/plain; a=b  \r\nRetry-After:3\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE,
     .type = "text/plain; a=b",
     .retry_after = "3"},
    {.name = "a blank before the colon", .bytes = OK "Content-Length : 2\r\n\r\nhi", .body = "hi", .flags = REUSABLE},
    {.name = "lines that go on are skipped",
     .bytes = OK " first: x\r\nX: a\r\n\tContent-Length: 7\r\nContent-Length: 2\r\n  \r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},
    {.name = "empty names and values",
     .bytes = OK ": x\r\nX:\r\nContent-Type:\r\nRetry-After: \r\nContent-Length: 2\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},
    {.name = "the last type and Retry-After",
     .bytes =
         OK "Retry-After: 1\r\nContent-Type: a/b\r\nretry-after: 2\r\ncontent-type: c/d\r\nContent-Length: 0\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .type = "c/d",
     .retry_after = "2"},
    {.name = "an empty type and Retry-After after others",
     .bytes = OK "Content-Type: a/b\r\nRetry-After: 1\r\nContent-Type:\r\nRetry-After: \r\nContent-Length: 0\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .type = "a/b",
     .retry_after = "1"},
    {.name = "names that only begin or end alike",
     .bytes =
         OK "Content-Length2: 7\r\nX-Content-Length: 8\r\nTransfer-Encodin: chunked\r\nContent-Length: 2\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},

    /* lengths */
    {.name = "the same length twice",
     .bytes = OK "Content-Length: 2\r\nContent-Length: 02\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},
    {.name = "a list of the same length",
     .bytes = OK "Content-Length: 2, 2,2\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},
    {.name = "a length of 0", .bytes = OK "Content-Length: 0\r\n\r\n", .body = "", .flags = REUSABLE},
    {.name = "bytes behind a length",
     .bytes = OK "Content-Length: 2\r\n\r\nhi" OK,
     .body = "hi",
     .flags = REUSABLE,
     .rest = strlen(OK)},
    {.name = "bytes behind a length of 0",
     .bytes = OK "Content-Length: 0\r\n\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .rest = 2},
    {.name = "no length",
     .bytes = OK "Content-Type: text/plain\r\n\r\nhello",
     .body = "hello",
     .flags = TO_END,
     .type = "text/plain"},
    {.name = "no header at all", .bytes = "HTTP/1.0 200 OK\r\n\r\nhello", .body = "hello", .flags = TO_END},
    {.name = "no length, keep-alive",
     .bytes = OK "Connection: keep-alive\r\n\r\nhello",
     .body = "hello",
     .flags = TO_END},
    {.name = "204",
     .bytes = "HTTP/1.1 204 No Content\r\n\r\nx",
     .body = "",
     .flags = REUSABLE,
     .status = 204,
     .rest = 1},
    {.name = "304 with the length that a 200 would have",
     .bytes = "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
     .body = "",
     .flags = REUSABLE,
     .status = 304},

    /* interim responses */
    {.name = "100 first",
     .bytes = "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},
    {.name = "interim headers count for nothing",
     .bytes =
         "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nConnection: close\r\nContent-Type: a/b\r\nRetry-After: 1\r\n"
         "Content-Encoding: gzip\r\nTransfer-Encoding: gzip\r\n\r\nHTTP/1.0 102 Processing\n\n" OK
         "Content-Length: 2\r\n\r\nhi",
     .body = "hi",
     .flags = REUSABLE},

    /* chunks */
    {.name = "chunks",
     .bytes = CHUNKED "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
     .body = "hello, world",
     .flags = REUSABLE},
    {.name = "chunks with bare LF", .bytes = CHUNKED "5\nhello\n0\n\n", .body = "hello", .flags = REUSABLE},
    {.name = "sizes in hexadecimal, of any case",
     .bytes = CHUNKED "a\r\n0123456789\r\n00B\r\n0123456789a\r\n000\r\n\r\n",
     .body = "01234567890123456789a",
     .flags = REUSABLE},
    {.name = "extensions",
     .bytes = CHUNKED "2;a=b;c=\"d\"\r\nhi\r\n1 \r\n!\r\n1\t;x\ry\r\n?\r\n0 ;end\r\n\r\n",
     .body = "hi!?",
     .flags = REUSABLE},
    {.name = "trailers",
     .bytes = CHUNKED "2\r\nhi\r\n0\r\nX: a\r\nContent-Length: 9\r\nno colon\n\rx\r\n\r\n",
     .body = "hi",
     .flags = REUSABLE},
    {.name = "trailers that end in LF",
     .bytes = CHUNKED "2\r\nhi\r\n0\nX: a\n\nx",
     .body = "hi",
     .flags = REUSABLE,
     .rest = 1},
    {.name = "line ends within a chunk",
     .bytes = CHUNKED "6\r\n\r\n0\r\n\r\r\n0\r\n\r\n",
     .body = "\r\n0\r\n\r",
     .flags = REUSABLE},
    {.name = "no chunk at all", .bytes = CHUNKED "0\r\n\r\n", .body = "", .flags = REUSABLE},
    {.name = "bytes behind chunks",
     .bytes = CHUNKED "2\r\nhi\r\n0\r\n\r\n" OK,
     .body = "hi",
     .flags = REUSABLE,
     .rest = strlen(OK)},

    /* codings */
    {.name = "chunked in other letters, with a parameter",
     .bytes = OK "Transfer-Encoding: CHUNKED ; a=b\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x",
     .flags = REUSABLE},
    {.name = "chunked twice is chunked once",
     .bytes = OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x",
     .flags = REUSABLE},
    {.name = "gzip, then chunked",
     .bytes = OK "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x",
     .flags = REUSABLE | ENCODED},
    {.name = "gzip, then chunked, in two headers",
     .bytes = OK "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x",
     .flags = REUSABLE | ENCODED},
    {.name = "chunked, then gzip, goes to the end",
     .bytes = OK "Transfer-Encoding: chunked, gzip\r\n\r\n1\r\nx\r\n",
     .body = "1\r\nx\r\n",
     .flags = ENCODED | TO_END},
    {.name = "gzip alone goes to the end",
     .bytes = OK "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nxyz",
     .body = "xyz",
     .flags = ENCODED | TO_END},
    {.name = "identity is no coding",
     .bytes = OK "Transfer-Encoding: chunked, Identity, \r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x",
     .flags = REUSABLE},
    {.name = "identity with a length",
     .bytes = OK "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
     .body = "x"},
    {.name = "identity without a length",
     .bytes = OK "Transfer-Encoding: identity\r\n\r\nx",
     .body = "x",
     .flags = TO_END},
    {.name = "chunked with a length",
     .bytes = OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x"},
    {.name = "chunked before a length",
     .bytes = OK "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x"},
    {.name = "chunked in HTTP/1.0",
     .bytes = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x"},
    {.name = "a Content-Encoding",
     .bytes = OK "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
     .body = "x",
     .flags = REUSABLE | ENCODED},
    {.name = "several Content-Encodings",
     .bytes = OK "Content-Encoding: br\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
     .body = "x",
     .flags = REUSABLE | ENCODED},
    {.name = "a Content-Encoding of identity",
     .bytes = OK "Content-Encoding: Identity\r\nContent-Encoding:\r\nContent-Length: 1\r\n\r\nx",
     .body = "x",
     .flags = REUSABLE},

    /* whether the connection stays */
    {.name = "close", .bytes = OK "Connection: close\r\nContent-Length: 1\r\n\r\nx", .body = "x"},
    {.name = "close in a list, in the second header",
     .bytes = OK "Connection: x\r\nConnection: keep-alive ,\tCLOSE,\r\nContent-Length: 1\r\n\r\nx",
     .body = "x"},
    {.name = "a token that only begins with close",
     .bytes = OK "Connection: closer, not-close\r\nContent-Length: 1\r\n\r\nx",
     .body = "x",
     .flags = REUSABLE},
    {.name = "close and chunks",
     .bytes = OK "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     .body = "x"},
    {.name = "HTTP/1.0", .bytes = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", .body = "x"},
    {.name = "HTTP/1.0 with keep-alive",
     .bytes = "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
     .body = "x",
     .flags = REUSABLE},
    {.name = "HTTP/1.0 with both",
     .bytes = "HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 1\r\n\r\nx",
     .body = "x"},
};

static void must_be(const struct row *row, const struct heard *heard)
{
    const struct response *response = &heard->response;
    ck_assert_msg(heard->step == ((row->flags & TO_END) ? RESPONSE_MORE : RESPONSE_OVER), "%s: step %d, %s", row->name,
                  (int)heard->step, response->problem);
    ck_assert_int_eq(heard->heads, 1);
    ck_assert_msg(response->status == (row->status ? row->status : 200), "%s: %d", row->name, response->status);
    ck_assert_msg(response->reusable == !!(row->flags & REUSABLE), "%s: reusable %d", row->name, response->reusable);
    ck_assert_msg(response->encoded == !!(row->flags & ENCODED), "%s: encoded %d", row->name, response->encoded);
    ck_assert_str_eq(response->type, row->type ? row->type : "");
    ck_assert_str_eq(response->retry_after, row->retry_after ? row->retry_after : "");
    ck_assert_ptr_null(response->problem);
    ck_assert_msg(heard->body.len == strlen(row->body) &&
                      (!heard->body.len || memcmp(heard->body.data, row->body, heard->body.len) == 0),
                  "%s: '%.*s'", row->name, (int)heard->body.len, heard->body.data);
    ck_assert_uint_eq(heard->rest, row->rest);
}

START_TEST(a_response_means_the_same_however_it_is_cut)
{
    const struct row *row = &rows[_i];
    const size_t len = strlen(row->bytes);
    struct heard whole = hear(row->bytes, len, len, len);
    must_be(row, &whole);
    must_be_same_cut(row->name, &whole, row->bytes, len);
    heard_fini(&whole);
}
END_TEST

/* What a connection that ends after `len` bytes makes of a row. */
static void must_end(const struct row *row, size_t len, size_t own)
{
    struct heard heard = hear(row->bytes, len, len, len);
    const bool fine = len >= own || ((row->flags & TO_END) && heard.heads);
    ck_assert_int_eq(heard.step, len >= own && !(row->flags & TO_END) ? RESPONSE_OVER : RESPONSE_MORE);
    ck_assert_msg(response_end(&heard.response) == (fine ? RESPONSE_OVER : RESPONSE_BROKEN), "%s: cut at %zu",
                  row->name, len);
    ck_assert_msg(fine == !heard.response.problem, "%s: cut at %zu", row->name, len);
    if (!fine) {
        ck_assert(!heard.response.reusable);
        ck_assert_int_eq(heard.response.status, heard.heads ? (row->status ? row->status : 200) : 0);
    }
    const size_t room = strlen(row->body) - heard.body.len;
    if (row->flags & TO_END && heard.heads) ck_assert_uint_eq(room, own - len);
    heard_fini(&heard);
}

START_TEST(a_response_cut_short_is_broken_unless_it_goes_to_the_end)
{
    const size_t own = strlen(rows[_i].bytes) - rows[_i].rest;
    for (size_t len = 0; len <= own; len++) must_end(&rows[_i], len, own);
}
END_TEST

START_TEST(an_end_says_where_it_came)
{
    static const struct {
        const char *bytes, *problem;
    } ends[] = {
        {"", "the connection ended before a response"},
        {"H", "the connection ended within the head"},
        {"HTTP/1.1 100 Continue\r\n\r\n", "the connection ended within the head"},
        {OK, "the connection ended within the head"},
        {OK "Content-Length: 1\r\n\r\n", "the connection ended within the body"},
        {CHUNKED, "the connection ended within the body"},
        {CHUNKED "0\r\n", "the connection ended within the body"},
    };
    for (size_t i = 0; i < UNIT_COUNT(ends); i++) {
        const size_t len = strlen(ends[i].bytes);
        struct heard heard = hear(ends[i].bytes, len, len, len);
        ck_assert_int_eq(response_end(&heard.response), RESPONSE_BROKEN);
        ck_assert_str_eq(heard.response.problem, ends[i].problem);
        feed(&heard, "HTTP", 4);
        ck_assert_int_eq(heard.step, RESPONSE_BROKEN);
        ck_assert_int_eq(response_end(&heard.response), RESPONSE_BROKEN);
        ck_assert_str_eq(heard.response.problem, ends[i].problem);
        heard_fini(&heard);
    }
}
END_TEST

/* ---- responses that are broken ---- */

#define NO_HTTP "no HTTP/1 response"
#define NO_VERSION "neither HTTP/1.0 nor HTTP/1.1"
#define NO_STATUS "a malformed status line"
#define NO_LENGTH "a Content-Length that is none"
#define NO_SIZE "a chunk without a size"
#define BIG_CHUNK "a chunk over 2^53 bytes"
#define LONG_CHUNK "a chunk longer than its size"

static const struct {
    const char *name, *bytes, *problem;
    const char *body; /* what came before; NULL: not even a head */
    size_t len;       /* of bytes with NUL in them; 0: strlen */
} breaks[] = {
    {"HTTP/0.9", "<html></html>", NO_HTTP, NULL, 0},
    {"HTTP/2", "HTTP/2 200\r\n\r\n", NO_HTTP, NULL, 0},
    {"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", NO_HTTP, NULL, 0},
    {"TLS", "\x15\x03\x01", NO_HTTP, NULL, 0},
    {"an empty line first", "\r\n" OK "\r\n", NO_HTTP, NULL, 0},
    {"small letters", "http/1.1 200 OK\r\n\r\n", NO_HTTP, NULL, 0},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", NO_VERSION, NULL, 0},
    {"HTTP/1.", "HTTP/1.\r\n\r\n", NO_VERSION, NULL, 0},
    {"HTTP/1.10", "HTTP/1.10 200 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"no status", "HTTP/1.1\r\n\r\n", NO_STATUS, NULL, 0},
    {"no blank before the status", "HTTP/1.1200 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"a status below 100", "HTTP/1.1 099 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"a sign before the status", "HTTP/1.1 +20 OK\r\n\r\n", NO_STATUS, NULL, 0},
    {"101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "a switch to another protocol", NULL, 0},

    {"no colon", OK "Content-Length 5\r\n\r\n", "a header without a colon", NULL, 0},
    {"no colon in an interim head", "HTTP/1.1 100 Continue\r\nx\r\n\r\n" OK, "a header without a colon", NULL, 0},
    {"two CR", OK "\r\r\n", "a header without a colon", NULL, 0},
    {"NUL in the status line", "HTTP/1.1 200 O\0K\r\n\r\n", "a NUL in the head", NULL, 20},
    {"NUL in a value", OK "A: \0\r\n\r\n", "a NUL in the head", NULL, sizeof OK - 1 + 8},
    {"NUL in a line that goes on", OK "A: b\r\n \0\r\n\r\n", "a NUL in the head", NULL, sizeof OK - 1 + 12},

    {"an empty length", OK "Content-Length:\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a length with a sign", OK "Content-Length: +5\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a negative length", OK "Content-Length: -5\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a hexadecimal length", OK "Content-Length: 0x5\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a length and something", OK "Content-Length: 5 5\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a list with an empty length", OK "Content-Length: 5,\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a length over 2^53", OK "Content-Length: 9007199254740993\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a length over 2^64", OK "Content-Length: 18446744073709551617\r\n\r\n", NO_LENGTH, NULL, 0},
    {"a length that is none, beside chunked", OK "Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n", NO_LENGTH,
     NULL, 0},
    {"two lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "two lengths that differ", NULL, 0},
    {"a list of two lengths", OK "Content-Length: 5, 6\r\n\r\n", "two lengths that differ", NULL, 0},

    {"no size", CHUNKED "\r\n\r\n", NO_SIZE, "", 0},
    {"an extension without a size", CHUNKED ";a\r\n\r\n", NO_SIZE, "", 0},
    {"a blank before the size", CHUNKED " 5\r\nhello\r\n", NO_SIZE, "", 0},
    {"a negative size", CHUNKED "-1\r\n", NO_SIZE, "", 0},
    {"a size with a prefix", CHUNKED "0x5\r\n", NO_SIZE, "", 0},
    {"a size with another letter", CHUNKED "5g\r\n", NO_SIZE, "", 0},
    {"NUL behind a size", CHUNKED "5\0\r\n", NO_SIZE, "", sizeof CHUNKED - 1 + 4},
    {"a size over 2^53", CHUNKED "20000000000001\r\n", BIG_CHUNK, "", 0},
    {"a size over 2^64", CHUNKED "10000000000000005\r\nhello", BIG_CHUNK, "", 0},
    {"a size over 2^53 behind zeros", CHUNKED "00000000fffffffffffffff\r\n", BIG_CHUNK, "", 0},
    {"data longer than the size", CHUNKED "2\r\nhi!\r\n0\r\n\r\n", LONG_CHUNK, "hi", 0},
    {"a lone CR behind data", CHUNKED "2\r\nhi\r0\r\n\r\n", LONG_CHUNK, "hi", 0},
    {"two CR behind data", CHUNKED "2\r\nhi\r\r\n0\r\n\r\n", LONG_CHUNK, "hi", 0},
    {"no size in the second chunk", CHUNKED "2\r\nhi\r\n\r\n", NO_SIZE, "hi", 0},
};

START_TEST(a_broken_response_is_known_however_it_is_cut)
{
    const char *name = breaks[_i].name, *bytes = breaks[_i].bytes, *body = breaks[_i].body;
    const size_t len = breaks[_i].len ? breaks[_i].len : strlen(bytes);
    struct heard whole = hear(bytes, len, len, len);
    ck_assert_msg(whole.step == RESPONSE_BROKEN, "%s: step %d", name, (int)whole.step);
    ck_assert_str_eq(whole.response.problem, breaks[_i].problem);
    ck_assert(!whole.response.reusable);
    ck_assert_msg(whole.heads == (body != NULL), "%s", name);
    ck_assert_int_eq(whole.response.status, body ? 200 : 0);
    ck_assert_uint_eq(whole.body.len, body ? strlen(body) : 0);
    ck_assert_int_eq(response_end(&whole.response), RESPONSE_BROKEN);
    ck_assert_str_eq(whole.response.problem, breaks[_i].problem);
    must_be_same_cut(name, &whole, bytes, len);
    heard_fini(&whole);
}
END_TEST

START_TEST(what_is_no_http_is_known_at_once)
{
    static const char *const others[] = {"<", "HTTP/2", "SSH-", "\n", "HTTP/1\n"};
    for (size_t i = 0; i < UNIT_COUNT(others); i++) {
        struct heard heard = hear(others[i], strlen(others[i]), 1, 1);
        ck_assert_msg(heard.step == RESPONSE_BROKEN, "%s", others[i]);
        heard_fini(&heard);
    }
}
END_TEST

/* ---- bounds ---- */

static void add_many(struct buf *buf, char c, size_t count)
{
    for (size_t i = 0; i < count; i++) must(buf_append_char(buf, c), "bytes over 1 MB");
}

/* Whole, byte by byte, and in pieces as a socket may give them. NULL: it isn't broken, and more is wanted. */
static void must_break(struct buf *bytes, const char *problem)
{
    const size_t sizes[] = {bytes->len, 1, 4096, 1000};
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
        struct heard heard = hear(bytes->data, bytes->len, sizes[i], sizes[i]);
        ck_assert_int_eq(heard.step, problem ? RESPONSE_BROKEN : RESPONSE_MORE);
        ck_assert_pstr_eq(heard.response.problem, problem);
        heard_fini(&heard);
    }
    buf_fini(bytes);
}

static struct buf begun(const char *bytes)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    ck_assert(buf_append_str(&buf, bytes));
    return buf;
}

#define LONG_HEAD "a header line over 16 KB, or a head over 64 KB"

START_TEST(a_line_of_the_head_is_bounded)
{
    for (int over = 0; over <= 1; over++)
        for (int ended = 0; ended <= 1; ended++) {
            const char *problem = over ? LONG_HEAD : NULL;
            struct buf bytes = begun(OK "X:");
            add_many(&bytes, 'a', (16 << 10) - 2 + (size_t)over);
            if (ended) buf_append_str(&bytes, "\n");
            must_break(&bytes, problem);
            bytes = begun("HTTP/1.1 200 ");
            add_many(&bytes, 'a', (16 << 10) - strlen("1 200 ") + (size_t)over);
            if (ended) buf_append_str(&bytes, "\n");
            must_break(&bytes, problem);
        }
}
END_TEST

START_TEST(a_head_is_bounded_with_its_interim_ones)
{
    for (size_t over = 0; over <= 1; over++) {
        struct buf bytes = begun("HTTP/1.1 100\nX:"); /* "HTTP/1." is counted in none */
        add_many(&bytes, 'a', (16 << 10) - strlen("1 100\nX:\n\n"));
        buf_append_str(&bytes, "\n\nHTTP/1.1 200\n");
        for (int i = 0; i < 3; i++) {
            buf_append_str(&bytes, "X:");
            add_many(&bytes, 'a', (16 << 10) - strlen("X:\n") - (i ? 0 : strlen("1 200\n")));
            buf_append_str(&bytes, "\n");
        }
        bytes.len -= 1 - over; /* without room for the empty line, it is over */
        bytes.data[bytes.len - 1] = '\n';
        buf_append_str(&bytes, "\n");
        must_break(&bytes, over ? LONG_HEAD : NULL);
    }
}
END_TEST

START_TEST(interim_responses_are_bounded)
{
    struct buf bytes = begun("");
    for (int i = 0; i < 16; i++) buf_append_str(&bytes, "HTTP/1.1 102 Processing\r\n\r\n");
    buf_append_str(&bytes, OK "\r\n");
    must_break(&bytes, NULL);
    bytes = begun("");
    for (int i = 0; i < 17; i++) buf_append_str(&bytes, "HTTP/1.1 102 Processing\r\n\r\n");
    must_break(&bytes, "too many interim responses");
}
END_TEST

START_TEST(a_chunk_size_line_is_bounded)
{
    static const char *const begins[] = {CHUNKED, CHUNKED "5\r\nhello\r\n"}; /* each line is counted for itself */
    for (size_t over = 0; over <= 1; over++)
        for (size_t i = 0; i < UNIT_COUNT(begins); i++) {
            const char *problem = over ? "a chunk's size line over 4 KB" : NULL;
            struct buf bytes = begun(begins[i]);
            buf_append_str(&bytes, "5;");
            add_many(&bytes, 'a', (4 << 10) - strlen("5;\r\n") + over);
            buf_append_str(&bytes, "\r\nhello\r\n");
            must_break(&bytes, problem);
            bytes = begun(begins[i]);
            add_many(&bytes, '0', (4 << 10) - strlen("5\r\n") + over);
            buf_append_str(&bytes, "5\r\nhello\r\n");
            must_break(&bytes, problem);
            bytes = begun(begins[i]);
            add_many(&bytes, '0', (4 << 10) + over);
            must_break(&bytes, problem);
        }
}
END_TEST

START_TEST(trailers_are_bounded)
{
    for (size_t over = 0; over <= 1; over++)
        for (int many = 0; many <= 1; many++) {
            struct buf bytes = begun(CHUNKED "5\r\nhello\r\n0\r\n");
            const size_t lines = many ? 4096 : 1;
            for (size_t i = 0; i < lines; i++) {
                add_many(&bytes, 'a', (16 << 10) / lines - strlen("\n"));
                buf_append_str(&bytes, "\n");
            }
            if (over) buf_append_str(&bytes, "a");
            must_break(&bytes, over ? "trailers over 16 KB" : NULL);
        }
}
END_TEST

START_TEST(lengths_may_be_2_to_the_53)
{
    static const char *const fine[] = {OK "Content-Length: 9007199254740992\r\n\r\nx", CHUNKED "20000000000000\r\nx",
                                       CHUNKED "0000000000000000020000000000000;\r\nx"};
    for (size_t i = 0; i < UNIT_COUNT(fine); i++) {
        struct heard heard = hear(fine[i], strlen(fine[i]), 10, 10);
        ck_assert_int_eq(heard.step, RESPONSE_MORE);
        ck_assert_uint_eq(heard.body.len, 1);
        ck_assert(heard.response.left == (UINT64_C(1) << 53) - 1);
        heard_fini(&heard);
    }
}
END_TEST

START_TEST(long_values_are_cut)
{
    struct buf bytes = begun(OK "Content-Length: 0\r\nContent-Type: ");
    add_many(&bytes, 'a', 127);
    buf_append_str(&bytes, "b\r\nRetry-After: ");
    add_many(&bytes, '1', 63);
    buf_append_str(&bytes, "2\r\n\r\n");
    struct heard heard = hear(bytes.data, bytes.len, bytes.len, bytes.len);
    ck_assert_int_eq(heard.step, RESPONSE_OVER);
    ck_assert_uint_eq(strlen(heard.response.type), 127);
    ck_assert_ptr_null(strchr(heard.response.type, 'b'));
    ck_assert_uint_eq(strlen(heard.response.retry_after), 63);
    ck_assert_ptr_null(strchr(heard.response.retry_after, '2'));
    heard_fini(&heard);
    buf_fini(&bytes);
}
END_TEST

/* ---- the rest of the interface ---- */

static enum response_step next(struct response *response, const char **at, size_t *len, const char *body)
{
    const char *part;
    size_t part_len;
    const enum response_step step = response_next(response, at, len, &part, &part_len);
    if (step != RESPONSE_BODY) return step;
    ck_assert_uint_eq(part_len, strlen(body));
    ck_assert_int_eq(memcmp(part, body, part_len), 0);
    return step;
}

START_TEST(each_step_is_told_for_itself)
{
    static const char bytes[] = CHUNKED "2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\nrest";
    struct response response;
    const char *at = bytes;
    size_t len = strlen(bytes);
    response_begin(&response);
    ck_assert_int_eq(response.status, 0);
    ck_assert_int_eq(next(&response, &at, &len, ""), RESPONSE_HEAD);
    ck_assert_int_eq(response.status, 200);
    ck_assert_ptr_eq(at, bytes + strlen(CHUNKED));
    ck_assert_int_eq(next(&response, &at, &len, "hi"), RESPONSE_BODY);
    ck_assert_int_eq(next(&response, &at, &len, "you"), RESPONSE_BODY);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(next(&response, &at, &len, ""), RESPONSE_OVER);
        ck_assert_str_eq(at, "rest");
        ck_assert_uint_eq(len, 4);
    }
    ck_assert_int_eq(response_end(&response), RESPONSE_OVER);
    ck_assert(response.reusable);
    response_fini(&response);
}
END_TEST

START_TEST(no_bytes_are_fine)
{
    static const char bytes[] = OK "Content-Length: 0\r\n\r\n";
    struct response response;
    const char *at = NULL;
    size_t len = 0;
    response_begin(&response);
    ck_assert_int_eq(next(&response, &at, &len, ""), RESPONSE_MORE);
    at = bytes;
    len = strlen(bytes);
    ck_assert_int_eq(next(&response, &at, &len, ""), RESPONSE_HEAD);
    ck_assert_uint_eq(len, 0);
    at = NULL;
    ck_assert_int_eq(next(&response, &at, &len, ""), RESPONSE_OVER);
    response_fini(&response);
}
END_TEST

START_TEST(a_body_to_the_end_is_over_with_the_connection)
{
    static const char bytes[] = OK "\r\nhello";
    struct heard heard = hear(bytes, strlen(bytes), 10, 10);
    ck_assert_int_eq(response_end(&heard.response), RESPONSE_OVER);
    ck_assert(!heard.response.reusable);
    feed(&heard, "x", 1);
    ck_assert_int_eq(heard.step, RESPONSE_OVER);
    heard_fini(&heard);
}
END_TEST

START_TEST(only_a_line_that_was_cut_is_kept)
{
    static const char bytes[] = OK "X: y\r\nContent-Length: 2\r\n\r\nhi";
    const size_t head = strlen(bytes) - 2;
    for (size_t first = 0; first <= head; first++) {
        struct heard heard;
        heard_init(&heard);
        feed(&heard, bytes, first);
        const bool between = first <= strlen("HTTP/1.") || bytes[first - 1] == '\n';
        ck_assert_msg(between == !heard.response.line.data, "cut at %zu", first);
        feed(&heard, bytes + first, head - first);
        ck_assert_ptr_null(heard.response.line.data);
        heard_fini(&heard);
    }
    struct heard heard = hear(bytes, strlen(bytes), 3, 3); /* freed before the end, too */
    heard_fini(&heard);
}
END_TEST

START_TEST(a_response_is_small)
{
    ck_assert_uint_le(sizeof(struct response), 320);
}
END_TEST

UNIT_SUITE(upstream_response)
{
    Suite *suite = suite_create("upstream_response");
    TCase *tables = tcase_create("tables");

    tcase_add_loop_test(tables, a_response_means_the_same_however_it_is_cut, 0, UNIT_COUNT(rows));
    tcase_add_loop_test(tables, a_response_cut_short_is_broken_unless_it_goes_to_the_end, 0, UNIT_COUNT(rows));
    tcase_add_loop_test(tables, a_broken_response_is_known_however_it_is_cut, 0, UNIT_COUNT(breaks));
    suite_add_tcase(suite, tables);
    UNIT_CASE(suite, "ends", an_end_says_where_it_came, what_is_no_http_is_known_at_once);
    UNIT_CASE(suite, "bounds", a_line_of_the_head_is_bounded, a_head_is_bounded_with_its_interim_ones,
              interim_responses_are_bounded, a_chunk_size_line_is_bounded, trailers_are_bounded,
              lengths_may_be_2_to_the_53, long_values_are_cut);
    UNIT_CASE(suite, "interface", each_step_is_told_for_itself, no_bytes_are_fine,
              a_body_to_the_end_is_over_with_the_connection, only_a_line_that_was_cut_is_kept, a_response_is_small);
    return suite;
}
