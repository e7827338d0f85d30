/*
 * hot-path: what one chunk and one request cost, in instructions and allocations, without clocks or a network. The
 * parts are the service's own: the provider's bytes through the decoder, events composed from the text, FastCGI records
 * written to a socket. Only the stores are fakes. scripts/hot-path runs it under callgrind and takes the difference of
 * two lengths, so that starting and ending don't count.
 *
 *   hot-path chunks N      one answer of N chunks, as relay/answer.c drives it
 *   hot-path requests N    GET /api/v1/chat/features N times: token, flag, route, JSON
 *
 * Prints the allocations as JSON. Ends with 1 where the client got anything but the text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/records.h"
#include "sambanova/provider.h"
#include "tests/fakes/fake_service.h"

/* ---- allocations ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static long allocations; /* one thread */

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}

static void die(const char *why)
{
    fprintf(stderr, "hot-path: %s\n", why);
    exit(1);
}

/* ---- chunks ---- */

/* As the provider spells it; the six digits count up. */
#define CHUNK                                                                                              \
    "data: {\"id\":\"0b3f6f0e-7c0f-4a39-9a55-1f0f4b4b2a11\",\"object\":\"chat.completion.chunk\","         \
    "\"created\":1732111111,\"model\":\"Meta-Llama-3.3-70B-Instruct\",\"system_fingerprint\":\"fastcoe\"," \
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token "                                           \
    "000000\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"

struct answer {
    struct buf content;
    size_t client_bytes;
    int pair[2]; /* the worker's end, nginx's end */
};

static struct fake_service service;
static struct fake_request request;
static struct answer answer;

static struct connection *take(struct http_request *self)
{
    (void)self;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, answer.pair) != 0) die(strerror(errno));
    return records_open(answer.pair[0], 1);
}

static void take_content(void *context, const char *text, size_t len)
{
    struct answer *self = context;

    buf_append(&self->content, text, len);
}

static void take_reasoning(void *context, const char *text, size_t len)
{
    (void)context;
    (void)text;
    (void)len;
}

static void drain(void)
{
    static char bytes[65536];
    ssize_t len;

    while ((len = read(answer.pair[1], bytes, sizeof bytes)) > 0) answer.client_bytes += (size_t)len;
}

/* The text has its room from the start (it would double now and then), so the second half shows what a chunk itself
 * allocates. */
static void run_chunks(long count)
{
    static struct http_request_ops ops;
    static const struct sambanova_settings settings = {.api_key = "key",
                                                       .api_base = "http://127.0.0.1:9/v1",
                                                       .connect_timeout_ms = 1,
                                                       .first_byte_timeout_ms = 1,
                                                       .idle_timeout_ms = 1,
                                                       .total_timeout_ms = 1};
    const char *problem;
    struct provider *provider = sambanova_open(&settings, &problem);
    struct delta_sink sink = {.content = take_content, .reasoning = take_reasoning, .context = &answer};
    struct answer_listener *listener;
    struct decoder *decoder;
    char chunk[] = CHUNK, *number = strstr(chunk, "000000");
    long before = 0;

    if (!provider) die(problem);
    fake_request_init(&request, "POST", "/api/v1/chat/messages");
    ops = *request.request.ops;
    ops.take = take;
    request.request.ops = &ops;
    fake_service_sign_in(&service, &request);
    fake_request_json(&request, "{\"content\":\"Why?\"}");
    fake_service_serve(&service, &request);
    listener = service.chat.answers.listener;
    if (!listener) die("no stream");
    decoder = provider_decoder_new(provider);
    buf_init(&answer.content, 64 << 20);
    if (!decoder || !buf_reserve(&answer.content, (size_t)count * 32)) die("no memory");
    listener_open(listener, &service.chat.answers.scratch);
    for (long i = 0; i < count; i++) {
        for (long digit = 5, rest = i; digit >= 0; digit--, rest /= 10) number[digit] = (char)('0' + rest % 10);
        if (i == count / 2) before = allocations;
        if (provider_decoder_feed(provider, decoder, chunk, sizeof chunk - 1, &sink) != CHAT_OK)
            die("a chunk was refused");
        const struct answer_text text = {NULL, 0, answer.content.data, answer.content.len};
        if (listener_text(listener, &text, &service.chat.answers.scratch) != LISTENER_READY) die("not sent");
        drain();
    }
    printf("{\"chunks\":%ld,\"allocations_in_second_half\":%ld}\n", count, allocations - before);
    if (answer.content.len != (size_t)count * strlen(" token 000000")) die("text is missing");
    if (answer.client_bytes < answer.content.len) die("the client got less than the text");
    provider_decoder_free(provider, decoder);
    listener_close(listener);
    service.chat.answers.listener = NULL;
    close(answer.pair[1]);
    buf_fini(&answer.content);
    fake_request_fini(&request);
    sambanova_close(provider);
}

static void run_requests(long count)
{
    char bearer[1024];
    long before = allocations;

    snprintf(bearer, sizeof bearer, "Bearer %s", fake_chat_token(&service.chat, "alice", "user"));
    for (long i = 0; i < count; i++) {
        fake_request_init(&request, "GET", "/api/v1/chat/features");
        fake_request_param(&request, "HTTP_AUTHORIZATION", bearer);
        fake_service_serve(&service, &request);
        if (request.status != 200) die("a request was refused");
        fake_request_fini(&request);
        arena_fini(&service.arena);
        arena_init(&service.arena);
    }
    printf("{\"requests\":%ld,\"allocations_each\":%.1f}\n", count, (double)(allocations - before) / (double)count);
}

int main(int argc, char **argv)
{
    long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

    if (count < 1 || count > 1000000) {
        fputs("usage: hot-path chunks|requests N\n", stderr);
        return 2;
    }
    fake_service_init(&service);
    if (strcmp(argv[1], "chunks") == 0)
        run_chunks(count);
    else if (strcmp(argv[1], "requests") == 0)
        run_requests(count);
    else
        die("chunks or requests");
    fake_service_fini(&service);
    return 0;
}
