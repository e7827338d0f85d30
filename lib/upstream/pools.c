/*
 * libcurl's sockets, its timers, and the connections that it keeps.
 *
 * A multi handle walks along all of its connections to find one to use again and to find the oldest to close, and its
 * limit of what is kept counts the busy ones. With thousands of streams in one, each begin and each end cost more, and
 * no connection was ever used again. So transfers are in pools, a multi handle each; curl is told when nothing idle is
 * to be found, and how many connections a pool may have with the busy ones of the moment.
 */
#include "upstream/pools.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum {
    POOL_TRANSFERS = 512,
    IDLE_CONNECTIONS_MAX = 255, /* of all pools together, and one more of the first: curl takes 0 for its own limit */
};

struct pool {
    struct pools *pools;
    CURLM *multi;   /* NULL: nothing in it */
    int transfers;  /* in it */
    int busy;       /* of these, curl isn't done with */
    int connected;  /* connections that stand, idle ones included */
    int connecting; /* transfers with sockets that aren't connected yet */
    struct opening *openings;
    int limit;     /* of connections, as curl was told */
    int64_t at_ms; /* when curl wants to be called; -1: not */
};

struct pool_watch {
    struct watch watch; /* first: a dead one is freed as its watch */
    struct pool *pool;
    ino_t socket; /* of an opening: the socket's own number; 0: it stands */
};

/*
 * A socket on its way to a connection, TLS included. libcurl 7.88 closes such a one by itself, not by on_close, and
 * takes it from the multi handle only afterwards: when its transfer is removed or fails, when the next address is
 * tried, when that one was faster. So none is counted as a connection, or believed to be open, before the request goes
 * out on it.
 */
struct opening {
    struct opening *next;
    struct pooled *pooled;
    struct pool_watch *watch; /* NULL: none yet */
    int fd;
};

struct pools {
    int count;
    struct upstream *upstream;
    struct loop *loop;
    struct timer timer;      /* when a pool wants to be called, or sooner */
    struct turn_end waiting; /* they have been called: for the timer to be set anew */
    struct turn_end tidying; /* one has no transfer any more */
    CURLSH *share;           /* names and TLS sessions: of all pools */
    struct pool pool[];
};

/* ---- curl's wishes: sockets and one timer ---- */

static struct opening *opening_of(const struct pool *pool, int fd)
{
    struct opening *opening = pool->openings;
    while (opening && opening->fd != fd) opening = opening->next;
    return opening;
}

/* 0: it is closed. */
static ino_t number_of(int fd)
{
    struct stat is;
    return fstat(fd, &is) == 0 ? is.st_ino : 0;
}

/* Where an opening is closed already its descriptor is nobody's, or by now somebody else's. */
static void stop_watching(struct pool_watch *watch)
{
    if (watch->socket && number_of(watch->watch.fd) != watch->socket) watch->watch.events = 0; /* epoll knows */
    loop_unwatch(watch->pool->pools->loop, &watch->watch);
}

static void on_event(struct watch *watch, uint32_t events);

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_data)
{
    (void)easy;
    struct pool *pool = context;
    struct pool_watch *watch = socket_data;
    struct opening *opening = opening_of(pool, fd);
    if (what == CURL_POLL_REMOVE) {
        if (opening) opening->watch = NULL;
        if (watch) stop_watching(watch);
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof *watch);
        if (!watch) return -1;
        watch->watch = (struct watch){.on_event = on_event, .fd = fd};
        watch->pool = pool;
        if (opening) opening->watch = watch;
        watch->socket = opening ? number_of(fd) : 0;
        curl_multi_assign(pool->multi, fd, watch);
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    return loop_watch(pool->pools->loop, &watch->watch, events) ? 0 : -1;
}

/* The timer fires by then. */
static void call_at(struct pools *pools, int64_t at_ms)
{
    if (pools->timer.slot && pools->timer.at_ms <= at_ms) return;
    if (!timer_set(&pools->loop->timers, &pools->timer, at_ms)) abort();
}

static int on_wish(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct pool *pool = context;
    struct pools *pools = pool->pools;
    pool->at_ms = timeout_ms < 0 ? -1 : pools->loop->now_ms + timeout_ms;
    if (pool->at_ms >= 0 && !pools->waiting.due) call_at(pools, pool->at_ms);
    return 0;
}

/* The earliest wish of a pool; -1: none has one. */
static int64_t earliest(const struct pools *pools)
{
    int64_t earliest_ms = -1;
    for (int i = 0; i < pools->count; i++) {
        int64_t at_ms = pools->pool[i].at_ms;
        if (at_ms >= 0 && (earliest_ms < 0 || at_ms < earliest_ms)) earliest_ms = at_ms;
    }
    return earliest_ms;
}

/* At the turn's end. */
static void set_timer(struct turn_end *item)
{
    struct pools *pools = LOOP_OWNER(item, struct pools, waiting);
    if (earliest(pools) >= 0) call_at(pools, earliest(pools));
}

static void drop(struct pool *pool, struct opening *opening)
{
    struct opening **place = &pool->openings;
    while (*place != opening) place = &(*place)->next;
    *place = opening->next;
    if (--opening->pooled->openings == 0) pool->connecting--;
    free(opening);
}

/* All of a transfer's; curl has closed them, or is about to. */
static void drop_openings(struct pooled *pooled)
{
    struct opening *next;
    if (!pooled->openings) return;
    for (struct opening *opening = pooled->pool->openings; opening; opening = next) {
        next = opening->next;
        if (opening->pooled == pooled) drop(pooled->pool, opening);
    }
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct pooled *pooled = context;
    struct pool *pool = pooled->pool;
    struct opening *opening = calloc(1, sizeof *opening), *gone;
    int fd = opening ? socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol) : -1;
    if (fd < 0) {
        free(opening);
        return CURL_SOCKET_BAD;
    }
    if ((gone = opening_of(pool, fd))) drop(pool, gone); /* it had this descriptor, and was closed */
    *opening = (struct opening){.next = pool->openings, .pooled = pooled, .fd = fd};
    pool->openings = opening;
    if (pooled->openings++ == 0) pool->connecting++;
    return fd;
}

/* CURLOPT_PREREQFUNCTION: a connection stands, and the request goes out on it. What else was opened for it is closed.
 */
static int on_connected(void *context, char *address, char *local_address, int port, int local_port)
{
    (void)address;
    (void)local_address;
    (void)port;
    (void)local_port;
    struct pooled *pooled = context;
    if (pooled->openings) pooled->pool->connected++;
    drop_openings(pooled);
    return CURL_PREREQFUNC_OK;
}

/* Of a connection that stood; by later versions of libcurl of an opening too. */
static int on_close(void *context, curl_socket_t fd)
{
    struct pool *pool = context;
    struct opening *opening = opening_of(pool, fd);
    if (opening)
        drop(pool, opening);
    else
        pool->connected--;
    return close(fd);
}

/* ---- connections ---- */

/* Too low for a moment where a connection is about to be opened. */
static int idle_of(const struct pool *pool)
{
    return pool->connected + pool->connecting - pool->busy;
}

/* curl's limit counts busy connections too, and is looked at when one becomes idle. */
static void limit_idle(struct pools *pools)
{
    int idle = 0;
    for (int i = 0; i < pools->count; i++)
        if (idle_of(&pools->pool[i]) > 0) idle += idle_of(&pools->pool[i]);
    for (int i = 0; i < pools->count; i++) {
        struct pool *pool = &pools->pool[i];
        int others = idle_of(pool) > 0 ? idle - idle_of(pool) : idle;
        int room = others < IDLE_CONNECTIONS_MAX ? IDLE_CONNECTIONS_MAX - others : 0;
        int limit = pool->busy - 1 + room > 1 ? pool->busy - 1 + room : 1;
        if (!pool->multi || limit == pool->limit) continue;
        pool->limit = limit;
        curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)limit);
    }
}

static bool open_pool(struct pool *pool)
{
    if (pool->multi) return true;
    pool->multi = curl_multi_init();
    if (!pool->multi) return false;
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_wish);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    return true;
}

static void close_pool(struct pool *pool)
{
    curl_multi_cleanup(pool->multi);
    if (pool->connected || pool->connecting || pool->busy)
        log_write(LOG_ERROR, "connections_miscounted", LOG_INT("connected", pool->connected),
                  LOG_INT("connecting", pool->connecting), LOG_INT("busy", pool->busy));
    *pool = (struct pool){.pools = pool->pools, .at_ms = -1};
}

/* One with an idle connection, else the first with room: the later ones become empty when there are fewer streams. */
static struct pool *pool_for_one_more(struct pools *pools)
{
    struct pool *roomy = NULL;
    for (int i = 0; i < pools->count; i++) {
        struct pool *pool = &pools->pool[i];
        if (idle_of(pool) > 0) return pool;
        if (!roomy && pool->transfers < POOL_TRANSFERS) roomy = pool;
    }
    return roomy ? roomy : &pools->pool[pools->count - 1];
}

bool pools_add(struct pools *pools, struct pooled *pooled)
{
    struct pool *pool = pool_for_one_more(pools);
    CURL *easy = pooled->easy;
    pooled->pool = pool;
    long nothing_idle = idle_of(pool) <= 0;
    if (!open_pool(pool) || curl_easy_setopt(easy, CURLOPT_PRIVATE, pooled) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SHARE, pools->share) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, nothing_idle) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, pooled) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, pooled) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool) != CURLE_OK ||
        curl_multi_add_handle(pool->multi, easy) != CURLM_OK)
        return false;
    pool->transfers++;
    pool->busy++;
    limit_idle(pools);
    return true;
}

static void unwatch_openings(struct pooled *pooled)
{
    if (!pooled->openings) return;
    for (struct opening *opening = pooled->pool->openings; opening; opening = opening->next) {
        if (opening->pooled != pooled || !opening->watch) continue;
        curl_multi_assign(pooled->pool->multi, opening->fd, NULL);
        stop_watching(opening->watch);
        opening->watch = NULL;
    }
}

void pools_remove(struct pools *pools, struct pooled *pooled)
{
    struct pool *pool = pooled->pool;
    if (!pooled->over) pool->busy--;
    pool->transfers--;
    unwatch_openings(pooled); /* before curl closes them */
    curl_multi_remove_handle(pool->multi, pooled->easy);
    drop_openings(pooled);
    if (!pool->transfers) loop_at_turn_end(pools->loop, LOOP_FREE, &pools->tidying);
    limit_idle(pools);
}

/* Hands transfers that ended to their on_over. */
static void collect(struct pool *pool)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(pool->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        struct pooled *pooled = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&pooled);
        pooled->over = true;
        pooled->result = message->data.result;
        drop_openings(pooled);
        pool->busy--;
        pooled->on_over(pooled->owner);
    }
    limit_idle(pool->pools);
}

void pools_read_done(struct upstream *upstream)
{
    struct reading reading = upstream->reading;
    upstream->reading.owner = NULL;
    if (reading.owner) reading.done(reading.owner);
}

CURLcode pools_resume(struct upstream *upstream, struct pooled *pooled)
{
    upstream->calling = true;
    CURLcode result = curl_easy_pause(pooled->easy, CURLPAUSE_CONT);
    pools_read_done(upstream);
    upstream->calling = false;
    return result;
}

static void act(struct pool *pool, curl_socket_t fd, int flags)
{
    struct upstream *upstream = pool->pools->upstream;
    int running;
    upstream->calling = true;
    curl_multi_socket_action(pool->multi, fd, flags, &running);
    pools_read_done(upstream);
    upstream->calling = false;
    if (running < pool->busy) collect(pool); /* at once: the next end is to find the limit right */
}

static void on_event(struct watch *watch, uint32_t events)
{
    int flags = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    act(((struct pool_watch *)watch)->pool, watch->fd, flags);
}

/* Calls the pools that wish it, each once. One that wishes it again at once is called in the next turn: what it has
 * read is shown before. */
static void on_timer(void *owner)
{
    struct pools *pools = owner;
    int64_t now_ms = pools->loop->now_ms;
    loop_at_turn_end(pools->loop, LOOP_FREE, &pools->waiting); /* which sets the timer anew */
    for (int i = 0; i < pools->count; i++) {
        struct pool *pool = &pools->pool[i];
        if (pool->at_ms < 0 || pool->at_ms > now_ms) continue;
        pool->at_ms = -1;
        act(pool, CURL_SOCKET_TIMEOUT, 0);
    }
}

static void tidy(struct turn_end *item)
{
    struct pools *pools = LOOP_OWNER(item, struct pools, tidying);
    for (int i = 1; i < pools->count; i++)
        if (pools->pool[i].multi && !pools->pool[i].transfers) close_pool(&pools->pool[i]);
    limit_idle(pools);
}

struct pools *pools_open(struct upstream *upstream, int max_transfers)
{
    int count = max_transfers / POOL_TRANSFERS + 2; /* one isn't full, one is the warm connection's */
    struct pools *pools = calloc(1, sizeof *pools + (size_t)count * sizeof *pools->pool);
    if (!pools) return NULL;
    pools->count = count;
    pools->upstream = upstream;
    pools->loop = upstream->settings.loop;
    pools->timer = (struct timer){.owner = pools, .fire = on_timer};
    pools->waiting.run = set_timer;
    pools->tidying.run = tidy;
    for (int i = 0; i < count; i++) pools->pool[i] = (struct pool){.pools = pools, .at_ms = -1};
    pools->share = curl_share_init();
    if (!pools->share || !open_pool(pools->pool)) {
        pools_close(pools);
        return NULL;
    }
    curl_share_setopt(pools->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_share_setopt(pools->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    return pools;
}

void pools_close(struct pools *pools)
{
    if (!pools) return;
    for (int i = 0; i < pools->count; i++)
        if (pools->pool[i].multi) close_pool(&pools->pool[i]);
    if (pools->share) curl_share_cleanup(pools->share);
    free(pools);
}
