/*
 * What one thread has for itself: a connection to Postgres and one to Redis, and on them the ports of the use cases.
 * The process has once what all of them stand on.
 */
#ifndef FCGI_STORES_H
#define FCGI_STORES_H

#include "fcgi/settings.h"
#include "usecases/ports.h"

struct pg_health;
struct redis_server;
struct local_breaker;

/* The process's. Made before its threads and read by all of them; what it points to guards itself. */
struct stores_base {
    const struct settings *settings; /* borrowed */
    struct provider *provider;       /* borrowed; worker.c sets it before any stores are opened; others leave it NULL */
    struct pg_health *pg_health;
    struct redis_server *redis_server;
    struct local_breaker *local_breaker;
    struct use_ledger *ledger;
};

/* Takes the settings (borrowed until stores_base_close). Connects nowhere. Returns false: no memory, or REDIS_URL is
 * wrong (that is logged); the caller closes it in any case. The first thread. */
bool stores_base_open(struct stores_base *base, const struct settings *settings);
/* After all stores that stand on it. Frees all that open made; fine where open failed, or was never called on a base of
 * zeros. The first thread. */
void stores_base_close(struct stores_base *base);

/* Used by one thread at a time, which is the owner's to see to. ports.answers is NULL, but for the threads that may
 * begin, follow or stop an answer: accept.c sets it for request threads, worker.c for those that make steps. */
struct stores {
    struct chat_ports ports;
    struct pg_conn *pg;
    struct redis_conn *redis;
};

/* Takes a base (borrowed until stores_close). Connects at the first call, not here. Returns false: no memory; the
 * caller closes it in any case. Any thread. */
bool stores_open(struct stores *stores, const struct stores_base *base);
/* Ends both connections. Fine where open failed, or was never called on stores of zeros. Any thread, once nobody uses
 * them. */
void stores_close(struct stores *stores);

/* What is asked of Redis from now on is for another request (redis/conn.h). The stores' thread. */
void stores_new_request(struct stores *stores);
/* Whether Redis answers. CHAT_OK, or why not. The stores' thread. */
enum chat_error stores_check_redis(struct stores *stores);
/* Whether Postgres answers, as struct http_app wants it: takes a struct stores. CHAT_OK, or
 * CHAT_ERR_DATABASE_UNAVAILABLE. The stores' thread. */
enum chat_error stores_check_postgres(void *stores);
/* Whether the schema has what this binary needs; a newer one is fine. Takes and returns as stores_check_postgres. */
enum chat_error stores_check_migrations(void *stores);

#endif
