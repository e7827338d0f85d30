#include "http/api.h"

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

enum chat_error api_ready(struct http_call *call)
{
    struct admission *admission = call->ports->admission;
    bool ready = true;
    bool postgres = call->app->check_postgres(call->stores) == CHAT_OK;
    bool migrations = postgres && call->app->check_migrations(call->stores) == CHAT_OK;
    bool redis = admission->ops->ping(admission) == CHAT_OK;
    enum breaker_state breaker = call->ports->breaker->ops->state(call->ports->breaker);
    struct buf parts;
    buf_init(&parts, 4096);
    struct json_writer checks;
    json_writer_init(&checks, &parts);
    json_begin_object(&checks);
    write_check(&checks, "postgres", postgres, &ready);
    write_check(&checks, "redis", redis, &ready);
    write_check(&checks, "migrations", migrations, &ready);
    write_check(&checks, "draining", !atomic_load(call->app->draining), &ready);
    json_put_key(&checks, "breaker");
    json_begin_object(&checks);
    json_field_string(&checks, "status", breaker == BREAKER_CLOSED ? "ok" : breaker_state_name(breaker));
    json_end_object(&checks);
    json_end_object(&checks);

    struct json_writer json = call_json(call);
    json_begin_object(&json);
    const char *status = !ready ? "unavailable" : breaker == BREAKER_CLOSED ? "ok" : "degraded";
    json_field_string(&json, "status", status);
    json_put_key(&json, "checks");
    json_put_raw(&json, parts.data, parts.len);
    json_end_object(&json);
    buf_fini(&parts);
    return call_send_json(call, ready ? 200 : 503);
}
