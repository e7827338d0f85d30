#include "fcgi/stores.h"

#include <string.h>

#include "base/log.h"
#include "fcgi/migrations.h"
#include "postgres/conn.h"
#include "postgres/message_repo.h"
#include "postgres/session_repo.h"
#include "postgres/usage_repo.h"
#include "redis/admission.h"
#include "redis/answer_log.h"
#include "redis/breaker.h"
#include "redis/conn.h"
#include "redis/idempotency.h"
#include "redis/processes.h"
#include "usecases/use_ledger.h"

/* ---- the process's ---- */

static bool open_redis(struct stores_base *base)
{
    const char *problem;
    base->redis_server = redis_server_open(base->settings->redis_url, REDIS_CALL_MS, &problem);
    if (!base->redis_server)
        log_write(LOG_ERROR, "setting_wrong", LOG_STR("name", "REDIS_URL"), LOG_STR("problem", problem));
    return base->redis_server != NULL;
}

bool stores_base_open(struct stores_base *base, const struct settings *settings)
{
    *base = (struct stores_base){
        .settings = settings,
        .pg_health = pg_health_open(clock_system()),
        .local_breaker = local_breaker_open(),
        .ledger = use_ledger_open(clock_system()),
    };
    if (base->pg_health && !settings->database_prepare) pg_health_dont_prepare(base->pg_health);
    return base->pg_health && base->local_breaker && base->ledger && open_redis(base);
}

void stores_base_close(struct stores_base *base)
{
    if (base->redis_server) redis_server_close(base->redis_server);
    local_breaker_close(base->local_breaker);
    use_ledger_close(base->ledger);
    pg_health_close(base->pg_health);
}

/* ---- a thread's ---- */

bool stores_open(struct stores *stores, const struct stores_base *base)
{
    const struct settings *settings = base->settings;
    const struct clock *clock = clock_system();
    stores->pg = pg_conn_open(settings->database_url, clock, base->pg_health, 0);
    stores->redis = redis_conn_open(base->redis_server);
    if (!stores->pg || !stores->redis) return false;
    stores->ports = (struct chat_ports){
        .policy = &settings->policy,
        .prices = &settings->prices,
        .clock = clock,
        .provider = base->provider,
        .sessions = pg_session_repo_open(stores->pg),
        .messages = pg_message_repo_open(stores->pg),
        .usage = pg_usage_repo_open(stores->pg),
        .ledger = base->ledger,
        .admission = redis_admission_open(stores->redis, &settings->policy, clock, settings->workers),
        .idempotency = redis_idempotency_open(stores->redis, clock),
        .log = redis_answer_log_open(stores->redis),
        .processes = redis_processes_open(stores->redis),
        .breaker = redis_breaker_open(stores->redis, base->local_breaker, clock),
    };
    const struct chat_ports *ports = &stores->ports;
    return ports->sessions && ports->messages && ports->usage && ports->admission && ports->idempotency && ports->log &&
           ports->processes && ports->breaker;
}

void stores_close(struct stores *stores)
{
    struct chat_ports *ports = &stores->ports;
    if (ports->breaker) redis_breaker_close(ports->breaker);
    if (ports->processes) redis_processes_close(ports->processes);
    if (ports->log) redis_answer_log_close(ports->log);
    if (ports->idempotency) redis_idempotency_close(ports->idempotency);
    if (ports->admission) redis_admission_close(ports->admission);
    if (ports->usage) pg_usage_repo_close(ports->usage);
    if (ports->messages) pg_message_repo_close(ports->messages);
    if (ports->sessions) pg_session_repo_close(ports->sessions);
    if (stores->redis) redis_conn_close(stores->redis);
    if (stores->pg) pg_conn_close(stores->pg);
}

/* ---- checks ---- */

void stores_new_request(struct stores *stores)
{
    redis_conn_new_request(stores->redis);
}

enum chat_error stores_check_redis(struct stores *stores)
{
    struct admission *admission = stores->ports.admission;
    return admission_ping(admission);
}

enum chat_error stores_check_postgres(void *stores)
{
    return pg_ping(((struct stores *)stores)->pg);
}

enum chat_error stores_check_migrations(void *stores)
{
    char level[PG_SCHEMA_LEVEL_SIZE];
    enum chat_error error = pg_schema_level(((struct stores *)stores)->pg, level);
    if (error != CHAT_OK) return error;
    /* a newer schema is fine: a running old version survives each step up */
    return strcmp(level, MIGRATION_LEVEL) >= 0 ? CHAT_OK : CHAT_ERR_DATABASE_UNAVAILABLE;
}
