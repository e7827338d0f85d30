#include "fcgi/records.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "metrics/metrics.h"

enum {
    RECORD_HEADER = 8,
    FLUSH_BYTES = 16 << 10, /* at a time, to a client that is slow: the kernel lets go of them one by one as it reads */
    RECORD_MAX_CONTENT = 32760,   /* a multiple of 8, below the format's 65,535 */
    PENDING_MAX_BYTES = 16 << 20, /* a whole answer as JSON may wait; of events far less (answer_stream.c) */
    PUSH_BYTES = 1 << 20,
    TYPE_END_REQUEST = 3,
    TYPE_STDOUT = 6,
};

struct fcgi_connection {
    struct connection connection; /* first */
    int fd;
    uint16_t request_id;
    bool gone;
    bool held;   /* pending waits for what is written next, not for room */
    bool corked; /* all does, until flush or finish */
    bool moved;  /* the kernel has taken bytes since `took` was asked */
    int untaken; /* bytes that lay in the kernel then */
    struct buf pending;
    size_t sent; /* of pending */
};

static struct fcgi_connection *of(const struct connection *connection)
{
    return (struct fcgi_connection *)(uintptr_t)connection;
}

static void record_header(unsigned char header[RECORD_HEADER], int type, uint16_t request_id, size_t content)
{
    header[0] = 1;
    header[1] = (unsigned char)type;
    header[2] = (unsigned char)(request_id >> 8);
    header[3] = (unsigned char)request_id;
    header[4] = (unsigned char)(content >> 8);
    header[5] = (unsigned char)content;
    header[6] = header[7] = 0;
}

void records_head(struct buf *out, const struct http_response *response)
{
    /* a reason: without one nginx leaves out the blank that RFC 9112 §4 wants */
    buf_printf(out, "Status: %d %s\r\n", response->status, http_reason(response->status));
    for (size_t i = 0; i < response->header_count; i++)
        buf_printf(out, "%s: %s\r\n", response->headers[i].name, response->headers[i].value);
    buf_append(out, "\r\n", 2);
}

static enum connection_state state_of(const struct fcgi_connection *self)
{
    if (self->gone || self->pending.failed) return CONNECTION_GONE;
    return self->pending.len > self->sent && !self->held ? CONNECTION_BLOCKED : CONNECTION_READY;
}

/* Bytes taken by the kernel; 0 where there is no room; sets gone. */
static size_t send_some(struct fcgi_connection *self, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;
    do sent = sendmsg(self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        metrics_add(&metrics->counters.stream_writes, 1);
        metrics_add(&metrics->counters.stream_bytes, (uint64_t)sent);
        self->moved = self->moved || sent > 0;
        return (size_t)sent;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) self->gone = true;
    return 0;
}

static void keep_rest(struct fcgi_connection *self, const struct iovec *part, size_t *skip)
{
    if (*skip >= part->iov_len) {
        *skip -= part->iov_len;
        return;
    }
    buf_append(&self->pending, (const char *)part->iov_base + *skip, part->iov_len - *skip);
    *skip = 0;
}

/* A client that is always behind never empties the buffer: what it has taken goes, each byte behind it moved once. */
static void forget_sent(struct fcgi_connection *self)
{
    if (self->sent < self->pending.len - self->sent) return;
    buf_consume(&self->pending, self->sent);
    self->sent = 0;
}

/* Back to small. */
static void drop_pending(struct fcgi_connection *self)
{
    bool failed = self->pending.failed;
    buf_fini(&self->pending);
    buf_init(&self->pending, PENDING_MAX_BYTES);
    self->pending.failed = failed;
    self->sent = 0;
}

/* parts[1] and [2] are sent at once, with what is held before them; kept where something waits for room, or all is
 * held. parts[0] is ours to fill in. */
static void put(struct fcgi_connection *self, struct iovec parts[3])
{
    size_t skip = 0, before = self->pending.len;
    if (self->gone) return;
    if (self->corked)
        self->held = self->held || before == 0;
    else if (before == 0)
        skip = send_some(self, parts + 1, parts[2].iov_len ? 2 : 1);
    else if (self->held) {
        parts[0] = (struct iovec){self->pending.data, before};
        self->held = false;
        skip = send_some(self, parts, parts[2].iov_len ? 3 : 2);
        self->sent = skip < before ? skip : before;
        skip -= self->sent;
        if (self->sent == before) drop_pending(self);
    }
    if (skip == parts[1].iov_len + parts[2].iov_len) return;
    forget_sent(self);
    keep_rest(self, &parts[1], &skip);
    keep_rest(self, &parts[2], &skip);
}

static void put_record(struct fcgi_connection *self, int type, const void *content, size_t len)
{
    unsigned char header[RECORD_HEADER];
    record_header(header, type, self->request_id, len);
    put(self, (struct iovec[3]){{0}, {header, sizeof header}, {(void *)(uintptr_t)content, len}});
}

static int records_fd(const struct connection *self)
{
    return of(self)->fd;
}

static enum connection_state records_write(struct connection *self, const char *bytes, size_t len)
{
    struct fcgi_connection *to = of(self);
    while (len) {
        size_t piece = len < RECORD_MAX_CONTENT ? len : RECORD_MAX_CONTENT;
        put_record(to, TYPE_STDOUT, bytes, piece);
        bytes += piece;
        len -= piece;
    }
    return state_of(to);
}

static enum connection_state records_head_op(struct connection *self, const struct http_response *response)
{
    struct fcgi_connection *to = of(self);
    unsigned char header[RECORD_HEADER] = {0};
    buf_append(&to->pending, (const char *)header, sizeof header);
    records_head(&to->pending, response);
    if (to->pending.failed || to->pending.len > RECORD_MAX_CONTENT) return CONNECTION_GONE;
    record_header((unsigned char *)to->pending.data, TYPE_STDOUT, to->request_id, to->pending.len - RECORD_HEADER);
    to->held = true;
    return state_of(to);
}

static void records_cork(struct connection *self)
{
    of(self)->corked = true;
}

static enum connection_state records_flush(struct connection *self)
{
    struct fcgi_connection *to = of(self);
    to->held = to->corked = false;
    while (!to->gone && to->sent < to->pending.len) {
        size_t left = to->pending.len - to->sent;
        struct iovec part = {to->pending.data + to->sent, left < FLUSH_BYTES ? left : FLUSH_BYTES};
        size_t sent = send_some(to, &part, 1);
        if (!sent) break;
        to->sent += sent;
    }
    if (to->sent == to->pending.len) drop_pending(to);
    return state_of(to);
}

static enum connection_state records_finish(struct connection *self)
{
    struct fcgi_connection *to = of(self);
    unsigned char ends[3 * RECORD_HEADER] = {
        0}; /* the end of STDOUT; END_REQUEST: appStatus 0, FCGI_REQUEST_COMPLETE */
    record_header(ends, TYPE_STDOUT, to->request_id, 0);
    record_header(ends + RECORD_HEADER, TYPE_END_REQUEST, to->request_id, RECORD_HEADER);
    to->corked = false;
    put(to, (struct iovec[3]){{0}, {ends, sizeof ends}, {0}});
    return state_of(to);
}

static size_t records_pending(const struct connection *self)
{
    return of(self)->held ? 0 : of(self)->pending.len - of(self)->sent;
}

/* A peer that reads little by little makes no room that epoll tells of: a quarter of the buffer is what it waits for.
 */
static bool records_took(struct connection *self)
{
    struct fcgi_connection *to = of(self);
    int untaken = 0;
    bool took = to->moved;
    if (ioctl(to->fd, SIOCOUTQ, &untaken) == 0) {
        took = took || untaken < to->untaken;
        to->untaken = untaken;
    }
    to->moved = false;
    return took;
}

static void records_push(struct connection *self)
{
    int most = PUSH_BYTES; /* the system's own maximum holds below it */
    setsockopt(of(self)->fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    records_flush(self);
}

/* nginx takes the end of a connection for the end of a response. A record that is none makes it end the client's
 * connection (HTTP/2: the stream) as broken. */
static enum connection_state records_tear(struct connection *self)
{
    struct fcgi_connection *to = of(self);
    unsigned char none[RECORD_HEADER] = {0};
    to->corked = false;
    put(to, (struct iovec[3]){{0}, {none, sizeof none}, {0}});
    records_push(self);
    return state_of(to);
}

static void records_close(struct connection *self)
{
    close(of(self)->fd);
    buf_fini(&of(self)->pending);
    free(of(self));
}

static const struct connection_ops records_ops = {
    .fd = records_fd,
    .head = records_head_op,
    .cork = records_cork,
    .write = records_write,
    .flush = records_flush,
    .finish = records_finish,
    .pending = records_pending,
    .took = records_took,
    .push = records_push,
    .tear = records_tear,
    .close = records_close,
};

struct connection *records_open(int fd, uint16_t request_id)
{
    struct fcgi_connection *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->connection.ops = &records_ops;
    self->fd = fd;
    self->request_id = request_id;
    buf_init(&self->pending, PENDING_MAX_BYTES);
    return &self->connection;
}
