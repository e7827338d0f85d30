/* What the store does when Postgres or the way to it breaks. Other connections of the database are left alone: only
 * the tested connection's own server process is ended or stopped, found by its application_name. */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store_fixture.h"

static struct store store;
static PGconn *admin;
static char name[64]; /* application_name of the tested connection */

/* Like store_open, with a name in the URL by which the server process can be found. */
static void open_store(void)
{
    const char *url = contract_env("DATABASE_URL");
    char named[1024], user[64];
    admin = PQconnectdb(url);
    ck_assert_msg(PQstatus(admin) == CONNECTION_OK, "%s", PQerrorMessage(admin));
    contract_user(user);
    snprintf(name, sizeof name, "t%s", strrchr(user, ':') + 1);
    snprintf(named, sizeof named, "%s%capplication_name=%s", url, strchr(url, '?') ? '&' : '?', name);
    setenv("DATABASE_URL", named, 1);
    store_open(&store, &STORE_POSTGRES);
    setenv("DATABASE_URL", url, 1);
    ck_assert_int_eq(pg_ping(store.conn), CHAT_OK);
}

static void close_store(void)
{
    store_close(&store);
    PQfinish(admin);
}

/* One number of the server process behind the tested connection: its pid, or what ending it says. */
static int ask_admin(const char *expression)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT %s FROM pg_stat_activity WHERE application_name = '%s'", expression, name);
    PGresult *result = PQexec(admin, sql);
    int number = PQntuples(result) == 1 ? atoi(PQgetvalue(result, 0, 0)) : -1;
    PQclear(result);
    return number;
}

static void end_backend(void)
{
    ck_assert_int_eq(ask_admin("pg_terminate_backend(pid, 2000)::int"), 1);
}

static int64_t now_ms(void)
{
    return clock_mono_ms(clock_system());
}
static void sleep_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

START_TEST(a_connection_killed_between_calls_is_replaced_unseen)
{
    struct session out;
    const char *id = store_add_session(&store, "killed");
    end_backend();
    ck_assert_int_eq(session_repo_get(store.sessions, store.user, id, &store.arena, &out), CHAT_OK);
    end_backend();
    /* a write that may not be sent twice goes through too: the loss is seen before it is sent */
    store_exchange(&store, id, "question", "answer");
    end_backend();
    struct answer_begin begin = store_send_of(&store, id, "more");
    struct answer_begun begun;
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    end_backend();
    struct answer_end end = store_end_of(&store, &begun.answer, MESSAGE_COMPLETE, "done");
    ck_assert(store_end(&store, &end));
    ck_assert(!pg_health_suspect(store.health));
}
END_TEST

static void *end_soon(void *context)
{
    (void)context;
    sleep_ms(300);
    end_backend();
    return NULL;
}

START_TEST(a_connection_killed_during_a_call_is_replaced_where_repeating_is_safe)
{
    struct session out;
    pthread_t thread;
    const char *id = store_add_session(&store, "held");
    char sql[128];
    struct session_patch patch = {.title = "renamed", .pinned = -1, .archived = -1, .now_ms = store.now_ms};
    /* the row is held, so the call waits until its process is ended */
    snprintf(sql, sizeof sql, "BEGIN; SELECT 1 FROM chat_sessions WHERE id = '%s' FOR UPDATE", id);
    PQclear(PQexec(admin, sql));
    pthread_create(&thread, NULL, end_soon, NULL);
    int64_t begun_ms = now_ms();
    enum chat_error error = session_repo_update(store.sessions, store.user, id, &patch, &store.arena, &out);
    int64_t took_ms = now_ms() - begun_ms;
    pthread_join(thread, NULL);
    /* still held: the second try runs into the time limit */
    ck_assert_int_eq(error, CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_ge(took_ms, 2000);
    ck_assert_int_lt(took_ms, 3000);
    PQclear(PQexec(admin, "ROLLBACK"));
    for (int i = 0; i < 30; i++) {
        error = session_repo_update(store.sessions, store.user, id, &patch, &store.arena, &out);
        if (error == CHAT_OK) break;
        sleep_ms(100);
    }
    ck_assert_int_eq(error, CHAT_OK);
    ck_assert_str_eq(out.title, "renamed");
}
END_TEST

START_TEST(a_held_row_ends_in_time_and_the_connection_lives)
{
    struct answer_begun begun;
    const char *id = store_add_session(&store, "held");
    char sql[128];
    int pid = ask_admin("pid");
    snprintf(sql, sizeof sql, "BEGIN; SELECT 1 FROM chat_sessions WHERE id = '%s' FOR UPDATE", id);
    PQclear(PQexec(admin, sql));
    struct answer_begin begin = store_send_of(&store, id, "x");
    int64_t begun_ms = now_ms();
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_lt(now_ms() - begun_ms, 3000);
    ck_assert(!pg_health_suspect(store.health)); /* the server did answer */
    PQclear(PQexec(admin, "ROLLBACK"));
    ck_assert_int_eq(store_begin(&store, &begin, &begun), CHAT_OK);
    ck_assert_int_eq(ask_admin("pid"), pid);
}
END_TEST

START_TEST(a_frozen_server_is_given_up_in_time_and_taken_again)
{
    struct session out;
    const char *id = store_add_session(&store, "frozen");
    int pid = ask_admin("pid");
    ck_assert_int_gt(pid, 0);
    ck_assert_msg(kill(pid, SIGSTOP) == 0, "needs the right to stop the server's process");
    int64_t begun_ms = now_ms();
    enum chat_error error = session_repo_get(store.sessions, store.user, id, &store.arena, &out);
    int64_t took_ms = now_ms() - begun_ms;
    bool suspect = pg_health_suspect(store.health);
    kill(pid, SIGCONT);
    ck_assert_int_eq(error, CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_lt(took_ms, 4000);
    ck_assert(suspect);
    for (begun_ms = now_ms(); error != CHAT_OK && now_ms() - begun_ms < 3000; sleep_ms(20))
        error = session_repo_get(store.sessions, store.user, id, &store.arena, &out);
    ck_assert_int_eq(error, CHAT_OK);
    ck_assert(!pg_health_suspect(store.health));
}
END_TEST

/* ---- a server that never says a word ---- */

static int silent_listener(char url[128])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(url, 128, "postgres://u@127.0.0.1:%d/d?sslmode=disable", ntohs(address.sin_port));
    return fd;
}

enum { THREADS = 8 };
struct asker {
    pthread_t thread;
    const char *url;
    struct pg_health *health;
    int slow, refused; /* calls that took longer than 100 ms, and all that were refused */
};

static void *ask(void *context)
{
    struct asker *asker = context;
    struct pg_conn *conn = pg_conn_open(asker->url, clock_system(), asker->health, 600);
    for (int64_t end_ms = now_ms() + 2000; now_ms() < end_ms; sleep_ms(5)) {
        int64_t begun_ms = now_ms();
        asker->refused += pg_ping(conn) == CHAT_ERR_DATABASE_UNAVAILABLE;
        asker->slow += now_ms() - begun_ms > 100;
    }
    pg_conn_close(conn);
    return NULL;
}

START_TEST(a_silent_server_holds_one_thread_not_all)
{
    char url[128];
    int fd = silent_listener(url);
    struct pg_health *health = pg_health_open(clock_system());
    struct asker first = {.url = url, .health = health}, askers[THREADS] = {{0}};
    struct pg_conn *conn = pg_conn_open(url, clock_system(), health, 300);
    int64_t begun_ms = now_ms();
    ck_assert_int_eq(pg_ping(conn), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_ge(now_ms() - begun_ms, 290);
    ck_assert_int_lt(now_ms() - begun_ms, 600);
    pg_conn_close(conn);
    int slow = 0;
    for (int i = 0; i < THREADS; i++) {
        askers[i] = first;
        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        slow += askers[i].slow;
        ck_assert_int_gt(askers[i].refused, 0);
    }
    /* probes of 600 ms, one after the other, in 2.0 s and the last one's end */
    ck_assert_int_ge(slow, 1);
    ck_assert_int_le(slow, 4);
    pg_health_close(health);
    close(fd);
}
END_TEST

START_TEST(a_refused_connection_is_told_at_once)
{
    char url[128];
    int fd = silent_listener(url);
    close(fd);
    struct pg_health *health = pg_health_open(clock_system());
    struct pg_conn *conn = pg_conn_open(url, clock_system(), health, 0);
    int64_t begun_ms = now_ms();
    ck_assert_int_eq(pg_ping(conn), CHAT_ERR_DATABASE_UNAVAILABLE);
    ck_assert_int_lt(now_ms() - begun_ms, 200);
    ck_assert(pg_health_suspect(health));
    pg_conn_close(conn);
    pg_health_close(health);
}
END_TEST

START_TEST(probes_are_single_and_spaced)
{
    struct manual_clock clock;
    manual_clock_init(&clock, 1000);
    struct pg_health *health = pg_health_open(&clock.clock);
    bool probe, other;
    ck_assert(pg_health_enter(health, &probe) && !probe);
    ck_assert(pg_health_enter(health, &other) && !other);
    pg_health_leave(health, probe, false);
    pg_health_leave(health, other, false); /* was let in before: changes nothing */
    ck_assert(!pg_health_enter(health, &probe));
    for (int backoff_ms = 100; backoff_ms < 3000; backoff_ms *= 2) {
        manual_clock_advance(&clock, backoff_ms > 1000 ? 1000 : backoff_ms);
        ck_assert(pg_health_enter(health, &probe) && probe);
        ck_assert(!pg_health_enter(health, &other));
        pg_health_leave(health, probe, false);
        ck_assert(!pg_health_enter(health, &other));
    }
    manual_clock_advance(&clock, 1000);
    ck_assert(pg_health_enter(health, &probe) && probe);
    pg_health_leave(health, probe, true);
    ck_assert(pg_health_enter(health, &probe) && !probe);
    pg_health_close(health);
}
END_TEST

/* ---- readiness ---- */

START_TEST(the_schema_level_is_the_newest_migration)
{
    char level[PG_SCHEMA_LEVEL_SIZE];
    ck_assert_int_eq(pg_schema_level(store.conn, level), CHAT_OK);
    PGresult *result = PQexec(admin, "SELECT max(version) FROM schema_migrations");
    ck_assert_str_eq(level, PQgetvalue(result, 0, 0));
    PQclear(result);
}
END_TEST

START_TEST(a_database_without_migrations_has_no_level)
{
    const char *url = contract_env("DATABASE_URL");
    char elsewhere[1024], level[PG_SCHEMA_LEVEL_SIZE] = "x";
    /* a search path on which the table is not */
    snprintf(elsewhere, sizeof elsewhere, "%s%coptions=-csearch_path%%3Dnone", url, strchr(url, '?') ? '&' : '?');
    struct pg_conn *conn = pg_conn_open(elsewhere, clock_system(), store.health, 0);
    ck_assert_int_eq(pg_schema_level(conn, level), CHAT_OK);
    ck_assert_str_eq(level, "");
    ck_assert_int_eq(pg_ping(conn), CHAT_OK);
    pg_conn_close(conn);
}
END_TEST

CONTRACT_SUITE(postgres_faults)
{
    Suite *suite = suite_create("postgres_faults");
    TCase *tcase = CONTRACT_CASE(
        suite, "faults", a_connection_killed_between_calls_is_replaced_unseen,
        a_connection_killed_during_a_call_is_replaced_where_repeating_is_safe,
        a_held_row_ends_in_time_and_the_connection_lives, a_frozen_server_is_given_up_in_time_and_taken_again,
        a_silent_server_holds_one_thread_not_all, a_refused_connection_is_told_at_once, probes_are_single_and_spaced,
        the_schema_level_is_the_newest_migration, a_database_without_migrations_has_no_level);
    tcase_add_checked_fixture(tcase, open_store, close_store);
    return suite;
}
