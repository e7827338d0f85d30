/* Behind a PgBouncer that gives each transaction another connection: nothing may rest on one. (B6) */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

enum { POOL_SIZE = 4, THREADS = 12, CALLS = 40 };

static char directory[40], url[1024], name[64];
static pid_t pooler;
static PGconn *admin;

static const char *option(const char *keyword)
{
    static PQconninfoOption *options;
    if (!options) options = PQconninfoParse(contract_env("DATABASE_URL"), NULL);
    for (const PQconninfoOption *at = options; at->keyword; at++)
        if (strcmp(at->keyword, keyword) == 0) return at->val ? at->val : "";
    return "";
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void write_file(const char *file, const char *text)
{
    char path[80];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(text, out);
    fclose(out);
    chmod(path, 0644);
}

static void be_somebody(void)
{
    const struct passwd *nobody = getuid() == 0 ? getpwnam("nobody") : NULL; /* it refuses to be root */
    if (nobody && (setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0)) _exit(126);
}

static void open_pooler(void)
{
    char text[2048], path[80];
    int port = free_port();
    snprintf(directory, sizeof directory, "/tmp/contract-pooler-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    chmod(directory, 0755);
    snprintf(text, sizeof text, "\"%s\" \"%s\"\n", option("user"), option("password"));
    write_file("users", text);
    snprintf(text, sizeof text,
             "[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\nunix_socket_dir=\n"
             "auth_type=scram-sha-256\nauth_file=%s/users\npool_mode=transaction\ndefault_pool_size=%d\n",
             option("host"), option("port"), port, directory, POOL_SIZE);
    write_file("ini", text);
    snprintf(path, sizeof path, "%s/ini", directory);
    contract_user(name);
    snprintf(url, sizeof url, "postgres://%s:%s@127.0.0.1:%d/%s?application_name=%.20s", option("user"),
             option("password"), port, option("dbname"), strrchr(name, ':') + 1);
    pooler = fork();
    if (pooler == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_somebody();
        execlp("pgbouncer", "pgbouncer", "-q", path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && PQping(url) != PQPING_OK; i++) usleep(10000);
    admin = PQconnectdb(contract_env("DATABASE_URL"));
    ck_assert_msg(PQstatus(admin) == CONNECTION_OK, "%s", PQerrorMessage(admin));
}

static void close_pooler(void)
{
    char path[80];
    PQfinish(admin);
    kill(pooler, SIGKILL);
    waitpid(pooler, NULL, 0);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, i ? "ini" : "users");
        unlink(path);
    }
    rmdir(directory);
}

struct caller_thread {
    pthread_t thread;
    struct pg_health *health;
    int failed;
};

/* Different statements in each thread, so that names collide and are missed. */
static void *call(void *context)
{
    struct caller_thread *self = context;
    struct store store = {.now_ms = INT64_C(1790000000123), .health = self->health};
    arena_init(&store.arena);
    contract_user(store.user);
    store.conn = pg_conn_open(url, clock_system(), self->health, 0);
    store.sessions = pg_session_repo_open(store.conn);
    store.messages = pg_message_repo_open(store.conn);
    for (int i = 0; i < CALLS; i++) {
        struct session session = {.title = "pooled", .title_source = TITLE_USER, .model = "m"}, found;
        session.created_at_ms = session.updated_at_ms = store.now_ms;
        uuid_v7(store.now_ms, session.id);
        if (session_repo_create(store.sessions, store.user, &session) != CHAT_OK ||
            session_repo_get(store.sessions, store.user, session.id, &store.arena, &found) != CHAT_OK)
            self->failed++;
        arena_reset(&store.arena);
    }
    pg_message_repo_close(store.messages);
    pg_session_repo_close(store.sessions);
    pg_conn_close(store.conn);
    arena_fini(&store.arena);
    return NULL;
}

static int failures(struct pg_health *health)
{
    struct caller_thread threads[THREADS] = {0};
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        threads[i].health = health;
        pthread_create(&threads[i].thread, NULL, call, &threads[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        failed += threads[i].failed;
    }
    return failed;
}

START_TEST(without_prepared_statements_every_call_goes_through_and_leaves_nothing)
{
    struct pg_health *health = pg_health_open(clock_system());
    pg_health_dont_prepare(health);
    ck_assert_int_eq(failures(health), 0);
    pg_health_close(health);
    /* what the next of the pool's clients would meet */
    PGconn *pg = PQconnectdb(url);
    for (int i = 0; i < POOL_SIZE * 4; i++) {
        PGresult *result = PQexec(pg, "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''),"
                                      " current_setting('enable_sort'), current_setting('jit'),"
                                      " current_setting('statement_timeout'), current_setting('plan_cache_mode')");
        ck_assert_str_eq(PQgetvalue(result, 0, 0), "0");
        ck_assert_str_eq(PQgetvalue(result, 0, 1), "on");
        ck_assert_str_eq(PQgetvalue(result, 0, 3), "0");
        ck_assert_str_eq(PQgetvalue(result, 0, 4), "auto");
        PQclear(result);
    }
    PQfinish(pg);
}
END_TEST

START_TEST(one_that_nobody_told_of_is_found_and_prepared_through_no_more)
{
    struct pg_health *health = pg_health_open(clock_system());
    ck_assert(pg_health_prepares(health));
    ck_assert_int_eq(failures(health), 0);
    ck_assert(!pg_health_prepares(health));
    pg_health_close(health);
}
END_TEST

START_TEST(without_one_statements_are_prepared)
{
    struct pg_health *health = pg_health_open(clock_system());
    struct pg_conn *conn = pg_conn_open(contract_env("DATABASE_URL"), clock_system(), health, 0);
    ck_assert_int_eq(pg_ping(conn), CHAT_OK);
    ck_assert(pg_health_prepares(health));
    pg_conn_close(conn);
    pg_health_close(health);
}
END_TEST

/* A statement has its time limit although nothing is set for the connection. */
START_TEST(a_held_row_ends_in_time)
{
    struct pg_health *health = pg_health_open(clock_system());
    pg_health_dont_prepare(health);
    struct pg_conn *conn = pg_conn_open(url, clock_system(), health, 0);
    char level[PG_SCHEMA_LEVEL_SIZE];
    ck_assert_int_eq(pg_ping(conn), CHAT_OK);
    PQclear(PQexec(admin, "BEGIN; LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE"));
    ck_assert_int_eq(pg_schema_level(conn, level), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert(!pg_health_suspect(health)); /* the server gave up, before we did */
    PQclear(PQexec(admin, "ROLLBACK"));
    ck_assert_int_eq(pg_schema_level(conn, level), CHAT_OK);
    pg_conn_close(conn);
    pg_health_close(health);
}
END_TEST

CONTRACT_SUITE(postgres_pooler)
{
    Suite *suite = suite_create("postgres_pooler");
    TCase *tcase =
        CONTRACT_CASE(suite, "pooler", without_prepared_statements_every_call_goes_through_and_leaves_nothing,
                      one_that_nobody_told_of_is_found_and_prepared_through_no_more,
                      without_one_statements_are_prepared, a_held_row_ends_in_time);
    tcase_add_checked_fixture(tcase, open_pooler, close_pooler);
    return suite;
}
