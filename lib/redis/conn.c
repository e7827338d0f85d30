#include "redis/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "redis/resolve.h"
#include "redis/url.h"

enum {
    MAX_SCRIPTS = 16,
    LATE_CALLS = 3,
    AWAY_AFTER_CALLS = 2, /* Redis is away only if the first of them began so many call_ms ago */
    LONGEST_CALLS = 10,   /* a call ends after so many call_ms, whatever Redis does */
    STEP_MS = 10,         /* how long is waited before a look at whether Redis lives */
    MAX_SCRIPT_ARGS = 24,
    SHA_SIZE = 41,
    JUST_LATE_MS = 40,    /* a request that has waited in vain once doesn't wait again */
    REPLY_MARGIN_MS = 5,  /* of a call's time kept for the way back: see redis_conn_deadline_ms */
    ROLE_LOOK_MS = 1000,  /* a connection that only reads would never meet a refusal: it asks for the role */
    CLOCK_STEP_MS = 1000, /* Redis' clock went back by more than this: it was set, our estimate is void */
};

struct redis_server {
    struct redis_url url;
    int call_ms;
    struct resolver *resolver;  /* NULL where host is an address or a path */
    atomic_llong next_probe_ms; /* monotonic; 0 = Redis is here */
    atomic_ullong heard;        /* moves whenever something comes from Redis, on any connection */
    atomic_int late;            /* calls in a row, of any connection, that were given up */
    atomic_llong late_since_ms; /* monotonic, when the first of them began */
    atomic_ullong generation;   /* connections of an earlier one lead to a Redis that is no primary any more */
    atomic_ullong history;      /* of the primary's data, as its newest connection read it; 0: not known */
};

struct redis_conn {
    struct redis_server *server;
    redisContext *context; /* NULL = not connected */
    unsigned long long generation;
    int64_t role_at_ms;       /* when it asked last whether this is a primary */
    bool role_due;            /* the reply to that comes before all others */
    bool proven;              /* this connection has brought something good */
    bool refused;             /* the call begun met a Redis that is no primary: redis_conn_again */
    int64_t begun_ms;         /* monotonic, the call */
    int64_t deadline_ms;      /* until when Redis may do what was sent last */
    int64_t last_ms;          /* when the call ends in any case */
    unsigned long long heard; /* the server's, when it was last looked at */
    int silent_ms;            /* so long this call has waited, and nobody of this process heard from Redis */
    bool late;                /* the call has lasted longer than one should */
    bool looked_last;         /* past the end of the call: what comes in parts has no more time */
    int64_t late_at_ms;       /* when it last waited in vain; 0: never */
    int64_t clock_offset_ms; /* Redis' clock less our monotonic one: never more than it is, see redis_conn_learn_time */
    struct {
        const char *text;
        char sha[SHA_SIZE]; /* "" = not loaded yet */
    } scripts[MAX_SCRIPTS];
    int script_count;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(clock_system());
}

/* ---- the server, and whether it is away ---- */

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

struct redis_server *redis_server_open(const char *url, int call_ms, const char **problem)
{
    struct redis_server *server = calloc(1, sizeof *server);
    *problem = server ? redis_url_parse(url, &server->url) : "no memory";
    if (!*problem && !server->url.is_unix && !is_address(server->url.host)) {
        server->resolver = resolver_open(server->url.host);
        if (!server->resolver) *problem = "no memory";
    }
    if (*problem) {
        free(server);
        return NULL;
    }
    server->call_ms = call_ms;
    return server;
}

void redis_server_close(struct redis_server *server)
{
    if (!server) return;
    resolver_close(server->resolver);
    explicit_bzero(&server->url, sizeof server->url);
    free(server);
}

bool redis_server_is_away(const struct redis_server *server)
{
    return atomic_load(&server->next_probe_ms) != 0;
}

/* Spread, so that the processes of a machine don't all knock at once. */
static long long next_probe(void)
{
    return now_ms() + REDIS_PROBE_MS * 4 / 5 + (int64_t)arc4random_uniform(REDIS_PROBE_MS * 2 / 5);
}

static void mark_away(struct redis_server *server, const char *reason)
{
    if (atomic_exchange(&server->next_probe_ms, next_probe()) == 0)
        log_write(LOG_ERROR, "redis_away", LOG_STR("reason", reason));
}

static void mark_here(struct redis_server *server)
{
    if (atomic_load(&server->next_probe_ms) != 0 && atomic_exchange(&server->next_probe_ms, 0) != 0)
        log_write(LOG_INFO, "redis_back");
}

/* While away: true for one caller a probe interval. */
static bool may_try(struct redis_server *server)
{
    long long probe_ms = atomic_load(&server->next_probe_ms);
    if (probe_ms == 0) return true;
    return now_ms() >= probe_ms && atomic_compare_exchange_strong(&server->next_probe_ms, &probe_ms, next_probe());
}

/* ---- which Redis is the primary ---- */

/* All connections lead to the same Redis: the others of this generation are dropped too, each when it is used next. */
static void drop_all(struct redis_server *server, unsigned long long generation, const char *reason)
{
    if (atomic_compare_exchange_strong(&server->generation, &generation, generation + 1))
        log_write(LOG_WARN, "redis_connections_renewed", LOG_STR("reason", reason));
}

/* What stands behind `field` in a reply to INFO; "" where it isn't there. */
static void info_field(const redisReply *reply, const char *field, char *out, size_t room)
{
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, field) : NULL;
    if (at) at += strlen(field);
    snprintf(out, room, "%.*s", at ? (int)strcspn(at, "\r\n") : 0, at ? at : "");
}

/* A promoted replica, or a Redis that started anew, writes another history. Connections that were made before lead to
 * where the old one is. */
static void note_history(struct redis_conn *conn, const char *replid)
{
    struct redis_server *server = conn->server;
    char half[17];
    snprintf(half, sizeof half, "%.16s", replid);
    unsigned long long history = strtoull(half, NULL, 16), before;
    if (history == 0 || conn->generation != atomic_load(&server->generation)) return;
    before = atomic_exchange(&server->history, history);
    if (before == history || before == 0) return;
    drop_all(server, conn->generation, "another primary");
    conn->generation = atomic_load(&server->generation);
}

/* Takes a reply to INFO replication. false: no primary. One that may not be asked (an ACL) is taken for one. */
static bool is_primary(struct redis_conn *conn, const redisReply *reply)
{
    conn->role_at_ms = now_ms();
    char role[16], replid[48];
    info_field(reply, "role:", role, sizeof role);
    if (role[0] && strcmp(role, "master") != 0) return false;
    info_field(reply, "master_replid:", replid, sizeof replid);
    note_history(conn, replid);
    return true;
}

/* ---- one connection ---- */

struct redis_conn *redis_conn_open(struct redis_server *server)
{
    struct redis_conn *conn = calloc(1, sizeof *conn);
    if (conn) conn->server = server;
    return conn;
}

void redis_conn_abandon(struct redis_conn *conn)
{
    if (conn->context) redisFree(conn->context);
    conn->context = NULL;
    conn->role_due = conn->proven = false;
}

void redis_conn_close(struct redis_conn *conn)
{
    if (!conn) return;
    redis_conn_abandon(conn);
    free(conn);
}

void redis_conn_new_request(struct redis_conn *conn)
{
    conn->late_at_ms = 0;
}

int redis_conn_add_script(struct redis_conn *conn, const char *text)
{
    if (conn->script_count == MAX_SCRIPTS) abort();
    conn->scripts[conn->script_count].text = text;
    return conn->script_count++;
}

/* Something came from Redis: it lives, whoever else waits for it. */
static void note_life(struct redis_conn *conn)
{
    conn->heard = atomic_fetch_add(&conn->server->heard, 1) + 1;
    conn->silent_ms = 0;
    if (!atomic_load(&conn->server->late)) return;
    atomic_store(&conn->server->late, 0);
    atomic_store(&conn->server->late_since_ms, 0);
}

/* After a step in which nothing came here. This thread may have slept longer than that: where it gets no processor,
 * Redis may get none either. So what it slept counts for half, and at least the step does. */
static void count_silence(struct redis_conn *conn, int step_ms, int64_t slept_ms)
{
    if (slept_ms > 2 * (int64_t)step_ms) step_ms = (int)(slept_ms / 2);
    unsigned long long heard = atomic_load(&conn->server->heard);
    conn->silent_ms = heard == conn->heard ? conn->silent_ms + step_ms : 0;
    conn->heard = heard;
    if (conn->late || now_ms() - conn->begun_ms < conn->server->call_ms) return;
    conn->late = true;
    metrics_add(&metrics->counters.redis_late, 1);
}

/* false: Redis was silent for the time of a call, or the call has lasted as long as any may. */
static bool wait_for(struct redis_conn *conn, short events)
{
    struct pollfd wanted = {.fd = conn->context->fd, .events = events};
    const int call_ms = conn->server->call_ms;
    for (;;) {
        const int64_t began_ms = now_ms();
        bool is_over = began_ms >= conn->last_ms;
        int left_ms = call_ms - conn->silent_ms, step_ms = left_ms < STEP_MS ? left_ms : STEP_MS;
        /* where no time is left one look is still due: the answer may be there, and only we were late */
        int ready = poll(&wanted, 1, is_over || step_ms < 0 ? 0 : step_ms);
        if (ready > 0 && !(is_over && conn->looked_last)) {
            conn->looked_last = is_over;
            return true;
        }
        if (ready < 0 && errno != EINTR) return false;
        if (ready == 0) count_silence(conn, step_ms, now_ms() - began_ms);
        if (is_over || conn->silent_ms >= call_ms) return false;
    }
}

/* On a busy machine answers may be late although Redis is well: only several calls in a row, over some time, say that
 * it is away. */
static void note_late(const struct redis_conn *conn, const char *reason)
{
    struct redis_server *server = conn->server;
    long long none = 0;
    atomic_compare_exchange_strong(&server->late_since_ms, &none, conn->begun_ms);
    int before = atomic_fetch_add(&server->late, 1);
    int64_t late_ms = now_ms() - atomic_load(&server->late_since_ms);
    bool gone = before + 1 >= LATE_CALLS && late_ms >= (int64_t)AWAY_AFTER_CALLS * server->call_ms;
    metrics_add(&metrics->counters.redis_given_up, 1);
    if (gone || redis_server_is_away(server))
        mark_away(server, reason);
    else
        log_write(LOG_WARN, "redis_late", LOG_STR("reason", reason));
}

/* A peer that doesn't answer in time, time and again, is away for all; one that closes a connection may only have meant
 * that one. */
enum trouble { LOST, LATE, USELESS };

static void give_up(struct redis_conn *conn, const char *reason, enum trouble trouble)
{
    redis_conn_abandon(conn);
    switch (trouble) {
    case LOST: log_write(LOG_WARN, "redis_connection_lost", LOG_STR("reason", reason)); break;
    case LATE:
        conn->late_at_ms = now_ms();
        note_late(conn, reason);
        break;
    case USELESS: mark_away(conn->server, reason); break;
    }
}

static bool flush(struct redis_conn *conn)
{
    int done = 0;
    while (!done) {
        if (redisBufferWrite(conn->context, &done) != REDIS_OK) {
            give_up(conn, "write failed", LOST);
            return false;
        }
        if (!done && !wait_for(conn, POLLOUT)) {
            give_up(conn, "no time left to write", LATE);
            return false;
        }
    }
    return true;
}

bool redis_conn_send(struct redis_conn *conn, const char *const *args, size_t count)
{
    return redis_conn_send_binary(conn, args, NULL, count);
}

bool redis_conn_send_binary(struct redis_conn *conn, const char *const *args, const size_t *lengths, size_t count)
{
    /* hiredis' prototype lacks a const; it only reads */
    if (conn->context && redisAppendCommandArgv(conn->context, (int)count, (const char **)args, lengths) == REDIS_OK)
        return true;
    if (conn->context) give_up(conn, "no memory", LOST);
    return false;
}

/* Any reply, error ones too, to whatever was sent first. */
static redisReply *read_reply(struct redis_conn *conn)
{
    void *reply = NULL;
    if (!conn->context || !flush(conn)) return NULL;
    for (;;) {
        if (redisGetReplyFromReader(conn->context, &reply) != REDIS_OK) {
            give_up(conn, "no Redis answer", USELESS);
            return NULL;
        }
        if (reply) return reply;
        if (!wait_for(conn, POLLIN)) {
            give_up(conn, "no answer in time", LATE);
            return NULL;
        }
        if (redisBufferRead(conn->context) != REDIS_OK) {
            give_up(conn, "closed by Redis", LOST);
            return NULL;
        }
        note_life(conn);
    }
}

/* This Redis refuses what a primary would do, and has done nothing of it. A fresh connection may lead to another; where
 * it has just been made, there is none. */
static void meet_no_primary(struct redis_conn *conn, const char *reason)
{
    bool proven = conn->proven;
    if (!proven) {
        give_up(conn, reason, USELESS);
        return;
    }
    redis_conn_abandon(conn);
    drop_all(conn->server, conn->generation, reason);
    conn->refused = true;
}

/* Any reply to what the caller sent. */
static redisReply *receive_any(struct redis_conn *conn)
{
    if (conn->role_due) {
        redisReply *role = read_reply(conn);
        if (!role) return NULL;
        conn->role_due = false;
        bool fine = is_primary(conn, role);
        freeReplyObject(role);
        if (!fine) {
            meet_no_primary(conn, "a replica");
            return NULL;
        }
    }
    return read_reply(conn);
}

/* An old Redis hands on what a command of a script met as "ERR Error running script …: -CODE …". */
static bool has_code(const redisReply *reply, const char *code)
{
    if (reply->type != REDIS_REPLY_ERROR) return false;
    char within[32];
    snprintf(within, sizeof within, ": -%s ", code);
    return strncmp(reply->str, code, strlen(code)) == 0 ||
           (strncmp(reply->str, "ERR Error running script", 24) == 0 && strstr(reply->str, within));
}

static const char *code_of(const redisReply *reply, const char *const *codes)
{
    while (*codes && !has_code(reply, *codes)) codes++;
    return *codes;
}

/* Takes an error reply away and logs its code (the rest could quote a command). A Redis that is no primary, or not yet,
 * is left; one that can't serve at all just now is treated as away. */
static redisReply *only_good(struct redis_conn *conn, redisReply *reply)
{
    static const char *const no_primary[] = {"READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", NULL};
    static const char *const useless[] = {"BUSY", "NOAUTH", "MISCONF", "OOM", NULL};
    const char *known;
    char code[32];
    if (!reply) return NULL;
    if (reply->type != REDIS_REPLY_ERROR) {
        conn->proven = true;
        mark_here(conn->server);
        return reply;
    }
    snprintf(code, sizeof code, "%.*s", (int)strcspn(reply->str, " "), reply->str);
    if ((known = code_of(reply, no_primary)) != NULL)
        meet_no_primary(conn, known);
    else if ((known = code_of(reply, useless)) != NULL)
        give_up(conn, known, USELESS);
    log_write(LOG_ERROR, "redis_error", LOG_STR("code", known ? known : code));
    freeReplyObject(reply);
    return NULL;
}

redisReply *redis_conn_receive(struct redis_conn *conn)
{
    return only_good(conn, receive_any(conn));
}

static redisReply *ask_once(struct redis_conn *conn, const char *const *args, size_t count)
{
    return redis_conn_send(conn, args, count) ? redis_conn_receive(conn) : NULL;
}

bool redis_conn_skip(struct redis_conn *conn, size_t count)
{
    while (count--) {
        redisReply *reply = redis_conn_receive(conn);
        if (!reply) return false;
        freeReplyObject(reply);
    }
    return true;
}

redisReply *redis_conn_ask(struct redis_conn *conn, const char *const *args, size_t count)
{
    redisReply *reply = ask_once(conn, args, count);
    return !reply && redis_conn_again(conn) ? ask_once(conn, args, count) : reply;
}

/* ---- time ---- */

int64_t redis_conn_deadline_ms(const struct redis_conn *conn)
{
    return conn->deadline_ms - REPLY_MARGIN_MS + conn->clock_offset_ms;
}

bool redis_conn_renew_deadline(struct redis_conn *conn)
{
    int64_t now = now_ms(), deadline_ms = now + conn->server->call_ms;
    if (!conn->context || now >= conn->last_ms) return false;
    conn->deadline_ms = deadline_ms < conn->last_ms ? deadline_ms : conn->last_ms;
    metrics_add(&metrics->counters.redis_repeated, 1);
    return true;
}

/* A reading is old by its way back, so each is at most the truth, and the highest is the nearest to it. */
void redis_conn_learn_time(struct redis_conn *conn, int64_t server_ms)
{
    int64_t offset_ms = server_ms - now_ms();
    if (offset_ms > conn->clock_offset_ms || offset_ms < conn->clock_offset_ms - CLOCK_STEP_MS)
        conn->clock_offset_ms = offset_ms;
}

/* ---- connecting ---- */

static bool connect_socket(struct redis_conn *conn)
{
    const struct redis_url *url = &conn->server->url;
    char address[INET6_ADDRSTRLEN];
    int error = 0;
    socklen_t size = sizeof error;
    if (conn->server->resolver && !resolver_address(conn->server->resolver, conn->deadline_ms - now_ms(), address))
        return false;
    conn->context = url->is_unix ? redisConnectUnixNonBlock(url->host)
                                 : redisConnectNonBlock(conn->server->resolver ? address : url->host, url->port);
    if (!conn->context || conn->context->err) return false;
    if (fcntl(conn->context->fd, F_SETFD, FD_CLOEXEC) != 0) return false;
    return wait_for(conn, POLLOUT) && getsockopt(conn->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
           error == 0;
}

static void keep_sha(struct redis_conn *conn, int script, const redisReply *reply)
{
    snprintf(conn->scripts[script].sha, SHA_SIZE, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "");
}

static bool send_script_load(struct redis_conn *conn, int script)
{
    return redis_conn_send(conn, (const char *const[]){"SCRIPT", "LOAD", conn->scripts[script].text}, 3);
}

/* Takes a reply to AUTH or SELECT. */
static bool greeted(struct redis_conn *conn)
{
    redisReply *reply = receive_any(conn);
    bool good = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply) freeReplyObject(reply);
    return good;
}

static bool ask_role(struct redis_conn *conn)
{
    return redis_conn_send(conn, (const char *const[]){"INFO", "replication"}, 2);
}

static bool greeted_by_primary(struct redis_conn *conn)
{
    redisReply *reply = receive_any(conn);
    bool good = reply && is_primary(conn, reply);
    if (reply) freeReplyObject(reply);
    return good;
}

/* TIME's and the scripts' replies; a script that can't be loaded is found out when it is run. */
static bool learned(struct redis_conn *conn)
{
    redisReply *reply = receive_any(conn);
    bool good = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2;
    if (good) {
        conn->clock_offset_ms = strtoll(reply->element[0]->str, NULL, 10) * 1000 +
                                strtoll(reply->element[1]->str, NULL, 10) / 1000 - now_ms();
    }
    if (reply) freeReplyObject(reply);
    for (int i = 0; good && i < conn->script_count; i++) {
        reply = receive_any(conn);
        good = reply != NULL;
        if (reply) {
            keep_sha(conn, i, reply);
            freeReplyObject(reply);
        }
    }
    return good;
}

/* All that a new connection needs, in one round trip. NULL: done; else what failed. */
static const char *greet(struct redis_conn *conn)
{
    const struct redis_url *url = &conn->server->url;
    const bool has_password = url->password[0] != '\0';
    char db[16];
    snprintf(db, sizeof db, "%d", url->db);
    bool sent = true;
    if (has_password && url->user[0])
        sent = redis_conn_send(conn, (const char *const[]){"AUTH", url->user, url->password}, 3);
    else if (has_password)
        sent = redis_conn_send(conn, (const char *const[]){"AUTH", url->password}, 2);
    sent = sent && redis_conn_send(conn, (const char *const[]){"SELECT", db}, 2);
    sent = sent && ask_role(conn);
    sent = sent && redis_conn_send(conn, (const char *const[]){"TIME"}, 1);
    for (int i = 0; sent && i < conn->script_count; i++) sent = send_script_load(conn, i);
    if (!sent) return "no memory";
    if (has_password && !greeted(conn)) return "AUTH failed";
    if (!greeted(conn)) return "SELECT failed";
    if (!greeted_by_primary(conn)) return "no primary";
    if (!learned(conn)) return "greeting failed";
    return NULL;
}

static bool connect_now(struct redis_conn *conn)
{
    const char *problem = "can't connect";
    int64_t late_before_ms = conn->late_at_ms;
    conn->generation = atomic_load(&conn->server->generation);
    if (connect_socket(conn))
        problem = greet(conn);
    else if (conn->server->resolver)
        resolver_doubt(conn->server->resolver);
    if (!problem) return true;
    redis_conn_abandon(conn);
    /* late here is no more than late anywhere: a worker that starts on a busy machine */
    if (now_ms() < conn->deadline_ms)
        mark_away(conn->server, problem);
    else if (conn->late_at_ms == late_before_ms)
        give_up(conn, problem, LATE);
    return false;
}

/* Nothing is due on a connection between calls: what is readable there is its end. */
static bool is_stale(const struct redis_conn *conn)
{
    struct pollfd fd = {.fd = conn->context->fd, .events = POLLIN};
    return poll(&fd, 1, 0) != 0;
}

static void begin_time(struct redis_conn *conn)
{
    conn->begun_ms = now_ms();
    conn->deadline_ms = conn->begun_ms + conn->server->call_ms;
    conn->last_ms = conn->begun_ms + (int64_t)LONGEST_CALLS * conn->server->call_ms;
    conn->heard = atomic_load(&conn->server->heard);
    conn->silent_ms = 0;
    conn->late = conn->looked_last = false;
}

bool redis_conn_begin(struct redis_conn *conn)
{
    if (conn->late_at_ms && now_ms() - conn->late_at_ms < JUST_LATE_MS) return false;
    if (!may_try(conn->server)) return false;
    begin_time(conn);
    conn->refused = false;
    if (conn->context && (is_stale(conn) || conn->generation != atomic_load(&conn->server->generation)))
        redis_conn_abandon(conn);
    if (!conn->context) return connect_now(conn);
    if (!conn->role_due && now_ms() - conn->role_at_ms >= ROLE_LOOK_MS) conn->role_due = ask_role(conn);
    return conn->context != NULL;
}

bool redis_conn_again(struct redis_conn *conn)
{
    if (!conn->refused) return false;
    conn->refused = false;
    return now_ms() < conn->deadline_ms && connect_now(conn);
}

void redis_conn_doubt(struct redis_conn *conn)
{
    conn->role_at_ms = INT64_MIN / 2;
}

bool redis_conn_done(const struct redis_conn *conn, const char *op, bool fine)
{
    int64_t duration_ms = now_ms() - conn->begun_ms;
    log_write(LOG_DEBUG, "store_call", LOG_STR("op", op), LOG_INT("duration_ms", duration_ms), LOG_BOOL("fine", fine));
    return fine;
}

/* ---- scripts ---- */

bool redis_conn_send_script(struct redis_conn *conn, int script, int key_count, const char *const *args,
                            const size_t *lengths, size_t count)
{
    if (count > REDIS_SCRIPT_ARGS) abort();
    const char *all[REDIS_SCRIPT_ARGS + 3];
    all[0] = "EVALSHA";
    all[1] = conn->scripts[script].sha;
    char keys[16];
    all[2] = keys;
    size_t all_lengths[REDIS_SCRIPT_ARGS + 3];
    all_lengths[0] = strlen(all[0]);
    all_lengths[1] = strlen(all[1]);
    all_lengths[2] = (size_t)snprintf(keys, sizeof keys, "%d", key_count);
    for (size_t i = 0; i < count; i++) {
        all[3 + i] = args[i];
        all_lengths[3 + i] = lengths[i];
    }
    return redis_conn_send_binary(conn, all, all_lengths, count + 3);
}

static redisReply *run_script(struct redis_conn *conn, const char *command, const char *script, int key_count,
                              const char *const *args, size_t count)
{
    const char *all[MAX_SCRIPT_ARGS + 3] = {command, script};
    char keys[16];
    snprintf(keys, sizeof keys, "%d", key_count);
    all[2] = keys;
    for (size_t i = 0; i < count; i++) all[3 + i] = args[i];
    return redis_conn_send(conn, all, count + 3) ? receive_any(conn) : NULL;
}

static redisReply *eval_once(struct redis_conn *conn, int script, int key_count, const char *const *args, size_t count)
{
    redisReply *reply;
    if (!conn->scripts[script].sha[0]) {
        reply = send_script_load(conn, script) ? redis_conn_receive(conn) : NULL;
        if (!reply) return NULL;
        keep_sha(conn, script, reply);
        freeReplyObject(reply);
    }
    reply = run_script(conn, "EVALSHA", conn->scripts[script].sha, key_count, args, count);
    if (reply && has_code(reply, "NOSCRIPT")) {
        freeReplyObject(reply);
        reply = run_script(conn, "EVAL", conn->scripts[script].text, key_count, args, count);
    }
    return only_good(conn, reply);
}

redisReply *redis_conn_eval(struct redis_conn *conn, int script, int key_count, const char *const *args, size_t count)
{
    if (count > MAX_SCRIPT_ARGS) abort();
    redisReply *reply = eval_once(conn, script, key_count, args, count);
    return !reply && redis_conn_again(conn) ? eval_once(conn, script, key_count, args, count) : reply;
}

/* Replies may still be due: they must not be taken for a later call's. */
enum chat_error redis_conn_outcome(struct redis_conn *conn, bool fine)
{
    if (fine) return CHAT_OK;
    redis_conn_abandon(conn);
    return CHAT_ERR_REDIS_UNAVAILABLE;
}
