#include "http/api.h"

#include "metrics/metrics.h"

enum chat_error api_health(struct http_call *call)
{
    struct json_writer json = call_json(call);
    json_begin_object(&json);
    json_field_string(&json, "status", "ok");
    json_end_object(&json);
    return call_send_json(call, 200);
}

static void write_check(struct json_writer *json, const char *name, bool fine, bool *ready)
{
    json_put_key(json, name);
    json_begin_object(json);
    json_field_string(json, "status", fine ? "ok" : "unavailable");
    json_end_object(json);
    *ready = *ready && fine;
}

/* Writes the breaker's state of each model that may be asked. An open breaker is a reason to look, not to take the
 * service out. A model that rests after a 429 is well. Returns whether all are well. */
static bool write_breakers(struct json_writer *json, struct http_call *call)
{
    const char *models[POLICY_MAX_ASKED];
    struct breaker stand[POLICY_MAX_ASKED];
    enum breaker_state worst = BREAKER_CLOSED;
    size_t count = policy_asked(call->ports->policy, models);
    int64_t now_ms = clock_wall_ms(call->ports->clock);
    shared_breaker_look(call->ports->breaker, models, count, stand);
    for (size_t i = 0; i < count; i++) stand[i].state = breaker_state_at(&stand[i], now_ms);
    for (size_t i = 0; i < count; i++)
        if (stand[i].state == BREAKER_OPEN || worst == BREAKER_CLOSED) worst = stand[i].state;
    json_put_key(json, "breaker");
    json_begin_object(json);
    json_field_string(json, "status", worst == BREAKER_CLOSED ? "ok" : breaker_state_name(worst));
    json_put_key(json, "models");
    json_begin_object(json);
    for (size_t i = 0; i < count; i++)
        json_field_string(json, models[i],
                          stand[i].state != BREAKER_CLOSED   ? breaker_state_name(stand[i].state)
                          : breaker_rests(&stand[i], now_ms) ? "resting"
                                                             : "ok");
    json_end_object(json);
    json_end_object(json);
    return worst == BREAKER_CLOSED;
}

/* Writes whether the provider takes our key: "unknown" until somebody has asked it. */
static bool write_provider(struct json_writer *json)
{
    static const char *const words[] = {
        [ACCOUNT_UNKNOWN] = "unknown", [ACCOUNT_FINE] = "ok", [ACCOUNT_REFUSED] = "refused"};
    enum metrics_account stands = metrics_account();
    json_put_key(json, "provider");
    json_begin_object(json);
    json_field_string(json, "status", words[stands]);
    json_end_object(json);
    return stands != ACCOUNT_REFUSED;
}

enum { PARTS_MAX_BYTES = 64 << 10 }; /* a model's name twice, escaped, and some words a model */

enum chat_error api_ready(struct http_call *call)
{
    struct admission *admission = call->ports->admission;
    bool ready = true;
    bool postgres = call->app->check_postgres(call->stores) == CHAT_OK;
    bool migrations = postgres && call->app->check_migrations(call->stores) == CHAT_OK;
    bool redis = admission_ping(admission) == CHAT_OK;
    struct buf parts;
    buf_init(&parts, PARTS_MAX_BYTES);
    struct json_writer checks;
    json_writer_init(&checks, &parts);
    json_begin_object(&checks);
    write_check(&checks, "postgres", postgres, &ready);
    write_check(&checks, "redis", redis, &ready);
    write_check(&checks, "migrations", migrations, &ready);
    write_check(&checks, "draining", !atomic_load(call->app->draining), &ready);
    bool well = write_breakers(&checks, call);
    well = write_provider(&checks) && well;
    json_end_object(&checks);
    if (parts.failed) {
        buf_fini(&parts);
        return CHAT_ERR_INTERNAL;
    }

    struct json_writer json = call_json(call);
    json_begin_object(&json);
    const char *status = !ready ? "unavailable" : well ? "ok" : "degraded";
    json_field_string(&json, "status", status);
    json_put_key(&json, "checks");
    json_put_raw(&json, parts.data, parts.len);
    json_end_object(&json);
    buf_fini(&parts);
    return call_send_json(call, ready ? 200 : 503);
}
