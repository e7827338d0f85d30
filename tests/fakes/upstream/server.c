#define _GNU_SOURCE 1 /* accept4, epoll_pwait2 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 512
#define STEPS_MAX 1024            /* replies moved on between two looks at the sockets */
#define BATCH_BYTES 32768         /* unpaced steps are gathered up to this */
#define PENDING_MAX (1024 * 1024) /* unsent bytes at which a reply waits for its client */
#define RESET_DELAY_US 20000      /* lets the client read what came before the reset */

enum conn_after {
    AFTER_NOTHING, /* the reply isn't over */
    AFTER_REUSE,   /* set at REPLY_OVER: once all is sent, the next request */
    AFTER_CLOSE,   /* set at REPLY_BREAK */
    AFTER_RESET,   /* set at REPLY_RESET */
};

struct conn {
    struct timer timer; /* first: a timer is its connection */
    struct reply reply; /* valid while active */
    struct buf in;
    struct buf out;
    size_t out_pos; /* sent of out */
    int fd;
    bool active;  /* a reply is under way */
    bool blocked; /* the reply waits until out has been sent */
    bool wants_write;
    bool continued; /* "100 Continue" was sent for the request that is coming in */
    enum conn_after after;
};

/* ---- life of a connection ---- */

static void conn_drop_reply(struct server *self, struct conn *conn)
{
    if (!conn->active) return;
    if (conn->reply.chat) self->stats.open_streams--;
    reply_fini(&conn->reply);
    conn->active = false;
    conn->blocked = false;
    conn->after = AFTER_NOTHING;
}

static void conn_close(struct server *self, struct conn *conn)
{
    timers_clear(&self->timers, &conn->timer);
    conn_drop_reply(self, conn);
    self->conns[conn->fd] = NULL;
    close(conn->fd);
    buf_fini(&conn->in);
    buf_fini(&conn->out);
    free(conn);
    self->stats.connections--;
}

/* The client went away. */
static void conn_lost(struct server *self, struct conn *conn)
{
    if (conn->active && conn->reply.chat && conn->after != AFTER_RESET)
        stats_cancelled(&self->stats, conn->reply.scenario.tag, conn->reply.deltas);
    conn_close(self, conn);
}

static void conn_reset(struct server *self, struct conn *conn)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    conn_close(self, conn);
}

static void conn_watch(struct server *self, struct conn *conn, bool write)
{
    if (conn->wants_write == write) return;
    conn->wants_write = write;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = conn};
    if (write) event.events |= EPOLLOUT;
    epoll_ctl(self->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

/* ---- sending ---- */

/* 1: all sent; 0: the socket is full; -1: the client is gone, and the connection with it. */
static int conn_flush(struct server *self, struct conn *conn)
{
    size_t most = conn->active ? conn->reply.body.split : 0;
    while (conn->out_pos < conn->out.len) {
        size_t len = conn->out.len - conn->out_pos;
        if (most > 0 && len > most) len = most;
        ssize_t sent = send(conn->fd, conn->out.data + conn->out_pos, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
            conn_watch(self, conn, true);
            return 0;
        }
        if (sent < 0) {
            conn_lost(self, conn);
            return -1;
        }
        conn->out_pos += (size_t)sent;
    }
    conn->out.len = conn->out_pos = 0;
    if (conn->out.cap > 4 * BATCH_BYTES) buf_fini(&conn->out);
    conn_watch(self, conn, false);
    return 1;
}

static void conn_serve_input(struct server *self, struct conn *conn);

/* The reply is over and sent. */
static void conn_finish(struct server *self, struct conn *conn)
{
    if (conn->after == AFTER_RESET) {
        timers_set(&self->timers, &conn->timer, timers_now_us() + RESET_DELAY_US);
        return;
    }
    if (conn->reply.chat && conn->reply.body.left == 0)
        self->stats.broken++;
    else if (conn->reply.chat)
        self->stats.completed++;
    if (conn->after == AFTER_CLOSE) {
        conn_close(self, conn);
        return;
    }
    conn_drop_reply(self, conn);
    conn_serve_input(self, conn);
}

/* ---- moving a reply on ---- */

static enum reply_result conn_gather(struct server *self, struct conn *conn)
{
    enum reply_result result;
    long before = conn->reply.deltas;
    do {
        result = reply_next(&conn->reply, &conn->out);
    } while (result == REPLY_AGAIN && reply_wait_us(&conn->reply) == 0 && conn->out.len < BATCH_BYTES);
    self->stats.chunks += (unsigned long)(conn->reply.deltas - before);
    return result;
}

/* Takes the steps that are due. Late ones are caught up with, one write each. */
static void conn_step(struct server *self, struct conn *conn)
{
    uint64_t due_us = conn->timer.due_us;
    timers_clear(&self->timers, &conn->timer);
    if (conn->after == AFTER_RESET) {
        self->stats.broken++;
        conn_reset(self, conn);
        return;
    }
    if (conn->out.len - conn->out_pos > PENDING_MAX) {
        conn->blocked = true;
        return;
    }
    enum reply_result result = conn_gather(self, conn);
    if (result == REPLY_OVER) conn->after = AFTER_REUSE;
    if (result == REPLY_BREAK) conn->after = AFTER_CLOSE;
    if (result == REPLY_RESET) conn->after = AFTER_RESET;
    uint64_t wait_us = reply_wait_us(&conn->reply);
    int sent = conn_flush(self, conn);
    if (sent < 0) return;
    if (result == REPLY_AGAIN) {
        if (wait_us == 0 && sent == 0)
            conn->blocked = true;
        else
            timers_set(&self->timers, &conn->timer, wait_us ? due_us + wait_us : timers_now_us() + 1);
    } else if (conn->after != AFTER_NOTHING && sent == 1) {
        conn_finish(self, conn);
    }
}

static void conn_writable(struct server *self, struct conn *conn)
{
    if (conn_flush(self, conn) != 1) return;
    if (conn->active && conn->after != AFTER_NOTHING) {
        conn_finish(self, conn);
    } else if (conn->active && conn->blocked) {
        conn->blocked = false;
        timers_set(&self->timers, &conn->timer, timers_now_us());
    }
}

/* ---- receiving ---- */

static void conn_begin(struct server *self, struct conn *conn, struct request *request, enum request_result parsed)
{
    reply_init(&conn->reply);
    conn->active = true;
    conn->reply.keep_alive = parsed == REQUEST_OK && request->keep_alive;
    if (parsed == REQUEST_OK)
        provider_answer(&self->provider, request, &conn->reply);
    else if (parsed == REQUEST_TOO_LARGE)
        provider_refuse(&conn->reply, 413, "payload_too_large", NULL, "The request is too large.");
    else
        provider_refuse(&conn->reply, 400, "bad_request", NULL, "This is not HTTP.");
    if (conn->reply.chat && ++self->stats.open_streams > self->stats.open_streams_max)
        self->stats.open_streams_max = self->stats.open_streams;
    timers_set(&self->timers, &conn->timer, timers_now_us() + reply_wait_us(&conn->reply));
}

/* Begins the next request if all of it is here. */
static void conn_serve_input(struct server *self, struct conn *conn)
{
    struct request request;
    enum request_result parsed = request_parse(&conn->in, &request);
    if (parsed == REQUEST_MORE) {
        if (request.expects_continue && !conn->continued) {
            conn->continued = true;
            buf_str(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
            (void)conn_flush(self, conn);
        } else if (conn->in.len == 0) {
            buf_fini(&conn->in);
        }
        return;
    }
    conn_begin(self, conn, &request, parsed);
    if (parsed == REQUEST_OK)
        buf_shift(&conn->in, request.consumed);
    else
        conn->in.len = 0;
    if (conn->in.len == 0) buf_fini(&conn->in);
    conn->continued = false;
    request_fini(&request);
}

static void conn_readable(struct server *self, struct conn *conn)
{
    for (;;) {
        buf_reserve(&conn->in, 4096);
        size_t room = conn->in.cap - conn->in.len;
        ssize_t got = recv(conn->fd, conn->in.data + conn->in.len, room, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) break;
        if (got <= 0 || conn->in.len > REQUEST_HEAD_MAX + 2 * (size_t)REQUEST_BODY_MAX) {
            conn_lost(self, conn);
            return;
        }
        conn->in.len += (size_t)got;
        if ((size_t)got < room) break;
    }
    if (!conn->active) conn_serve_input(self, conn);
}

static void conn_event(struct server *self, struct conn *conn, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        conn_lost(self, conn);
        return;
    }
    if (events & EPOLLOUT) {
        int fd = conn->fd;
        conn_writable(self, conn);
        if (self->conns[fd] != conn) return;
    }
    if (events & EPOLLIN) conn_readable(self, conn);
}

static void adopt(struct server *self, int fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL || (size_t)fd >= self->conns_cap) {
        free(conn);
        close(fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn->fd = fd;
    self->conns[fd] = conn;
    self->stats.connections++;
    self->stats.accepted++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = conn};
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event) != 0) conn_close(self, conn);
}

/* Out of descriptors: take the waiting connection on the spare one and close it, so that the
 * listener doesn't stay readable for ever. */
static void shed(struct server *self)
{
    close(self->spare);
    int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    self->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_all(struct server *self)
{
    for (int i = 0; i < EVENTS_MAX; i++) {
        int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            adopt(self, fd);
        else if (errno == EMFILE || errno == ENFILE)
            shed(self);
        else if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* ---- the loop ---- */

static void run_timers(struct server *self)
{
    uint64_t now_us = timers_now_us();
    for (int i = 0; i < STEPS_MAX; i++) {
        struct timer *timer = timers_first(&self->timers);
        if (timer == NULL || timer->due_us > now_us) return;
        conn_step(self, (struct conn *)timer);
    }
}

static int wait_events(struct server *self, struct epoll_event *events)
{
    struct timespec wait = {0};
    struct timer *timer = timers_first(&self->timers);
    if (timer == NULL) return epoll_wait(self->epoll, events, EVENTS_MAX, -1);
    uint64_t now_us = timers_now_us();
    if (timer->due_us > now_us) {
        wait.tv_sec = (time_t)((timer->due_us - now_us) / 1000000);
        wait.tv_nsec = (long)((timer->due_us - now_us) % 1000000 * 1000);
    }
    return epoll_pwait2(self->epoll, events, EVENTS_MAX, &wait, NULL);
}

int server_run(struct server *self)
{
    static struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = wait_events(self, events);
        if (count < 0 && errno != EINTR) return -1;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &self->signals) return 0;
            if (events[i].data.ptr == &self->listener)
                accept_all(self);
            else
                conn_event(self, events[i].data.ptr, events[i].events);
        }
        run_timers(self);
    }
}

/* ---- opening and closing ---- */

static void raise_file_limit(struct server *self)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
        self->conns_cap = limit.rlim_cur > 1u << 20 ? 1u << 20 : (size_t)limit.rlim_cur;
    }
    self->conns = calloc(self->conns_cap, sizeof(struct conn *));
}

static int watch(struct server *self, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_listener(struct server *self, const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof(address);
    int on = 1;
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(self->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(self->listener, (struct sockaddr *)&address, len) != 0) return -1;
    if (listen(self->listener, 65535) != 0) return -1;
    if (getsockname(self->listener, (struct sockaddr *)&address, &len) != 0) return -1;
    self->port = ntohs(address.sin_port);
    return watch(self, self->listener, &self->listener);
}

static int open_signals(struct server *self)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    self->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return self->signals < 0 ? -1 : watch(self, self->signals, &self->signals);
}

int server_open(struct server *self, const char *host, int port, double pace_ms)
{
    *self = (struct server){.epoll = -1, .listener = -1, .signals = -1, .spare = -1};
    raise_file_limit(self);
    provider_init(&self->provider, &self->stats, pace_ms);
    self->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->conns == NULL || self->epoll < 0 || open_signals(self) != 0) return -1;
    return open_listener(self, host, port);
}

void server_close(struct server *self)
{
    for (size_t i = 0; i < self->conns_cap; i++)
        if (self->conns[i] != NULL) conn_close(self, self->conns[i]);
    free(self->conns);
    timers_fini(&self->timers);
    provider_fini(&self->provider);
    stats_fini(&self->stats);
    close(self->listener);
    close(self->signals);
    close(self->spare);
    close(self->epoll);
}
