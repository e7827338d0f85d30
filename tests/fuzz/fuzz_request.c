/*
 * A whole FastCGI request as nginx writes one (FastCGI 1.0, §3.3-3.4), through libfcgi's reader into fcgi/request.c:
 * any names and values, lengths of one byte or four, any cuts of the records, any body beside any CONTENT_LENGTH. Each
 * parameter is what was sent first by that name, but for headers that may come once; a body is taken whole or refused;
 * the answer is whole records. How the bytes are framed is nginx' word, which alone can reach the socket
 * (docs/security.md), so it is not made up here.
 *
 *   input: flags, limit, cut | name\n value\n … | \n | body
 */
#include <ctype.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/request.h"
#include "fuzz/fuzz.h"

enum { RIGHT_LENGTH = 1, LONG_LENGTHS = 2, TAKE = 4, PAIRS = 24, REQUEST_MAX = 48 << 10, ID = 1 };
enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

static const char *const asked[] = {"REQUEST_METHOD",     "DOCUMENT_URI", "QUERY_STRING", "CONTENT_TYPE",
                                    "CONTENT_LENGTH",     "REQUEST_ID",   "REMOTE_ADDR",  "HTTP_AUTHORIZATION",
                                    "HTTP_COOKIE",        "HTTP_HOST",    "HTTP_ORIGIN",  "HTTP_IDEMPOTENCY_KEY",
                                    "HTTP_LAST_EVENT_ID", "X_INTERNAL",   "HTTP",         "",
                                    "HTTP_CONTENT_TYPE"};

struct pairs {
    char *name[PAIRS], *value[PAIRS];
    int count;
};

struct bytes {
    uint8_t data[REQUEST_MAX + 4096];
    size_t len;
};

static void put(struct bytes *to, const void *data, size_t len)
{
    must(to->len + len <= sizeof to->data);
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

static void put_record(struct bytes *to, uint8_t type, const void *content, size_t len, uint8_t padding)
{
    uint8_t head[8] = {1, type, 0, ID, (uint8_t)(len >> 8), (uint8_t)len, padding, 0}, none[255] = {0};
    put(to, head, sizeof head);
    if (len) put(to, content, len);
    put(to, none, padding);
}

/* In records of at most `cut` bytes, with the empty one that ends them. */
static void put_stream(struct bytes *to, uint8_t type, const uint8_t *content, size_t len, size_t cut)
{
    for (size_t at = 0, part; at < len; at += part) {
        part = len - at < cut ? len - at : cut;
        put_record(to, type, content + at, part, (uint8_t)(cut & 7));
    }
    put_record(to, type, NULL, 0, 0);
}

static void put_length(struct bytes *to, size_t len, bool as_four)
{
    uint8_t four[4] = {(uint8_t)(0x80 | len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    if (as_four || len > 127)
        put(to, four, sizeof four);
    else
        put(to, four + 3, 1);
}

/* The first "name=value" that begins with the name and '='. */
static const char *sent(const struct pairs *pairs, const char *name, char *scratch, size_t size)
{
    size_t len = strlen(name);
    for (int i = 0; i < pairs->count; i++) {
        must((size_t)snprintf(scratch, size, "%s=%s", pairs->name[i], pairs->value[i]) < size);
        if (strncmp(scratch, name, len) == 0 && scratch[len] == '=') return scratch + len + 1;
    }
    return NULL;
}

static int count_of(const struct pairs *pairs, const char *name, const char *but)
{
    char scratch[8192];
    size_t len = strlen(name);
    int count = 0;
    for (int i = 0; i < pairs->count; i++) {
        must((size_t)snprintf(scratch, sizeof scratch, "%s=%s", pairs->name[i], pairs->value[i]) < sizeof scratch);
        if (strncmp(scratch, name, len) != 0 || scratch[len] != '=') continue;
        count += !but || strcmp(scratch + len + 1, but) != 0;
    }
    return count;
}

/* What the program must find: the first by that name. Two values of a header that takes one are a list, which is none;
 * a body that nginx and a header of their own say two types of has none. */
static const char *expected(const struct pairs *pairs, const char *name, char *scratch, size_t size)
{
    const char *first = sent(pairs, name, scratch, size);
    bool single = strcmp(name, "HTTP_IDEMPOTENCY_KEY") == 0 || strcmp(name, "HTTP_LAST_EVENT_ID") == 0;
    if (first && single && count_of(pairs, name, NULL) > 1) return ", ";
    if (first && strcmp(name, "CONTENT_TYPE") == 0 &&
        (count_of(pairs, "HTTP_CONTENT_TYPE", NULL) > 1 || count_of(pairs, "HTTP_CONTENT_TYPE", first) > 0))
        return "";
    return first;
}

static int listener(struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX}; /* no path: the kernel gives it a name */
    socklen_t len = sizeof *address;
    must(fd >= 0 && bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)) == 0 && listen(fd, 4) == 0);
    must(getsockname(fd, (struct sockaddr *)address, &len) == 0);
    return fd;
}

/* The answer: records of ours, STDOUT ended, END_REQUEST last; its text goes to `text`. */
static void read_answer(int fd, struct bytes *text)
{
    static struct bytes all;
    ssize_t got;
    all.len = text->len = 0;
    while ((got = read(fd, all.data + all.len, sizeof all.data - all.len)) > 0) all.len += (size_t)got;
    bool ended = false;
    for (size_t at = 0; at < all.len;) {
        must(!ended && all.len - at >= 8 && all.data[at] == 1 && all.data[at + 3] == ID);
        size_t len = (size_t)(all.data[at + 4] << 8 | all.data[at + 5]), whole = 8 + len + all.data[at + 6];
        must(all.len - at >= whole);
        ended = all.data[at + 1] == END_REQUEST;
        if (all.data[at + 1] == STDOUT) put(text, all.data + at + 8, len);
        at += whole;
    }
    must(ended);
}

static void must_have_body(struct fcgi_request *request, const struct pairs *pairs, const uint8_t *body, size_t len,
                           size_t limit, struct arena *arena)
{
    char scratch[8192];
    const char *read = NULL, *length = sent(pairs, "CONTENT_LENGTH", scratch, sizeof scratch);
    size_t read_len = 0;
    enum chat_error error = request_read_body(&request->request, limit, arena, &read, &read_len);
    must(read_len <= limit && (read_len == 0 || memcmp(read, body, read_len) == 0));
    bool number = length && strspn(length, "0123456789") == strlen(length) && strlen(length) < 18;
    if (length && !number) return; /* nginx writes nothing else */
    size_t expected = number ? (size_t)strtoull(length, NULL, 10) : 0;
    if (expected > limit || len > expected)
        must(error == CHAT_ERR_PAYLOAD_TOO_LARGE);
    else if (len < expected)
        must(error == CHAT_ERR_INVALID_REQUEST);
    else
        must(error == CHAT_OK && read_len == len);
}

static void must_answer(struct fcgi_request *request, bool take)
{
    struct http_response response = {.status = 418, .body = "so", .body_len = 2};
    http_add_header(&response, "X-Try", request->request.request_id);
    if (!take) {
        request_respond(&request->request, &response);
        return;
    }
    struct connection *connection = request_take(&request->request);
    must(connection != NULL && request_param(&request->request, "REQUEST_METHOD") == NULL);
    must(connection_head(connection, &response) == CONNECTION_READY);
    must(connection_write(connection, "so", 2) == CONNECTION_READY);
    must(connection_finish(connection) == CONNECTION_READY && connection_pending(connection) == 0);
    connection_close(connection);
}

static void serve_one(int listen_fd, int client, const struct pairs *pairs, const uint8_t *body, size_t len,
                      uint8_t flags, size_t limit)
{
    static struct bytes text;
    char scratch[8192];
    FCGX_Request fcgi;
    struct fcgi_request request;
    struct arena arena;
    arena_init(&arena);
    must(FCGX_InitRequest(&fcgi, listen_fd, 0) == 0 && FCGX_Accept_r(&fcgi) == 0);
    fcgi_request_init(&request, &fcgi, &arena);

    const char *copies[] = {request.request.method, request.request.path, request.request.query};
    for (size_t i = 0; i < 3; i++) {
        const char *value = sent(pairs, asked[i], scratch, sizeof scratch);
        must(strcmp(copies[i], value ? value : "") == 0);
    }
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *value = expected(pairs, asked[i], scratch, sizeof scratch);
        const char *found = request_param(&request.request, asked[i]);
        must(value ? found && strcmp(found, value) == 0 : !found);
    }
    must_have_body(&request, pairs, body, len, limit, &arena);
    must_answer(&request, flags & TAKE);
    FCGX_Finish_r(&fcgi);
    read_answer(client, &text);
    must(text.len > 12 && memcmp(text.data, "Status: 418", 11) == 0 &&
         memcmp(text.data + text.len - 4, "\r\nso", 4) == 0);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int listen_fd = -1;
    static struct sockaddr_un address;
    static struct bytes params, all;
    struct pairs pairs = {.count = 0};
    if (len < 3 || len > REQUEST_MAX / 16) return 0;
    if (listen_fd < 0) {
        setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1); /* or it waits for us to hang up */
        must(FCGX_Init() == 0);
        listen_fd = listener(&address);
    }
    uint8_t flags = data[0];
    size_t limit = data[1] * (size_t)8, cut = data[2] ? data[2] : 1;
    for (data += 3, len -= 3; len > 0 && pairs.count < PAIRS - 1; pairs.count++) {
        char *name = fuzz_line(&data, &len);
        if (!*name) {
            free(name);
            break;
        }
        pairs.name[pairs.count] = name;
        pairs.value[pairs.count] = fuzz_line(&data, &len);
    }
    if (flags & RIGHT_LENGTH) {
        pairs.name[pairs.count] = strdup("CONTENT_LENGTH");
        must(asprintf(&pairs.value[pairs.count++], "%zu", len) > 0);
    }
    params.len = all.len = 0;
    for (int i = 0; i < pairs.count; i++) {
        put_length(&params, strlen(pairs.name[i]), flags & LONG_LENGTHS);
        put_length(&params, strlen(pairs.value[i]), flags & LONG_LENGTHS);
        put(&params, pairs.name[i], strlen(pairs.name[i]));
        put(&params, pairs.value[i], strlen(pairs.value[i]));
    }
    put_record(&all, BEGIN_REQUEST, (uint8_t[8]){0, 1, 0}, 8, 0);
    put_stream(&all, PARAMS, params.data, params.len, cut);
    put_stream(&all, STDIN, data, len, cut);

    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(client >= 0 && connect(client, (struct sockaddr *)&address, sizeof(sa_family_t) + 6) == 0);
    must(write(client, all.data, all.len) == (ssize_t)all.len);
    serve_one(listen_fd, client, &pairs, data, len, flags, limit);
    close(client);
    for (int i = 0; i < pairs.count; i++) {
        free(pairs.name[i]);
        free(pairs.value[i]);
    }
    return 0;
}
