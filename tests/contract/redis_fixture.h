/* What the Redis suites share: an admission on a clock that stands still, a plain connection to look behind it, and a
 * Redis of the test's own that may be killed, frozen and locked. */
#ifndef CONTRACT_REDIS_FIXTURE_H
#define CONTRACT_REDIS_FIXTURE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "contract.h"
#include "redis/admission.h"
#include "redis/conn.h"
#include "redis/url.h"

/* Calls that are not about time get plenty of it: tests run on loaded machines, and under sanitizers. */
enum { PATIENT_MS = 5000 };
/* A call decides within 50 ms; a loaded machine may add to that. */
enum { DECIDED_MS = 250 };

struct desk {
    struct redis_server *server;
    struct redis_conn *conn;
    struct admission *admission;
    struct chat_policy policy;
    struct manual_clock clock;
    struct caller user;
    redisContext *raw;
};

static inline int64_t desk_time(const char *rfc3339)
{
    int64_t wall_ms = 0;

    ck_assert(clock_parse_rfc3339(rfc3339, &wall_ms));
    return wall_ms;
}

static inline redisContext *raw_connect(const char *url)
{
    const struct timeval wait = {5, 0};
    struct redis_url parsed;
    redisContext *raw;
    redisReply *reply;

    ck_assert_ptr_null(redis_url_parse(url, &parsed));
    raw = parsed.is_unix ? redisConnectUnixWithTimeout(parsed.host, wait)
                         : redisConnectWithTimeout(parsed.host, parsed.port, wait);
    ck_assert_msg(raw && !raw->err, "no Redis at REDIS_URL: %s", raw ? raw->errstr : "no memory");
    redisSetTimeout(raw, wait);
    if (parsed.password[0]) {
        reply = parsed.user[0] ? redisCommand(raw, "AUTH %s %s", parsed.user, parsed.password)
                               : redisCommand(raw, "AUTH %s", parsed.password);
        freeReplyObject(reply);
    }
    reply = redisCommand(raw, "SELECT %d", parsed.db);
    ck_assert(reply && reply->type == REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    return raw;
}

/* An integer, or a string that holds one; -1 for nil. */
static inline long long raw_number(redisContext *raw, const char *format, ...)
{
    long long number = -1;
    redisReply *reply;
    va_list args;

    va_start(args, format);
    reply = redisvCommand(raw, format, args);
    va_end(args);
    ck_assert_msg(reply && reply->type != REDIS_REPLY_ERROR, "%s: %s", format, reply ? reply->str : raw->errstr);
    if (reply->type == REDIS_REPLY_INTEGER) number = reply->integer;
    if (reply->type == REDIS_REPLY_STRING) number = strtoll(reply->str, NULL, 10);
    freeReplyObject(reply);
    return number;
}

/* A user nobody has been, usual limits and a clock; the admission is still to come. */
static inline void desk_prepare(struct desk *desk)
{
    char id[64];

    *desk = (struct desk){.policy = {.rate_limit_per_minute = 10,
                                     .daily_message_quota = 100,
                                     .max_concurrent_streams = 3,
                                     .create_rate_per_minute = 4}};
    manual_clock_init(&desk->clock, desk_time("2026-01-31T12:00:10.000Z"));
    contract_user(id);
    snprintf(desk->user.user_id, sizeof desk->user.user_id, "%s", id);
}

static inline void desk_open(struct desk *desk, const char *url, int call_ms)
{
    const char *problem;

    signal(SIGPIPE, SIG_IGN);
    desk_prepare(desk);
    desk->server = redis_server_open(url, call_ms, &problem);
    ck_assert_msg(desk->server != NULL, "%s", problem);
    desk->conn = redis_conn_open(desk->server);
    desk->admission = redis_admission_open(desk->conn, &desk->policy, &desk->clock.clock, 2);
    desk->raw = raw_connect(url);
}

static inline void desk_close(struct desk *desk)
{
    redis_admission_close(desk->admission);
    redis_conn_close(desk->conn);
    redis_server_close(desk->server);
    redisFree(desk->raw);
}

struct outcome {
    enum chat_error error;
    struct admission_ticket ticket;
    struct quota quota;
    int64_t retry_after_s;
    int64_t took_ms;
};

static inline struct outcome desk_admit_units(struct desk *desk, const struct caller *caller, int units)
{
    struct outcome out = {.error = CHAT_OK};
    char id[UUID_TEXT_SIZE];
    int64_t began_ms = clock_mono_ms(clock_system());

    uuid_v7(clock_wall_ms(clock_system()), id);
    out.error = admission_admit(desk->admission, caller, units, id, &out.ticket, &out.quota, &out.retry_after_s);
    out.took_ms = clock_mono_ms(clock_system()) - began_ms;
    return out;
}

static inline struct outcome desk_admit_as(struct desk *desk, const struct caller *caller)
{
    return desk_admit_units(desk, caller, 1);
}

static inline struct outcome desk_admit(struct desk *desk)
{
    return desk_admit_as(desk, &desk->user);
}

static inline enum chat_error desk_settle(struct desk *desk, const struct outcome *admitted, bool refund)
{
    return admission_settle(desk->admission, &admitted->ticket, refund, NULL);
}

static inline enum chat_error desk_ping(struct desk *desk)
{
    return admission_ping(desk->admission);
}

/* Counts as they stand in Redis, -1 where there is no key. */
static inline long long desk_rate(struct desk *desk)
{
    return raw_number(desk->raw, "GET chat:rate:%s:%lld", desk->user.user_id,
                      (long long)quota_window(desk->clock.now_wall_ms));
}
static inline long long desk_daily(struct desk *desk, const char *day)
{
    return raw_number(desk->raw, "GET chat:quota:daily:%s:%s", desk->user.user_id, day);
}
static inline long long desk_streams(struct desk *desk)
{
    return raw_number(desk->raw, "ZCARD chat:streams:%s", desk->user.user_id);
}

/* ---- a Redis of one's own ---- */

struct own_redis {
    pid_t pid;
    int port;
    char directory[32];
    char url[96];
};

static inline int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static inline void own_redis_start(struct own_redis *redis)
{
    char port[16], socket_path[64];

    snprintf(port, sizeof port, "%d", redis->port);
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", redis->directory);
    redis->pid = fork();
    ck_assert_int_ge(redis->pid, 0);
    if (redis->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket", socket_path,
               "--requirepass", "p@ss word", "--save", "", "--appendonly", "no", "--dir", redis->directory, "--logfile",
               "/dev/null", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500; i++) {
        redisContext *raw = redisConnect("127.0.0.1", redis->port);
        bool is_up = raw && !raw->err;

        redisFree(raw);
        if (is_up) return;
        usleep(10000);
    }
    ck_abort_msg("redis-server doesn't start");
}

static inline void own_redis_open(struct own_redis *redis)
{
    *redis = (struct own_redis){.port = free_port(), .directory = "/tmp/contract-redis-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(redis->directory));
    snprintf(redis->url, sizeof redis->url, "redis://:p%%40ss%%20word@127.0.0.1:%d/3", redis->port);
    own_redis_start(redis);
}

static inline void own_redis_kill(struct own_redis *redis)
{
    kill(redis->pid, SIGKILL);
    waitpid(redis->pid, NULL, 0);
}

static inline void own_redis_close(struct own_redis *redis)
{
    char path[64];

    own_redis_kill(redis);
    snprintf(path, sizeof path, "%s/redis.sock", redis->directory);
    unlink(path);
    rmdir(redis->directory);
}

#endif
