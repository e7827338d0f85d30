/*
 * libcurl opens a connection by a handle with CURLOPT_CONNECT_ONLY, on its multi interface; the handle stays with the
 * connection as long as that lives. HTTP/1.1 on purpose: one stalled stream of HTTP/2 can stall its neighbours.
 *
 * With thousands of handles in one multi handle libcurl gets slow: it looks for a handle's connection by walking all of
 * them at each read. So the handles are in pools of a few, a multi handle each.
 */
#include "upstream/connections.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upstream/options.h"

enum {
    POOL_CONNECTIONS = 16,
    IDLE_MAX = 256,
    IDLE_MS = 110000,            /* most servers have closed one by then */
    OPENING_BUFFER_BYTES = 1024, /* libcurl's, while it opens */
};

struct pool {
    struct connections *all;
    CURLM *multi; /* NULL: nothing in it */
    int count;    /* of handles in it */
    bool acting;  /* libcurl is being called */
    int64_t at_ms;
    struct timer timer;      /* when libcurl wants to be called */
    struct turn_end waiting; /* it has been called: for the timer to be set anew */
    struct turn_end tidying; /* it has no handle any more */
};

/* A socket of a connection that isn't open yet. */
struct opening {
    struct watch watch; /* first: a dead one is freed as its watch */
    struct pool *pool;
    ino_t socket; /* the socket's own number: libcurl 7.88 closes some by itself, and says so only later */
};

struct connection {
    struct watch watch; /* first: the loop frees a closed one at the turn's end. fd: -1 until it is open */
    struct pool *pool;
    CURL *easy;
    struct connection_user *user;     /* NULL: it is idle */
    struct connection *newer, *older; /* in the list of idle ones */
    int64_t idle_since_ms;
    bool used;
};

struct connections {
    struct upstream *upstream;
    struct loop *loop;
    CURLSH *share;                      /* names and TLS sessions: of all pools */
    struct connection *newest, *oldest; /* idle */
    int idle;
    struct timer timer; /* the oldest has been idle for too long */
    int count;
    struct pool pool[];
};

/* ---- libcurl's wishes, while it opens: sockets and one timer ---- */

/* 0: it is closed. */
static ino_t number_of(int fd)
{
    struct stat is;
    return fstat(fd, &is) == 0 ? is.st_ino : 0;
}

static void act(struct pool *pool, curl_socket_t fd, int flags);

static void on_opening(struct watch *watch, uint32_t events)
{
    int flags = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    act(((struct opening *)watch)->pool, watch->fd, flags);
}

/* Where libcurl has closed the socket that is watched, its descriptor is nobody's, or by now another socket's. */
static void look_at_socket(struct opening *opening)
{
    ino_t number = number_of(opening->watch.fd);
    if (number == opening->socket) return;
    opening->watch.events = 0; /* epoll knows */
    opening->socket = number;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_data)
{
    (void)easy;
    struct pool *pool = context;
    struct loop *loop = pool->all->loop;
    struct opening *opening = socket_data;
    if (opening) look_at_socket(opening);
    if (what == CURL_POLL_REMOVE) {
        if (opening) loop_unwatch(loop, &opening->watch);
        return 0;
    }
    if (!opening) {
        opening = calloc(1, sizeof *opening);
        if (!opening) return -1;
        *opening = (struct opening){.watch = {.on_event = on_opening, .fd = fd}, .pool = pool, .socket = number_of(fd)};
        curl_multi_assign(pool->multi, fd, opening);
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    return loop_watch(loop, &opening->watch, events) ? 0 : -1;
}

static void set_timer(struct pool *pool)
{
    struct timers *timers = &pool->all->loop->timers;
    if (pool->at_ms < 0)
        timer_clear(timers, &pool->timer);
    else if (!timer_set(timers, &pool->timer, pool->at_ms))
        abort();
}

/* At the turn's end. */
static void set_timer_anew(struct turn_end *item)
{
    set_timer(LOOP_OWNER(item, struct pool, waiting));
}

/* One that wishes to be called again at once is called in the next turn. */
static int on_wish(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct pool *pool = context;
    pool->at_ms = timeout_ms < 0 ? -1 : pool->all->loop->now_ms + timeout_ms;
    if (pool->acting)
        loop_at_turn_end(pool->all->loop, LOOP_FREE, &pool->waiting);
    else
        set_timer(pool);
    return 0;
}

static void on_timer(void *owner)
{
    act(owner, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- pools ---- */

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
    pool->multi = NULL;
    pool->at_ms = -1;
    timer_clear(&pool->all->loop->timers, &pool->timer);
}

/* The first is kept. */
static void tidy(struct turn_end *item)
{
    struct pool *pool = LOOP_OWNER(item, struct pool, tidying);
    if (pool->multi && !pool->count && pool != pool->all->pool) close_pool(pool);
}

/* The first with room: the later ones become empty when there are fewer connections. */
static struct pool *pool_with_room(struct connections *connections)
{
    for (int i = 0; i < connections->count; i++)
        if (connections->pool[i].count < POOL_CONNECTIONS) return &connections->pool[i];
    return NULL;
}

/* ---- a connection ---- */

static void on_event(struct watch *watch, uint32_t events);

static void close_connection(struct connection *connection)
{
    struct pool *pool = connection->pool;
    loop_unwatch(pool->all->loop, &connection->watch); /* which frees it, at the turn's end */
    curl_multi_remove_handle(pool->multi, connection->easy);
    curl_easy_cleanup(connection->easy);
    if (--pool->count == 0) loop_at_turn_end(pool->all->loop, LOOP_FREE, &pool->tidying);
}

static bool set_up(struct connections *connections, struct connection *connection)
{
    CURL *easy = connection->easy;
    return upstream_set_options(connections->upstream, easy) &&
           curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)OPENING_BUFFER_BYTES) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SHARE, connections->share) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, connection) == CURLE_OK;
}

static bool open_connection(struct connections *connections, struct connection_user *user)
{
    struct pool *pool = pool_with_room(connections);
    struct connection *connection = pool && open_pool(pool) ? calloc(1, sizeof *connection) : NULL;
    if (!connection) return false;
    *connection = (struct connection){
        .watch = {.on_event = on_event, .fd = -1}, .pool = pool, .easy = curl_easy_init(), .user = user};
    if (!connection->easy || !set_up(connections, connection) ||
        curl_multi_add_handle(pool->multi, connection->easy) != CURLM_OK) {
        if (connection->easy) curl_easy_cleanup(connection->easy);
        free(connection);
        return false;
    }
    pool->count++;
    user->connection = connection;
    return true;
}

/* libcurl is done with opening it. */
static void opened(struct connection *connection, CURLcode result)
{
    struct connection_user *user = connection->user;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (result == CURLE_OK) {
        curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd);
        curl_easy_setopt(connection->easy, CURLOPT_BUFFERSIZE, (long)UPSTREAM_READ_BYTES); /* what it reads at most */
    }
    if (fd != CURL_SOCKET_BAD) {
        connection->watch.fd = fd;
        user->ready(user);
        return;
    }
    connection_drop(user);
    user->failed(user, result == CURLE_OK ? CURLE_COULDNT_CONNECT : result);
}

static void act(struct pool *pool, curl_socket_t fd, int flags)
{
    int left;
    CURLMsg *message;
    pool->acting = true;
    curl_multi_socket_action(pool->multi, fd, flags, &left);
    pool->acting = false;
    while ((message = curl_multi_info_read(pool->multi, &left))) {
        struct connection *connection = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&connection);
        opened(connection, message->data.result);
    }
}

/* ---- idle ones ---- */

static void unlink_idle(struct connections *connections, struct connection *connection)
{
    if (connection->newer)
        connection->newer->older = connection->older;
    else
        connections->newest = connection->older;
    if (connection->older)
        connection->older->newer = connection->newer;
    else
        connections->oldest = connection->newer;
    connection->newer = connection->older = NULL;
    connections->idle--;
}

static void link_idle(struct connections *connections, struct connection *connection)
{
    connection->older = connections->newest;
    if (connection->older)
        connection->older->newer = connection;
    else
        connections->oldest = connection;
    connections->newest = connection;
    connections->idle++;
}

static void close_idle(struct connection *connection)
{
    unlink_idle(connection->pool->all, connection);
    close_connection(connection);
}

/* The oldest one's time. */
static void set_idle_timer(struct connections *connections)
{
    if (connections->oldest && !connections->timer.slot &&
        !timer_set(&connections->loop->timers, &connections->timer, connections->oldest->idle_since_ms + IDLE_MS))
        abort();
}

static void on_idle_timer(void *owner)
{
    struct connections *connections = owner;
    while (connections->oldest && connections->oldest->idle_since_ms + IDLE_MS <= connections->loop->now_ms)
        close_idle(connections->oldest);
    set_idle_timer(connections);
}

/* What comes to an idle one is its end, or something of TLS alone. Anything else was not asked for: it must not be
 * taken for the next request's answer. */
static bool is_quiet(struct connection *connection)
{
    char byte;
    size_t len;
    return connection_read(connection, &byte, sizeof byte, &len) == CURLE_AGAIN;
}

/* The newest; those that have ended or said something are closed. NULL: there is none. Its event may not have run yet.
 */
static struct connection *find_idle(struct connections *connections)
{
    while (connections->newest && !is_quiet(connections->newest)) close_idle(connections->newest);
    return connections->newest;
}

static void on_event(struct watch *watch, uint32_t events)
{
    struct connection *connection = (struct connection *)watch;
    if (connection->user)
        connection->user->event(connection->user, events);
    else if (!is_quiet(connection))
        close_idle(connection);
}

/* ---- what its user does ---- */

bool connection_take(struct connections *connections, struct connection_user *user, bool fresh)
{
    struct connection *connection = fresh ? NULL : find_idle(connections);
    if (!connection) return open_connection(connections, user);
    unlink_idle(connections, connection);
    connection->user = user;
    user->connection = connection;
    user->ready(user);
    return true;
}

bool connection_was_used(const struct connection *connection)
{
    return connection->used;
}

CURLcode connection_send(struct connection *connection, const char *bytes, size_t len, size_t *sent)
{
    return curl_easy_send(connection->easy, bytes, len, sent);
}

CURLcode connection_read(struct connection *connection, char *bytes, size_t size, size_t *len)
{
    return curl_easy_recv(connection->easy, bytes, size, len);
}

bool connection_wait(struct connection *connection, uint32_t events)
{
    struct loop *loop = connection->pool->all->loop;
    if (events) return loop_watch(loop, &connection->watch, events);
    loop_rest(loop, &connection->watch);
    return true;
}

void connection_keep(struct connection_user *user)
{
    struct connection *connection = user->connection;
    struct connections *connections = connection->pool->all;
    if (!connection_wait(connection, EPOLLIN | EPOLLRDHUP)) {
        connection_drop(user);
        return;
    }
    user->connection = NULL;
    connection->user = NULL;
    connection->used = true;
    connection->idle_since_ms = connections->loop->now_ms;
    link_idle(connections, connection);
    if (connections->idle > IDLE_MAX) close_idle(connections->oldest);
    set_idle_timer(connections);
}

void connection_drop(struct connection_user *user)
{
    if (!user->connection) return;
    close_connection(user->connection);
    user->connection = NULL;
}

/* ---- all of them ---- */

struct connections *connections_open(struct upstream *upstream)
{
    int count = (upstream->settings.max_transfers + IDLE_MAX) / POOL_CONNECTIONS + 2;
    struct connections *connections = calloc(1, sizeof *connections + (size_t)count * sizeof *connections->pool);
    if (!connections) return NULL;
    connections->count = count;
    connections->upstream = upstream;
    connections->loop = upstream->settings.loop;
    connections->timer = (struct timer){.owner = connections, .fire = on_idle_timer};
    for (int i = 0; i < count; i++) {
        struct pool *pool = &connections->pool[i];
        *pool = (struct pool){.all = connections, .at_ms = -1};
        pool->timer = (struct timer){.owner = pool, .fire = on_timer};
        pool->waiting.run = set_timer_anew;
        pool->tidying.run = tidy;
    }
    connections->share = curl_share_init();
    if (!connections->share) {
        connections_close(connections);
        return NULL;
    }
    curl_share_setopt(connections->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_share_setopt(connections->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    return connections;
}

void connections_close(struct connections *connections)
{
    if (!connections) return;
    while (connections->oldest) close_idle(connections->oldest);
    for (int i = 0; i < connections->count; i++) {
        assert(!connections->pool[i].count);
        if (connections->pool[i].multi) close_pool(&connections->pool[i]);
    }
    timer_clear(&connections->loop->timers, &connections->timer);
    if (connections->share) curl_share_cleanup(connections->share);
    free(connections);
}
