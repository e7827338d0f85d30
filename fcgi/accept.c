#include "fcgi/accept.h"

#include <errno.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "fcgi/request.h"
#include "fcgi/thread.h"
#include "http/serve.h"
#include "metrics/metrics.h"

enum {
    WARM_UP_TRIES = 3,
    RETRY_MS = 100,
    TRIM_AFTER_BYTES = 1 << 20, /* of one request */
};

struct request_thread {
    struct acceptor *acceptor;
    pthread_t thread;
    bool running;
    struct stores stores;
};

struct acceptor {
    struct accept_settings settings;
    int epoll_fd; /* where the threads wait; -1: none yet */
    pthread_mutex_t lock;
    struct request_thread threads[]; /* as many as the settings say */
};

/* ---- the socket ---- */

static bool watch_listener(const struct acceptor *acceptor)
{
    int listen_fd = acceptor->settings.listen_fd;
    struct epoll_event listening = {.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, .data.fd = listen_fd};
    return epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, listen_fd, &listening) == 0;
}

/* All threads wait in one epoll. The kernel reports a connection to one of them, the one that began to wait last: what
 * this thread and its connections to the stores need is still in the processor's caches. A stop is reported to all. */
static bool open_epoll(struct acceptor *acceptor)
{
    int stop_fd = acceptor->settings.stop_fd;
    struct epoll_event stop = {.events = EPOLLIN, .data.fd = stop_fd};
    acceptor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return acceptor->epoll_fd >= 0 && watch_listener(acceptor) &&
           epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, stop_fd, &stop) == 0;
}

/* The kernel reports a connection to the first worker in the socket's queue. So a worker that takes one goes to the
 * queue's end; otherwise one worker would get nearly all. Connections that still wait are reported anew. */
static void go_to_the_end(struct acceptor *acceptor)
{
    pthread_mutex_lock(&acceptor->lock);
    bool fine = epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_DEL, acceptor->settings.listen_fd, NULL) == 0 &&
                watch_listener(acceptor);
    pthread_mutex_unlock(&acceptor->lock);
    if (fine) return;
    log_write(LOG_ERROR, "accept_setup_failed", LOG_STR("reason", strerror(errno)));
    abort();
}

/* -1: none, mostly because another thread or worker was faster (the socket doesn't block). */
static int take_connection(struct acceptor *acceptor)
{
    int fd = accept4(acceptor->settings.listen_fd, NULL, NULL, SOCK_CLOEXEC), error = fd < 0 ? errno : 0;
    if (error == EAGAIN || error == EINTR) return -1;
    if (error && error != ECONNABORTED) { /* out of descriptors, say: it still waits, and will be told of again */
        log_write(LOG_ERROR, "accept_failed", LOG_STR("reason", strerror(error)));
        clock_sleep_ms(clock_system(), RETRY_MS);
    }
    go_to_the_end(acceptor);
    return fd;
}

/* Returns whether there may be a connection. Sets *stop if it is the last one to take: no other worker was told of it,
 * so it is taken before a stop. Only one is, as under load there is always another. */
static bool wait_for_connection(const struct acceptor *acceptor, bool *stop)
{
    struct epoll_event events[2];
    int count = epoll_wait(acceptor->epoll_fd, events, 2, -1);
    bool connection = false;
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == acceptor->settings.stop_fd) *stop = true;
        if (events[i].data.fd == acceptor->settings.listen_fd) connection = true;
    }
    return connection;
}

/* ---- a thread ---- */

/* Connects before the first request comes, which then has all of its short time limits for itself. */
static void warm_up(struct stores *stores)
{
    bool postgres = stores_check_postgres(stores) == CHAT_OK, redis = false;
    for (int tries = 0; !redis && tries < WARM_UP_TRIES; tries++) { /* a start is a busy moment */
        stores_new_request(stores);
        redis = stores_check_redis(stores) == CHAT_OK;
    }
    if (!postgres || !redis) log_write(LOG_DEBUG, "thread_starts_without_stores");
}

/* The connection is libfcgi's from here on, until the relay takes it. */
static void serve_connection(struct request_thread *self, FCGX_Request *fcgi, int fd, struct arena *arena)
{
    fcgi->ipcFd = fd; /* libfcgi reads the request from it, as from one that was kept */
    fcgi->keepConnection = 1;
    if (FCGX_Accept_r(fcgi) < 0) return; /* no request came, and it doesn't wait for another connection */
    struct fcgi_request request;
    fcgi_request_init(&request, fcgi, arena);
    stores_new_request(&self->stores);
    metrics_move(&metrics->gauges.requests_running, 1);
    http_serve(self->acceptor->settings.app, &self->stores.ports, &self->stores, &request.request, arena);
    metrics_move(&metrics->gauges.requests_running, -1);
    FCGX_Finish_r(fcgi);
    bool large = arena->used_bytes > TRIM_AFTER_BYTES;
    arena_reset(arena);
    if (large) malloc_trim(0);
}

static void *request_main(void *argument)
{
    struct request_thread *self = argument;
    struct acceptor *acceptor = self->acceptor;
    pthread_setname_np(pthread_self(), "request"); /* as `top -H` and gdb show it */
    warm_up(&self->stores);
    FCGX_Request fcgi;
    struct arena arena;
    arena_init(&arena);
    FCGX_InitRequest(&fcgi, acceptor->settings.listen_fd, FCGI_FAIL_ACCEPT_ON_INTR);
    for (bool stop = false; !stop;) {
        int fd = wait_for_connection(acceptor, &stop) ? take_connection(acceptor) : -1;
        if (fd >= 0) serve_connection(self, &fcgi, fd, &arena);
    }
    arena_fini(&arena);
    return NULL;
}

static bool start_thread(struct acceptor *acceptor, struct request_thread *thread)
{
    thread->acceptor = acceptor;
    if (!stores_open(&thread->stores, acceptor->settings.base)) return false;
    thread->stores.ports.answers = acceptor->settings.answers;
    thread->running = thread_start(&thread->thread, request_main, thread);
    return thread->running;
}

/* ---- all of them ---- */

void accept_init(void)
{
    FCGX_Init();
}

struct acceptor *acceptor_open(const struct accept_settings *settings)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor + (size_t)settings->threads * sizeof acceptor->threads[0]);
    if (!acceptor) return NULL;
    acceptor->settings = *settings;
    acceptor->epoll_fd = -1;
    pthread_mutex_init(&acceptor->lock, NULL);
    return acceptor;
}

bool acceptor_start(struct acceptor *acceptor)
{
    bool fine = open_epoll(acceptor);
    for (int i = 0; fine && i < acceptor->settings.threads; i++) fine = start_thread(acceptor, &acceptor->threads[i]);
    return fine;
}

void acceptor_join(struct acceptor *acceptor)
{
    for (int i = 0; acceptor && i < acceptor->settings.threads; i++)
        if (acceptor->threads[i].running) pthread_join(acceptor->threads[i].thread, NULL);
}

void acceptor_close(struct acceptor *acceptor)
{
    if (!acceptor) return;
    for (int i = 0; i < acceptor->settings.threads; i++) stores_close(&acceptor->threads[i].stores);
    if (acceptor->epoll_fd >= 0) close(acceptor->epoll_fd);
    pthread_mutex_destroy(&acceptor->lock);
    free(acceptor);
}
