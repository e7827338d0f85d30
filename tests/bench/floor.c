/*
 * floor: F, the least that the service's way of working costs. nginx hands a request over by FastCGI; one epoll loop
 * asks Redis by the service's own admission script, sends the body on, passes the events back, and settles before
 * `[DONE]`. That is all: no token is checked, no JSON read, no id made, nothing logged, counted or stored.
 *
 * It is a yardstick and no product. It trusts nginx, Redis and the test upstream to speak as they do today, and ends
 * with a message where they don't. A worker's connections to the upstream are kept.
 *
 *   REDIS_PASSWORD=… floor SOCKET REDIS-PORT UPSTREAM-PORT PROCESSES
 *
 * It ends by a signal.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "redis/admission.lua.h"
#include "redis/settle.lua.h"

enum {
    RECORD_HEAD = 8,
    BEGIN_REQUEST = 1, /* types of FastCGI records */
    END_REQUEST = 3,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
    KEEP_CONNECTION = 1,
    USERS = 40,
    LEASE_MS = 15000,
    WAITERS = 65536, /* replies of Redis that are due, at most */
};

enum kind { LISTENER, CLIENT, UPSTREAM, REDIS };

/* What an event of epoll is about; the first member of each. */
struct watch {
    enum kind kind;
    int fd;
};

/* A connection of nginx. It lives until nginx has closed it and Redis owes it no reply. */
struct client {
    struct watch watch;
    char in[32768], body[8192], params[8192];
    size_t in_len, body_len, params_len;
    int request_id;
    bool keeps;   /* nginx wants the connection kept */
    bool gone;    /* closed */
    int owed;     /* replies of Redis */
    int user;     /* below USERS */
    char day[24]; /* of the admission */
    char answer[40];
    struct upstream *upstream;
    struct client *next; /* among those to be used again */
};

enum framing { IN_SIZE, IN_DATA, AFTER_DATA, IN_TRAILER };

/* A connection to the provider. Idle ones have no client, nor has one whose client left: that one is shut down, and
 * ends with its next event. */
struct upstream {
    struct watch watch;
    struct client *client;
    bool abandoned;
    bool in_head;   /* the response's head hasn't come */
    bool owes_head; /* ours hasn't been sent */
    enum framing framing;
    size_t left; /* of the chunk of the framing */
    struct upstream *next;
};

enum script { ADMIT, SETTLE, SCRIPTS };

struct waiter {
    struct client *client;
    enum script script;
};

static int epoll_fd;
static struct watch listener = {.kind = LISTENER}, redis = {.kind = REDIS};
static struct client *spare_clients;
static struct upstream *idle_upstreams;
static uint16_t upstream_port;
static char hashes[SCRIPTS][41];
static char to_redis[1 << 20], from_redis[1 << 20];
static size_t to_redis_len, from_redis_len;
static struct waiter waiters[WAITERS];
static unsigned waiters_in, waiters_out;

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(1);
}

static void *must(void *memory)
{
    if (memory == NULL) die("memory");
    return memory;
}

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- sockets ---- */

/* Sends all of the parts, waiting for room where there is none; gives up where the other side has left. */
static void send_all(int fd, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) return;
        if (sent < 0) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            poll(&room, 1, 1000);
            continue;
        }
        size_t gone = (size_t)sent;
        for (; message.msg_iovlen > 0 && gone >= message.msg_iov->iov_len; message.msg_iov++, message.msg_iovlen--)
            gone -= message.msg_iov->iov_len;
        if (message.msg_iovlen == 0) return;
        message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + gone;
        message.msg_iov->iov_len -= gone;
    }
}

static struct iovec part(const void *bytes, size_t len)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
}

static void watch(struct watch *self, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = self};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, self->fd, &event) != 0) die("epoll_ctl");
}

static int connect_to(uint16_t port)
{
    const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* ---- Redis: commands gather over a turn of the loop, and are sent in one write ---- */

static void put(const void *bytes, size_t len)
{
    if (to_redis_len + len > sizeof to_redis) die("room for commands");
    memcpy(to_redis + to_redis_len, bytes, len);
    to_redis_len += len;
}

static void put_argument(const char *text)
{
    char head[32];
    put(head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", strlen(text)));
    put(text, strlen(text));
    put("\r\n", 2);
}

static void put_number(int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    put_argument(text);
}

static void put_command(size_t arguments)
{
    char head[32];
    put(head, (size_t)snprintf(head, sizeof head, "*%zu\r\n", arguments));
}

/* The user's three keys, in the scripts' order, and more than enough room for each. */
struct keys {
    char rate[96], daily[96], streams[96];
};

static void put_keys(struct keys *out, const struct client *client, int64_t now_ms)
{
    snprintf(out->rate, sizeof out->rate, "chat:rate:bench-f-%d:%" PRId64, client->user, now_ms / 60000);
    snprintf(out->daily, sizeof out->daily, "chat:quota:daily:bench-f-%d:%s", client->user, client->day);
    snprintf(out->streams, sizeof out->streams, "chat:streams:bench-f-%d", client->user);
}

static void expect_reply(struct client *client, enum script script)
{
    if (waiters_in - waiters_out == WAITERS) die("room for replies");
    waiters[waiters_in++ % WAITERS] = (struct waiter){client, script};
    client->owed++;
}

/* Keys and arguments as redis/admission.c has them; no limit is reached. */
static void ask_admission(struct client *client)
{
    static uint64_t serial;
    const int64_t now_ms = wall_ms();
    const time_t now_s = (time_t)(now_ms / 1000);
    struct keys keys;
    struct tm day;
    gmtime_r(&now_s, &day);
    strftime(client->day, sizeof client->day, "%Y-%m-%d", &day);
    snprintf(client->answer, sizeof client->answer, "bench-f-%d-%" PRIu64, (int)getpid(), ++serial);
    put_keys(&keys, client, now_ms);
    put_command(20);
    put_argument("EVALSHA");
    put_argument(hashes[ADMIT]);
    put_number(4);
    put_argument(keys.rate);
    put_argument(keys.daily);
    put_argument(keys.streams);
    put_argument("chat:breakers");
    put_number(now_ms + 1000);
    put_number(now_ms);
    put_argument(client->answer);
    put_number(1000000);
    put_number(60000);
    put_number(1000000);
    put_number(86400000);
    put_number(1000000);
    put_number(LEASE_MS);
    put_argument("one");
    put_argument("Meta-Llama-3.3-70B-Instruct");
    put_number(0);
    put_number(1);
    expect_reply(client, ADMIT);
}

static void ask_settlement(struct client *client)
{
    char settled[96];
    struct keys keys;
    put_keys(&keys, client, wall_ms());
    snprintf(settled, sizeof settled, "chat:settled:%s", client->answer);
    put_command(12);
    put_argument("EVALSHA");
    put_argument(hashes[SETTLE]);
    put_number(6);
    put_argument(settled);
    put_argument(keys.streams);
    put_argument(keys.daily);
    put_argument(keys.rate);
    put_argument(keys.daily);
    put_argument("chat:breakers");
    put_argument(client->answer);
    put_number(0);
    put_number(86400);
    expect_reply(client, SETTLE);
}

static void send_commands(void)
{
    struct iovec commands = part(to_redis, to_redis_len);
    if (to_redis_len > 0) send_all(redis.fd, &commands, 1);
    to_redis_len = 0;
}

/* ---- the way back to nginx ---- */

static void put_record(unsigned char out[RECORD_HEAD], unsigned char type, int request_id, size_t len)
{
    const unsigned char head[RECORD_HEAD] = {1,
                                             type,
                                             (unsigned char)(request_id >> 8),
                                             (unsigned char)request_id,
                                             (unsigned char)(len >> 8),
                                             (unsigned char)len};
    memcpy(out, head, sizeof head);
}

/* As many headers as the service sends. */
static const char HEAD[] = "Status: 200 OK\r\nCache-Control: no-store\r\nX-RateLimit-Limit: 1000000\r\n"
                           "X-RateLimit-Remaining: 999999\r\nX-RateLimit-Reset: 1795990000\r\n"
                           "X-Daily-Quota-Limit: 1000000\r\nX-Daily-Quota-Remaining: 999999\r\n"
                           "X-Daily-Quota-Reset: 1796000000\r\nContent-Type: text/event-stream\r\n"
                           "X-Accel-Buffering: no\r\n\r\n";
static const char DONE[] = "data: [DONE]\n\n";
#define DONE_LEN (sizeof DONE - 1)

static void send_events(struct upstream *upstream, const char *events, size_t len)
{
    const struct client *client = upstream->client;
    unsigned char before_head[RECORD_HEAD], before_events[RECORD_HEAD];
    put_record(before_head, STDOUT, client->request_id, sizeof HEAD - 1);
    put_record(before_events, STDOUT, client->request_id, len);
    struct iovec parts[] = {part(before_head, RECORD_HEAD), part(HEAD, sizeof HEAD - 1),
                            part(before_events, RECORD_HEAD), part(events, len)};
    if (upstream->owes_head)
        send_all(client->watch.fd, parts, 4);
    else
        send_all(client->watch.fd, parts + 2, 2);
    upstream->owes_head = false;
}

/* To be used again, once Redis owes it nothing. */
static void client_release(struct client *self)
{
    if (self->owed > 0) return;
    self->next = spare_clients;
    spare_clients = self;
}

static void client_close(struct client *self)
{
    close(self->watch.fd);
    self->gone = true;
    if (self->upstream) {
        self->upstream->client = NULL;
        self->upstream->abandoned = true;
        shutdown(self->upstream->watch.fd, SHUT_RDWR);
        self->upstream = NULL;
    }
    client_release(self);
}

static void client_finish(struct client *self)
{
    unsigned char before[RECORD_HEAD], end[3 * RECORD_HEAD] = {0};
    put_record(before, STDOUT, self->request_id, DONE_LEN);
    put_record(end, STDOUT, self->request_id, 0);
    put_record(end + RECORD_HEAD, END_REQUEST, self->request_id, RECORD_HEAD);
    struct iovec parts[] = {part(before, sizeof before), part(DONE, DONE_LEN), part(end, sizeof end)};
    send_all(self->watch.fd, parts, 3);
    self->body_len = self->params_len = 0;
    if (!self->keeps) client_close(self);
}

/* ---- upstream ---- */

static struct upstream *upstream_open(void)
{
    struct upstream *self = idle_upstreams;
    if (self != NULL) {
        idle_upstreams = self->next;
        return self;
    }
    self = must(calloc(1, sizeof *self));
    self->watch = (struct watch){UPSTREAM, connect_to(upstream_port)};
    watch(&self->watch, EPOLLIN);
    return self;
}

static void upstream_ask(struct client *client)
{
    char head[512];
    struct upstream *self = upstream_open();
    *self = (struct upstream){.watch = self->watch, .client = client, .in_head = true, .owes_head = true};
    client->upstream = self;
    int len = snprintf(head, sizeof head,
                       "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer floor\r\n"
                       "Content-Type: application/json\r\nAccept: text/event-stream, application/json\r\n"
                       "User-Agent: floor\r\nContent-Length: %zu\r\n\r\n",
                       upstream_port, client->body_len);
    struct iovec parts[] = {part(head, (size_t)len), part(client->body, client->body_len)};
    send_all(self->watch.fd, parts, 2);
}

/* Takes a digit of a chunk's size, or the end of that line. */
static void take_size(struct upstream *self, char byte)
{
    if (byte == '\n')
        self->framing = self->left > 0 ? IN_DATA : IN_TRAILER;
    else if (byte != '\r')
        self->left = self->left * 16 + (size_t)(byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
}

/* Takes the framing out, in place. Sets how much data is left; returns whether the response is over. */
static bool unframe(struct upstream *self, char *bytes, size_t len, size_t *out_len)
{
    char *to = bytes;
    bool over = false;
    for (size_t at = 0; at < len && !over;) {
        if (self->framing == IN_DATA) {
            const size_t now = len - at < self->left ? len - at : self->left;
            memmove(to, bytes + at, now);
            to += now;
            at += now;
            self->left -= now;
            if (self->left == 0) self->framing = AFTER_DATA;
            continue;
        }
        const char byte = bytes[at++];
        if (self->framing == IN_SIZE)
            take_size(self, byte);
        else if (byte == '\n' && self->framing == AFTER_DATA)
            self->framing = IN_SIZE;
        else if (byte == '\n')
            over = true;
    }
    *out_len = (size_t)(to - bytes);
    return over;
}

static void upstream_over(struct upstream *self)
{
    struct client *client = self->client;
    client->upstream = NULL;
    self->client = NULL;
    self->next = idle_upstreams;
    idle_upstreams = self;
    ask_settlement(client);
}

/* Where the head ends. It comes whole, and says 200. */
static size_t head_len(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    errno = 0;
    if (end == NULL || memcmp(bytes, "HTTP/1.1 200", 12) != 0) die("the upstream's head");
    return (size_t)(end + 4 - bytes);
}

static void on_upstream(struct upstream *self)
{
    static char bytes[60000];
    ssize_t got = recv(self->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (self->abandoned) {
        if (got > 0) return;
        close(self->watch.fd);
        free(self);
        return;
    }
    errno = 0;
    if (got <= 0 || self->client == NULL) die("the upstream's connection");
    size_t at = self->in_head ? head_len(bytes, (size_t)got) : 0, len = 0;
    self->in_head = false;
    const bool over = unframe(self, bytes + at, (size_t)got - at, &len);
    /* held until the settlement */
    if (len >= DONE_LEN && memcmp(bytes + at + len - DONE_LEN, DONE, DONE_LEN) == 0) len -= DONE_LEN;
    if (len > 0) send_events(self, bytes + at, len);
    if (over) upstream_over(self);
}

/* ---- nginx ---- */

/* A token is a user, whoever signed it. */
static int user_of(const struct client *client)
{
    const char *end = client->params + client->params_len;
    const char *at = memmem(client->params, client->params_len, "HTTP_AUTHORIZATION", 18);
    unsigned hash = 5381;
    for (size_t i = 0; at != NULL && i < 240 && at + i < end; i++) hash = hash * 33 + (unsigned char)at[i];
    return (int)(hash % USERS);
}

static void append(char *to, size_t room, size_t *len, const char *bytes, size_t more)
{
    errno = 0;
    if (*len + more > room) die("room for a request");
    memcpy(to + *len, bytes, more);
    *len += more;
}

static void on_record(struct client *self, const unsigned char *head, size_t len)
{
    const char *content = (const char *)head + RECORD_HEAD;
    switch (head[1]) {
    case BEGIN_REQUEST:
        self->request_id = head[2] << 8 | head[3];
        self->keeps = (content[2] & KEEP_CONNECTION) != 0;
        break;
    case PARAMS: append(self->params, sizeof self->params, &self->params_len, content, len); break;
    case STDIN:
        append(self->body, sizeof self->body, &self->body_len, content, len);
        if (len > 0) break;
        self->user = user_of(self);
        ask_admission(self);
        break;
    default: break;
    }
}

static void on_client(struct client *self)
{
    ssize_t got = recv(self->watch.fd, self->in + self->in_len, sizeof self->in - self->in_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        client_close(self);
        return;
    }
    self->in_len += (size_t)got;
    size_t at = 0;
    while (self->in_len - at >= RECORD_HEAD) {
        const unsigned char *head = (const unsigned char *)self->in + at;
        const size_t len = (size_t)(head[4] << 8 | head[5]), all = RECORD_HEAD + len + head[6];
        if (self->in_len - at < all) break;
        on_record(self, head, len);
        at += all;
    }
    self->in_len -= at;
    memmove(self->in, self->in + at, self->in_len);
}

static void on_listener(void)
{
    int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct client *self = spare_clients;
    if (self != NULL)
        spare_clients = self->next;
    else
        self = must(malloc(sizeof *self));
    self->watch = (struct watch){CLIENT, fd};
    self->in_len = self->body_len = self->params_len = 0;
    self->gone = false;
    self->owed = 0;
    self->upstream = NULL;
    watch(&self->watch, EPOLLIN | EPOLLRDHUP);
}

/* ---- Redis' replies ---- */

/* Reads a list of numbers or one number. Returns what follows it; NULL: it isn't whole yet. */
static const char *read_reply(const char *at, const char *end, long *first)
{
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    if (line_end == NULL) return NULL;
    if (*at == '-') {
        fprintf(stderr, "floor: Redis says %.*s\n", (int)(line_end - at), at);
        exit(1);
    }
    long count = *at == '*' ? strtol(at + 1, NULL, 10) : 0;
    *first = -1;
    at = line_end + 1;
    for (long i = 0; i < count; i++) {
        line_end = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (line_end == NULL) return NULL;
        if (i == 0) *first = strtol(at + 1, NULL, 10);
        at = line_end + 1;
    }
    return at;
}

static void on_reply(const struct waiter *waiter, long first)
{
    struct client *client = waiter->client;
    errno = 0;
    client->owed--;
    if (waiter->script == ADMIT && first != 0) die("the admission");
    if (client->gone)
        client_release(client);
    else if (waiter->script == ADMIT)
        upstream_ask(client);
    else
        client_finish(client);
}

static void on_redis(void)
{
    ssize_t got = recv(redis.fd, from_redis + from_redis_len, sizeof from_redis - from_redis_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("Redis' connection");
    from_redis_len += (size_t)got;
    const char *at = from_redis, *end = from_redis + from_redis_len, *next;
    long first;
    while (at < end && (next = read_reply(at, end, &first)) != NULL) {
        at = next;
        on_reply(&waiters[waiters_out++ % WAITERS], first);
    }
    from_redis_len = (size_t)(end - at);
    memmove(from_redis, at, from_redis_len);
}

/* ---- start ---- */

/* Sends what was put, and reads one reply, in one read: nothing else is under way yet. */
static void ask_once(char *reply, size_t size)
{
    send_commands();
    ssize_t got = read(redis.fd, reply, size - 1);
    errno = 0;
    if (got <= 0 || *reply == '-') die("Redis at the start");
    reply[got] = '\0';
}

static void load_script(enum script script, const char *text)
{
    char reply[128];
    put_command(3);
    put_argument("SCRIPT");
    put_argument("LOAD");
    put_argument(text);
    ask_once(reply, sizeof reply);
    if (strlen(reply) < 45) die("a script's hash");
    memcpy(hashes[script], reply + 5, 40); /* after "$40" and its line's end */
}

static void redis_open(uint16_t port)
{
    const char *password = getenv("REDIS_PASSWORD");
    char reply[128];
    redis.fd = connect_to(port);
    if (password != NULL && *password != '\0') {
        put_command(2);
        put_argument("AUTH");
        put_argument(password);
        ask_once(reply, sizeof reply);
    }
    load_script(ADMIT, admission_lua);
    load_script(SETTLE, settle_lua);
    watch(&redis, EPOLLIN);
}

static void listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die("the socket's path");
    memcpy(address.sun_path, path, strlen(path));
    unlink(path);
    listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(listener.fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener.fd, 4096) != 0)
        die(path);
}

static void loop(void)
{
    struct epoll_event events[64];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct watch *self = events[i].data.ptr;
            switch (self->kind) {
            case LISTENER: on_listener(); break;
            case CLIENT: on_client((struct client *)self); break;
            case UPSTREAM: on_upstream((struct upstream *)self); break;
            case REDIS: on_redis(); break;
            }
        }
        send_commands();
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: REDIS_PASSWORD=… floor SOCKET REDIS-PORT UPSTREAM-PORT PROCESSES\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    upstream_port = (uint16_t)strtol(argv[3], NULL, 10);
    listen_at(argv[1]);
    for (long i = strtol(argv[4], NULL, 10); i > 1; i--) {
        if (fork() != 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        break;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(&listener, EPOLLIN | EPOLLEXCLUSIVE);
    redis_open((uint16_t)strtol(argv[2], NULL, 10));
    loop();
}
