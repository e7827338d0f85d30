#include "postgres/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "postgres/hosts.h"
#include "postgres/query.h"

enum {
    SLOW_MS = 500,
    MAX_ATTEMPTS = 3,
    STATE_SIZE = 6,
    LOOK_MS =
        1000, /* a connection that only reads never meets a refusal, so it asks which server is at its other end */
};
static const char READ_ONLY[] = "25006"; /* read_only_sql_transaction */

struct pg_conn {
    char *url;
    const struct clock *clock;
    struct pg_health *health;
    int timeout_ms;
    PGconn *pg; /* NULL: not connected */
    struct pg_hosts hosts;
    unsigned generation; /* of the health's, when pg was made */
    int64_t looked_at_ms;
    bool settings_sent;
    bool prepared[PG_STATEMENT_COUNT]; /* on this pg */
};

/* How one try ended. */
enum outcome {
    DONE,           /* *result is set */
    SQL_ERROR,      /* the server refused: state and constraint are set */
    CONNECT_FAILED, /* nothing was sent */
    LOST,           /* the connection died after something was sent: unknown whether it was done */
    TIMED_OUT,
};
struct attempt {
    int64_t deadline_ms;
    char state[STATE_SIZE]; /* SQLSTATE; "" = the server gave none */
    char constraint[64];
    PGresult *result;
};

struct pg_conn *pg_conn_open(const char *url, const struct clock *clock, struct pg_health *health, int timeout_ms)
{
    struct pg_conn *conn = calloc(1, sizeof *conn);
    if (!conn) return NULL;
    conn->url = strdup(url);
    if (!conn->url) {
        free(conn);
        return NULL;
    }
    conn->clock = clock;
    conn->health = health;
    conn->timeout_ms = timeout_ms > 0 ? timeout_ms : PG_TIMEOUT_MS;
    pg_hosts_read(url, &conn->hosts);
    return conn;
}

static void disconnect(struct pg_conn *conn)
{
    if (conn->pg) PQfinish(conn->pg);
    conn->pg = NULL;
    conn->settings_sent = false;
    conn->looked_at_ms = 0;
    memset(conn->prepared, 0, sizeof conn->prepared);
}

void pg_conn_close(struct pg_conn *conn)
{
    if (!conn) return;
    disconnect(conn);
    free(conn->url);
    free(conn);
}

/* The one place that waits. false: the deadline passed. */
static bool wait_for(struct pg_conn *conn, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms(conn->clock);
        if (left_ms <= 0) return false;
        struct pollfd pfd = {.fd = PQsocket(conn->pg), .events = events};
        int ready = poll(&pfd, 1, (int)left_ms);
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return true; /* libpq will find out */
    }
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context, (void)result;
}

static enum outcome start_connection(struct pg_conn *conn, struct attempt *attempt)
{
    struct pg_hosts hosts;
    pg_hosts_turn(&conn->hosts, pg_health_host_turn(conn->health), &hosts);
    /* The URL may override parameters before dbname, and none after it. An empty list is none. */
    static const char *const keys[] = {"fallback_application_name",
                                       "tcp_user_timeout",
                                       "keepalives_idle",
                                       "dbname",
                                       "client_encoding",
                                       "host",
                                       "hostaddr",
                                       "port",
                                       NULL};
    const char *values[] = {"chat-fcgi", "10000",        "30",       conn->url, "UTF8",
                            hosts.host,  hosts.hostaddr, hosts.port, NULL};
    conn->pg = PQconnectStartParams(keys, values, 1);
    if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD) return CONNECT_FAILED;
    PQsetNoticeReceiver(conn->pg, ignore_notice, NULL); /* a notice may quote a value */
    for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;
         next = PQconnectPoll(conn->pg)) {
        if (next == PGRES_POLLING_FAILED) return CONNECT_FAILED;
        if (!wait_for(conn, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, attempt->deadline_ms)) return TIMED_OUT;
    }
    if (PQsetnonblocking(conn->pg, 1) != 0 || !PQenterPipelineMode(conn->pg)) return CONNECT_FAILED;
    return DONE;
}

static enum outcome connect_now(struct pg_conn *conn, struct attempt *attempt)
{
    int64_t begun_ms = clock_mono_ms(conn->clock);
    unsigned turn = pg_health_host_turn(conn->health);
    conn->generation = pg_health_generation(conn->health);
    enum outcome outcome = start_connection(conn, attempt);
    if (outcome == TIMED_OUT) pg_health_next_host(conn->health, turn);
    if (outcome == DONE) {
        log_write(LOG_DEBUG, "store_connected", LOG_INT("duration_ms", clock_mono_ms(conn->clock) - begun_ms));
        return DONE;
    }
    /* libpq's message names host, port and user: no secret, and what an operator needs */
    log_write(LOG_WARN, "store_connect_failed", LOG_STR("reason", outcome == TIMED_OUT ? "timeout" : "refused"),
              LOG_INT("duration_ms", clock_mono_ms(conn->clock) - begun_ms));
    disconnect(conn);
    return outcome;
}

/* Returns whether the server hung up while the connection was idle. It is checked before anything is sent, so nothing
 * is in doubt. A server that sends something to an idle client ends the connection, or, rarely, reports a changed
 * setting: then a new connection does no harm. */
static bool hung_up(struct pg_conn *conn)
{
    struct pollfd pfd = {.fd = PQsocket(conn->pg), .events = POLLIN | POLLRDHUP};
    return poll(&pfd, 1, 0) > 0;
}

/* The parts that go out together, in this order. */
enum step { STEP_SETTINGS, STEP_LOOK, STEP_PREPARE, STEP_EXECUTE, STEP_SYNC };
struct plan {
    enum step steps[6];
    int count;
};

static bool add_step(struct plan *plan, enum step step, int sent)
{
    plan->steps[plan->count++] = step;
    return sent;
}

/* The server gives up a little before we do, so that a connection survives a slow statement. */
static bool send_settings(struct pg_conn *conn, struct plan *plan, bool for_transaction)
{
    char timeout_ms[16];
    const char *const values[] = {timeout_ms, for_transaction ? "t" : "f"};
    snprintf(timeout_ms, sizeof timeout_ms, "%d", conn->timeout_ms > 200 ? conn->timeout_ms - 100 : conn->timeout_ms);
    return add_step(plan, STEP_SETTINGS, PQsendQueryParams(conn->pg, PG_SETTINGS_SQL, 2, NULL, values, NULL, NULL, 0));
}

/* Queues what goes before the statement: settings, or PG_LOOK_SQL if the last look is some time ago. */
static bool send_first(struct pg_conn *conn, struct plan *plan, bool prepares)
{
    if (!prepares) return send_settings(conn, plan, true);
    /* a sync of its own: settings would be undone with a statement that fails */
    if (!conn->settings_sent)
        return send_settings(conn, plan, false) && add_step(plan, STEP_SYNC, PQpipelineSync(conn->pg));
    if (clock_mono_ms(conn->clock) - conn->looked_at_ms < LOOK_MS) return true;
    return add_step(plan, STEP_LOOK, PQsendQueryParams(conn->pg, PG_LOOK_SQL, 0, NULL, NULL, NULL, NULL, 0));
}

static bool send_statement(struct pg_conn *conn, struct plan *plan, enum pg_statement statement,
                           const struct pg_params *params, bool prepares)
{
    const struct pg_statement_entry *entry = &PG_STATEMENTS[statement];
    if (!prepares)
        return add_step(plan, STEP_EXECUTE,
                        PQsendQueryParams(conn->pg, entry->sql, params->count, NULL, params->values, params->lengths,
                                          params->formats, 0));
    if (!conn->prepared[statement] &&
        !add_step(plan, STEP_PREPARE, PQsendPrepare(conn->pg, entry->name, entry->sql, 0, NULL)))
        return false;
    return add_step(
        plan, STEP_EXECUTE,
        PQsendQueryPrepared(conn->pg, entry->name, params->count, params->values, params->lengths, params->formats, 0));
}

static bool send_all(struct pg_conn *conn, struct plan *plan, enum pg_statement statement,
                     const struct pg_params *params)
{
    bool prepares = pg_health_prepares(conn->health);
    return send_first(conn, plan, prepares) && send_statement(conn, plan, statement, params, prepares) &&
           add_step(plan, STEP_SYNC, PQpipelineSync(conn->pg));
}

static void note_error(const PGresult *result, struct attempt *attempt)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    snprintf(attempt->state, sizeof attempt->state, "%s", state ? state : "");
    snprintf(attempt->constraint, sizeof attempt->constraint, "%s", constraint ? constraint : "");
}

/* Sends, and reads what comes, until there is a result, or the NULL between results. */
static enum outcome await_result(struct pg_conn *conn, struct attempt *attempt, PGresult **result)
{
    for (;;) {
        int unsent = PQflush(conn->pg);
        if (unsent < 0) return LOST;
        if (!PQisBusy(conn->pg)) {
            *result = PQgetResult(conn->pg);
            return DONE;
        }
        if (!wait_for(conn, (short)(unsent ? POLLIN | POLLOUT : POLLIN), attempt->deadline_ms)) return TIMED_OUT;
        if (!PQconsumeInput(conn->pg)) {
            /* the reason may be in the last bytes */
            *result = PQisBusy(conn->pg) ? NULL : PQgetResult(conn->pg);
            if (*result) note_error(*result, attempt);
            PQclear(*result);
            *result = NULL;
            return LOST;
        }
    }
}

/* If another process answers than the one that we were told of, there is a pooler between. Then nothing may depend on
 * the connection. */
static void note_process(struct pg_conn *conn, int64_t pid)
{
    if (pid == PQbackendPID(conn->pg) || !pg_health_prepares(conn->health)) return;
    pg_health_dont_prepare(conn->health);
    log_write(LOG_WARN, "pooler_found", LOG_STR("hint", "statements aren't prepared; DATABASE_PREPARE=false says so"));
}

/* false: it takes no writes. */
static bool note_look(struct pg_conn *conn, const PGresult *result)
{
    bool first = !conn->looked_at_ms;
    conn->looked_at_ms = clock_mono_ms(conn->clock);
    if (strcmp(PQgetvalue(result, 0, 0), "off") != 0) return false;
    note_process(conn, pg_int(result, 0, 1, 0));
    if (first) conn->generation = pg_health_note_server(conn->health, conn->generation, pg_int(result, 0, 2, 0));
    return true;
}

/* Reads one result. false: the statement failed, or its result may not be believed; the attempt has the reason. */
static bool take_result(struct pg_conn *conn, enum pg_statement statement, enum step step, PGresult *result,
                        struct attempt *attempt)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR) {
        note_error(result, attempt);
        return false;
    }
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return true;
    if (step == STEP_EXECUTE) attempt->result = result;
    if (step == STEP_PREPARE) conn->prepared[statement] = true;
    if ((step == STEP_SETTINGS || step == STEP_LOOK) && !note_look(conn, result)) {
        snprintf(attempt->state, sizeof attempt->state, "%s", READ_ONLY);
        return false;
    }
    return true;
}

static enum outcome read_all(struct pg_conn *conn, const struct plan *plan, enum pg_statement statement,
                             struct attempt *attempt)
{
    bool failed = false;
    for (int at = 0; at < plan->count;) {
        PGresult *result = NULL;
        enum outcome outcome = await_result(conn, attempt, &result);
        if (outcome != DONE) return outcome;
        if (result) {
            bool synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
            struct attempt ignored = *attempt;
            if (synced && at == 1 && plan->steps[0] == STEP_SETTINGS) conn->settings_sent = true;
            if (!take_result(conn, statement, plan->steps[at], result, failed ? &ignored : attempt)) failed = true;
            if (attempt->result != result) PQclear(result);
            if (!synced) continue; /* its NULL is still to come; none follows a sync */
        }
        if (PQstatus(conn->pg) == CONNECTION_BAD) return LOST;
        at++;
    }
    return failed ? SQL_ERROR : DONE;
}

static enum outcome attempt_once(struct pg_conn *conn, enum pg_statement statement, const struct pg_params *params,
                                 struct attempt *attempt)
{
    struct plan plan = {.count = 0};
    attempt->state[0] = attempt->constraint[0] = '\0';
    if (conn->pg && (hung_up(conn) || conn->generation != pg_health_generation(conn->health))) disconnect(conn);
    if (!conn->pg) {
        enum outcome outcome = connect_now(conn, attempt);
        if (outcome != DONE) return outcome;
    }
    enum outcome outcome = send_all(conn, &plan, statement, params) ? read_all(conn, &plan, statement, attempt) : LOST;
    if (outcome != DONE) {
        PQclear(attempt->result);
        attempt->result = NULL;
    }
    if (outcome == LOST || outcome == TIMED_OUT) disconnect(conn);
    return outcome;
}

static bool state_is(const struct attempt *attempt, const char *prefix)
{
    return strncmp(attempt->state, prefix, strlen(prefix)) == 0;
}

/* Returns whether the connection is of no more use: the server is leaving, starting, or has become read-only; or a
 * prepared statement isn't there, or is there already. */
static bool must_reconnect(const struct attempt *attempt)
{
    return state_is(attempt, "57P") || state_is(attempt, "08") || state_is(attempt, READ_ONLY) ||
           state_is(attempt, "26000") || state_is(attempt, "42P05") || state_is(attempt, "0A000");
}

/* Reports what this refusal means for the other connections. */
static void leave(struct pg_conn *conn, const struct attempt *attempt)
{
    if (state_is(attempt, READ_ONLY)) pg_health_renew(conn->health, conn->generation, "read-only");
    if (state_is(attempt, "42P05")) pg_health_dont_prepare(conn->health); /* by a name that is ours alone */
    disconnect(conn);
}

static enum chat_error error_of_state(const struct pg_statement_entry *entry, const struct attempt *attempt)
{
    if (state_is(attempt, "23505") && entry->constraint && strcmp(entry->constraint, attempt->constraint) == 0)
        return entry->conflict;
    if (state_is(attempt, "42P01") && entry == &PG_STATEMENTS[PG_SCHEMA_LEVEL]) return CHAT_ERR_NOT_FOUND;
    if (state_is(attempt, "22021") || state_is(attempt, "22P05") || state_is(attempt, "22P02"))
        return CHAT_ERR_INVALID_REQUEST;
    /* cancelled, lock not available, out of resources, still deadlocked after retries, leaving */
    if (state_is(attempt, "57") || state_is(attempt, "55P03") || state_is(attempt, "53") || state_is(attempt, "08") ||
        state_is(attempt, "40") || state_is(attempt, READ_ONLY) || attempt->state[0] == '\0')
        return CHAT_ERR_DATABASE_UNAVAILABLE;
    return CHAT_ERR_INTERNAL;
}

static bool worth_another(const struct pg_statement_entry *entry, enum outcome outcome, const struct attempt *attempt,
                          int tries)
{
    if (tries >= MAX_ATTEMPTS) return false;
    if (outcome == SQL_ERROR && (state_is(attempt, "40001") || state_is(attempt, "40P01"))) return true;
    if (tries >= 2) return false;
    if (outcome == LOST) return entry->repeatable;
    return outcome == SQL_ERROR && must_reconnect(attempt) && !state_is(attempt, "57P03");
}

static void log_call(struct pg_conn *conn, const struct pg_statement_entry *entry, int64_t begun_ms, int tries,
                     enum chat_error error, const struct attempt *attempt)
{
    int64_t duration_ms = clock_mono_ms(conn->clock) - begun_ms;
    enum log_level level = duration_ms > SLOW_MS ? LOG_WARN : LOG_DEBUG;
    if (error == CHAT_ERR_DATABASE_UNAVAILABLE) level = LOG_WARN;
    if (error == CHAT_ERR_INTERNAL) level = LOG_ERROR;
    if (!log_enabled(level)) return;
    log_write(level, "store_call", LOG_STR("op", entry->name), LOG_INT("duration_ms", duration_ms),
              LOG_INT("tries", tries), LOG_STR("code", error == CHAT_OK ? NULL : error_code(error)),
              LOG_STR("sqlstate", attempt->state[0] ? attempt->state : NULL),
              LOG_STR("constraint", attempt->constraint[0] ? attempt->constraint : NULL));
}

enum chat_error pg_exec(struct pg_conn *conn, enum pg_statement statement, const struct pg_params *params,
                        PGresult **result)
{
    const struct pg_statement_entry *entry = &PG_STATEMENTS[statement];
    int64_t begun_ms = clock_mono_ms(conn->clock);
    struct attempt attempt = {.deadline_ms = begun_ms + conn->timeout_ms};
    *result = NULL;
    bool probe;
    if (!pg_health_enter(conn->health, &probe)) return CHAT_ERR_DATABASE_UNAVAILABLE;

    enum outcome outcome;
    int tries = 0;
    do {
        outcome = attempt_once(conn, statement, params, &attempt);
        if (outcome == SQL_ERROR && must_reconnect(&attempt)) leave(conn, &attempt);
        tries++;
    } while (outcome != DONE && worth_another(entry, outcome, &attempt, tries));

    /* a read-only server serves nobody: one call at a time finds out whether it still is read-only */
    bool reached = outcome == DONE || (outcome == SQL_ERROR && !state_is(&attempt, READ_ONLY));
    pg_health_leave(conn->health, probe, reached);
    enum chat_error error = outcome == DONE        ? CHAT_OK
                            : outcome == SQL_ERROR ? error_of_state(entry, &attempt)
                                                   : CHAT_ERR_DATABASE_UNAVAILABLE;
    log_call(conn, entry, begun_ms, tries, error, &attempt);
    *result = attempt.result;
    return error;
}

/* ---- parameters ---- */

static int next_param(struct pg_params *params)
{
    if (params->count >= PG_MAX_PARAMS) abort(); /* a programmer's mistake */
    return params->count++;
}

void pg_add_text(struct pg_params *params, const char *text)
{
    int at = next_param(params);
    params->values[at] = text;
    params->formats[at] = 0;
}

void pg_add_bytes(struct pg_params *params, const char *bytes, size_t len)
{
    int at = next_param(params);
    params->values[at] = bytes ? bytes : "";
    params->lengths[at] = (int)len;
    params->formats[at] = 1;
}

void pg_add_int(struct pg_params *params, int64_t number)
{
    int at = next_param(params);
    snprintf(params->numbers[at], sizeof params->numbers[at], "%lld", (long long)number);
    params->values[at] = params->numbers[at];
    params->formats[at] = 0;
}

void pg_add_int_or_null(struct pg_params *params, int64_t number, bool is_null)
{
    if (is_null)
        pg_add_text(params, NULL);
    else
        pg_add_int(params, number);
}

/* ---- fields ---- */

const char *pg_text(const PGresult *result, int row, int column, struct arena *arena, size_t *len)
{
    size_t bytes = (size_t)PQgetlength(result, row, column);
    bool is_null = PQgetisnull(result, row, column);
    if (len) *len = is_null ? 0 : bytes;
    return is_null ? NULL : arena_strndup(arena, PQgetvalue(result, row, column), bytes);
}

int64_t pg_int(const PGresult *result, int row, int column, int64_t if_null)
{
    return PQgetisnull(result, row, column) ? if_null : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

bool pg_bool(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] == 't';
}

/* ---- readiness ---- */

enum chat_error pg_ping(struct pg_conn *conn)
{
    conn->looked_at_ms = 0; /* the look is the purpose here */
    struct pg_params none = {0};
    PGresult *result;
    enum chat_error error = pg_exec(conn, PG_PING, &none, &result);
    PQclear(result);
    return error;
}

enum chat_error pg_schema_level(struct pg_conn *conn, char out[PG_SCHEMA_LEVEL_SIZE])
{
    out[0] = '\0';
    struct pg_params none = {0};
    PGresult *result;
    enum chat_error error = pg_exec(conn, PG_SCHEMA_LEVEL, &none, &result);
    if (error == CHAT_OK) snprintf(out, PG_SCHEMA_LEVEL_SIZE, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return error == CHAT_ERR_NOT_FOUND ? CHAT_OK : error;
}
