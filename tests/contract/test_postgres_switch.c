/* A Postgres that becomes read-only while connections to it stay open, hosts that don't answer, and poolers. The tested
 * session is made read-only from within: a view in a schema of its own does so when it is read. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres/hosts.h"
#include "store_fixture.h"

static struct store store, other;
static PGconn *admin;
static char name[64]; /* application_name of the tested connections, and the schema */

static void run(const char *before, const char *after)
{
    char sql[512];
    snprintf(sql, sizeof sql, "%s %s%s", before, name, after);
    PGresult *result = PQexec(admin, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(admin));
    PQclear(result);
}

static void with_url(const char *url, void (*act)(void))
{
    char *before = strdup(contract_env("DATABASE_URL"));
    setenv("DATABASE_URL", url, 1);
    act();
    setenv("DATABASE_URL", before, 1);
    free(before);
}

static void open_stores(void)
{
    store_open(&store, &STORE_POSTGRES);
    /* another thread's connection of the same process */
    other = store;
    other.conn = pg_conn_open(contract_env("DATABASE_URL"), clock_system(), store.health, 0);
    other.sessions = pg_session_repo_open(other.conn);
    arena_init(&other.arena);
}

static void open_all(void)
{
    const char *url = contract_env("DATABASE_URL");
    char named[1024], user[64];
    admin = PQconnectdb(url);
    ck_assert_msg(PQstatus(admin) == CONNECTION_OK, "%s", PQerrorMessage(admin));
    contract_user(user);
    snprintf(name, sizeof name, "t%s", user + strlen(user) - 8);
    PQclear(PQexec(admin, "SET client_min_messages = warning"));
    run("CREATE SCHEMA", "");
    run("CREATE VIEW", ".schema_migrations AS SELECT set_config('default_transaction_read_only', 'on', false) AS "
                       "version");
    snprintf(named, sizeof named, "%s%capplication_name=%s&options=-csearch_path%%3D%s,public", url,
             strchr(url, '?') ? '&' : '?', name, name);
    with_url(named, open_stores);
}

static void close_all(void)
{
    pg_session_repo_close(other.sessions);
    pg_conn_close(other.conn);
    arena_fini(&other.arena);
    store_close(&store);
    run("DROP SCHEMA", " CASCADE");
    PQfinish(admin);
}

/* The server's processes behind the tested connections, as one text. */
static void processes(char out[128])
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity"
             " WHERE application_name = '%s'",
             name);
    PGresult *result = PQexec(admin, sql);
    snprintf(out, 128, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
}

static void make_read_only(struct store *at)
{
    char level[PG_SCHEMA_LEVEL_SIZE];
    ck_assert_int_eq(pg_schema_level(at->conn, level), CHAT_OK);
}

static enum chat_error get(struct store *at, const char *id)
{
    struct session out;
    return session_repo_get(at->sessions, at->user, id, &at->arena, &out);
}

/* (postgres-demoted-reads) */
START_TEST(the_first_refused_write_renews_all_connections_and_goes_through)
{
    char before[128], after[128];
    const char *id = store_add_session(&store, "kept");
    ck_assert_int_eq(get(&other, id), CHAT_OK);
    processes(before);
    make_read_only(&store);
    ck_assert_ptr_nonnull(store_add_session(&store, "once more"));
    ck_assert_int_eq(get(&other, id), CHAT_OK);
    processes(after);
    char *first = strtok(before, " "), *second = strtok(NULL, " ");
    ck_assert_ptr_nonnull(second);
    ck_assert_msg(!strstr(after, first) && !strstr(after, second), "%s and %s are still there: %s", first, second,
                  after);
    ck_assert(!pg_health_suspect(store.health));
}
END_TEST

START_TEST(who_only_reads_looks_within_two_seconds)
{
    char before[128], now[128];
    const char *id = store_add_session(&store, "read");
    make_read_only(&store);
    processes(before);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(get(&store, id), CHAT_OK);
        processes(now);
        if (strcmp(before, now) != 0) return;
        usleep(100000);
    }
    ck_abort_msg("still reads from the one that is read-only");
}
END_TEST

START_TEST(readiness_looks_each_time)
{
    char before[128], after[128];
    ck_assert_int_eq(pg_ping(store.conn), CHAT_OK);
    make_read_only(&store);
    processes(before);
    ck_assert_int_eq(pg_ping(store.conn), CHAT_OK); /* over a new connection */
    processes(after);
    ck_assert_str_ne(before, after);
}
END_TEST

static struct store read_only;
static void open_read_only(void)
{
    store_open(&read_only, &STORE_POSTGRES);
}

/* A standby, or a primary that went read-only, and no other: nothing is shown from it (B6). */
START_TEST(one_that_is_read_only_is_as_good_as_none)
{
    char url[1024];
    struct session out;
    const char *id = store_add_session(&store, "there"), *plain = contract_env("DATABASE_URL");
    snprintf(url, sizeof url, "%s%coptions=-cdefault_transaction_read_only%%3Don", plain,
             strchr(plain, '?') ? '&' : '?');
    with_url(url, open_read_only);
    ck_assert_int_eq(pg_ping(read_only.conn), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert(pg_health_suspect(read_only.health));
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(session_repo_get(read_only.sessions, store.user, id, &store.arena, &out),
                         CHAT_ERR_DATABASE_UNAVAILABLE);
        usleep(20000);
    }
    store_close(&read_only);
}
END_TEST

START_TEST(another_server_renews_the_connections_to_the_one_before)
{
    struct pg_health *health = pg_health_open(clock_system());
    unsigned first = pg_health_generation(health);
    ck_assert_uint_eq(pg_health_note_server(health, first, 111), first);
    ck_assert_uint_eq(pg_health_note_server(health, first, 111), first);
    unsigned second = pg_health_note_server(health, first, 222);
    ck_assert_uint_ne(second, first);
    ck_assert_uint_eq(pg_health_generation(health), second);
    /* a late word of the one before changes nothing */
    ck_assert_uint_eq(pg_health_note_server(health, first, 111), first);
    pg_health_renew(health, first, "late");
    ck_assert_uint_eq(pg_health_generation(health), second);
    pg_health_close(health);
}
END_TEST

/* ---- several hosts ---- */

static void url_of(char out[1024], const char *hosts_before)
{
    PQconninfoOption *options = PQconninfo(admin);
    const char *user = "", *password = "", *host = "", *port = "", *database = "";
    for (const PQconninfoOption *at = options; at->keyword; at++) {
        if (strcmp(at->keyword, "user") == 0) user = at->val;
        if (strcmp(at->keyword, "password") == 0) password = at->val;
        if (strcmp(at->keyword, "host") == 0) host = at->val;
        if (strcmp(at->keyword, "port") == 0) port = at->val;
        if (strcmp(at->keyword, "dbname") == 0) database = at->val;
    }
    snprintf(out, 1024, "postgres://%s:%s@%s%s:%s/%s?target_session_attrs=read-write", user, password ? password : "",
             hosts_before, host, port, database);
    PQconninfoFree(options);
}

START_TEST(a_host_that_refuses_leads_to_the_next)
{
    char url[1024];
    url_of(url, "127.0.0.1:1,");
    struct pg_health *health = pg_health_open(clock_system());
    struct pg_conn *conn = pg_conn_open(url, clock_system(), health, 0);
    ck_assert_int_eq(pg_ping(conn), CHAT_OK);
    pg_conn_close(conn);
    pg_health_close(health);
}
END_TEST

/* It would take all of the time of each try. */
START_TEST(a_host_that_does_not_answer_is_passed_over_the_next_time)
{
    char url[1024], silent[64];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(silent, sizeof silent, "127.0.0.1:%d,", ntohs(address.sin_port));
    url_of(url, silent);
    struct pg_health *health = pg_health_open(clock_system());
    struct pg_conn *conn = pg_conn_open(url, clock_system(), health, 500);
    ck_assert_int_eq(pg_ping(conn), CHAT_ERR_DATABASE_UNAVAILABLE);
    for (int i = 0; i < 100 && pg_ping(conn) != CHAT_OK; i++) usleep(20000);
    ck_assert_int_eq(pg_ping(conn), CHAT_OK);
    pg_conn_close(conn);
    pg_health_close(health);
    close(fd);
}
END_TEST

START_TEST(lists_of_hosts_are_turned_together)
{
    struct pg_hosts hosts, turned;
    pg_hosts_read("postgres://u@a:1,b:2,c:3/d", &hosts);
    ck_assert_int_eq(hosts.count, 3);
    pg_hosts_turn(&hosts, 4, &turned);
    ck_assert_str_eq(turned.host, "b,c,a");
    ck_assert_str_eq(turned.port, "2,3,1");
    pg_hosts_turn(&hosts, 3, &turned);
    ck_assert_str_eq(turned.host, "a,b,c");
    pg_hosts_read("postgres://u@a,b/d?port=5433", &hosts);
    pg_hosts_turn(&hosts, 1, &turned);
    ck_assert_str_eq(turned.host, "b,a");
    ck_assert_str_eq(turned.port, "5433");
    pg_hosts_read("postgres:///d", &hosts);
    pg_hosts_turn(&hosts, 1, &turned);
    ck_assert_int_eq(hosts.count, 0);
    ck_assert_str_eq(turned.host, "");
}
END_TEST

/* ---- a way to the server that breaks when the answer is on it ---- */

struct way {
    pthread_t thread;
    int listener;
    const char *host, *port;
};

/* What one side says goes to the other; false: it has hung up. */
static bool carry(int from, int to)
{
    char bytes[16384];
    ssize_t got = read(from, bytes, sizeof bytes);
    return got > 0 && write(to, bytes, (size_t)got) == got;
}

/* So many connections are cut once the server has answered what was said over them. */
static atomic_int cuts_left;

static void serve_one(int client, int server)
{
    struct pollfd ends[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    for (;;) {
        ck_assert_int_gt(poll(ends, 2, -1), 0);
        if (ends[1].revents && atomic_load(&cuts_left) > 0) { /* it was done, and nobody hears of it */
            atomic_fetch_sub(&cuts_left, 1);
            return;
        }
        if (ends[1].revents && !carry(server, client)) return;
        if (ends[0].revents && !carry(client, server)) return;
    }
}

static void *serve(void *context)
{
    struct way *way = context;
    for (int client; (client = accept(way->listener, NULL, NULL)) >= 0;) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(way->port))};
        int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        inet_pton(AF_INET, way->host, &address.sin_addr);
        if (connect(server, (struct sockaddr *)&address, sizeof address) == 0) serve_one(client, server);
        close(server);
        close(client);
    }
    return NULL;
}

static struct store broken;
static void open_broken(void)
{
    store_open(&broken, &STORE_POSTGRES);
}

/* (F) */
START_TEST(what_may_have_been_done_is_repeated_only_where_twice_is_as_good_as_once)
{
    struct way way = {.host = PQhost(admin), .port = PQport(admin)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[1024];
    way.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(way.listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(way.listener, 8), 0);
    ck_assert_int_eq(getsockname(way.listener, (struct sockaddr *)&address, &size), 0);
    pthread_create(&way.thread, NULL, serve, &way);
    snprintf(url, sizeof url, "postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", PQuser(admin), PQpass(admin),
             ntohs(address.sin_port), PQdb(admin));
    with_url(url, open_broken);
    const char *id = store_add_session(&broken, "over a way that breaks");

    struct session out;
    atomic_store(&cuts_left, 1);
    ck_assert_int_eq(session_repo_get(broken.sessions, broken.user, id, &broken.arena, &out), CHAT_OK);
    ck_assert_int_eq(atomic_load(&cuts_left), 0);

    struct answer_begin begin = store_send_of(&broken, id, "once");
    struct answer_begun begun;
    atomic_store(&cuts_left, 1);
    ck_assert_int_eq(store_begin(&broken, &begin, &begun), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_eq(atomic_load(&cuts_left), 0);
    begin = store_send_of(&broken, id, "again");
    enum chat_error error = CHAT_ERR_DATABASE_UNAVAILABLE;
    for (int i = 0; i < 200 && error == CHAT_ERR_DATABASE_UNAVAILABLE; i++) { /* until somebody has looked again */
        error = store_begin(&broken, &begin, &begun);
        usleep(10000);
    }
    ck_assert_int_eq(error, CHAT_ERR_GENERATION_IN_PROGRESS); /* it was done, once */
    store_close(&broken);
    shutdown(way.listener, SHUT_RDWR);
    pthread_join(way.thread, NULL);
    close(way.listener);
}
END_TEST

/* What a notice says may be somebody's text; libpq would write it to standard error. (F) */
START_TEST(notices_are_written_nowhere)
{
    char level[PG_SCHEMA_LEVEL_SIZE], said[256] = "";
    int ends[2], kept = dup(STDERR_FILENO);
    run("CREATE FUNCTION", ".tell() RETURNS text LANGUAGE plpgsql AS"
                           " $$BEGIN RAISE WARNING 'somebody has written'; RETURN '7'; END$$");
    run("DROP VIEW", ".schema_migrations");
    char view[128];
    snprintf(view, sizeof view, ".schema_migrations AS SELECT %s.tell() AS version", name);
    run("CREATE VIEW", view);
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    enum chat_error error = pg_schema_level(store.conn, level);
    dup2(kept, STDERR_FILENO);
    close(kept);
    ck_assert_int_eq(error, CHAT_OK);
    ck_assert_str_eq(level, "7");
    ck_assert_int_lt(read(ends[0], said, sizeof said - 1), 0);
    ck_assert_str_eq(said, "");
    close(ends[0]);
    close(ends[1]);
}
END_TEST

CONTRACT_SUITE(postgres_switch)
{
    Suite *suite = suite_create("postgres_switch");
    TCase *tcase = CONTRACT_CASE(
        suite, "switch over", the_first_refused_write_renews_all_connections_and_goes_through,
        who_only_reads_looks_within_two_seconds, readiness_looks_each_time, one_that_is_read_only_is_as_good_as_none,
        another_server_renews_the_connections_to_the_one_before, a_host_that_refuses_leads_to_the_next,
        a_host_that_does_not_answer_is_passed_over_the_next_time, lists_of_hosts_are_turned_together,
        what_may_have_been_done_is_repeated_only_where_twice_is_as_good_as_once, notices_are_written_nowhere);
    tcase_add_checked_fixture(tcase, open_all, close_all);
    return suite;
}
