#include "fcgi/keeper.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "fcgi/thread.h"
#include "usecases/purge_sessions.h"
#include "usecases/reap_answers.h"
#include "usecases/use_ledger.h"

enum { EACH_MS = 2000 };

struct keeper {
    int stop_fd;
    pthread_t thread;
    struct stores stores;
    struct reaper reaper;
    int64_t purge_at_ms;
    bool postgres_seen, redis_seen, looked;
    atomic_bool over; /* the thread uses the stores no more */
};

static void tell_store(const char *name, bool there, bool *seen, bool first)
{
    if (there == *seen && !first) return;
    if (there)
        log_write(LOG_INFO, "store_reached", LOG_STR("store", name));
    else
        log_write(LOG_WARN, "store_away", LOG_STR("store", name), LOG_STR("hint", "trying again; see /readyz"));
    *seen = there;
}

static void look_at_stores(struct keeper *keeper)
{
    struct stores *stores = &keeper->stores;
    bool first = !keeper->looked;
    tell_store("postgres", stores_check_postgres(stores) == CHAT_OK, &keeper->postgres_seen, first);
    tell_store("redis", stores_check_redis(stores) == CHAT_OK, &keeper->redis_seen, first);
    keeper->looked = true;
}

static void count_use(struct keeper *keeper)
{
    const struct chat_ports *ports = &keeper->stores.ports;
    if (!use_ledger_flush(ports->ledger, ports->usage)) log_write(LOG_DEBUG, "use_not_written_yet");
}

static void look_after_all(struct keeper *keeper)
{
    const struct chat_ports *ports = &keeper->stores.ports;
    look_at_stores(keeper);
    count_use(keeper);
    int64_t now_ms = clock_mono_ms(clock_system());
    if (keeper->redis_seen) reap_answers(ports, &keeper->reaper);
    if (keeper->postgres_seen && now_ms >= keeper->purge_at_ms) keeper->purge_at_ms = now_ms + purge_sessions(ports);
}

static void *keeper_main(void *argument)
{
    struct keeper *keeper = argument;
    struct pollfd stopping = {.fd = keeper->stop_fd, .events = POLLIN};
    pthread_setname_np(pthread_self(), "keeper");
    do look_after_all(keeper);
    while (poll(&stopping, 1, EACH_MS) <= 0);
    atomic_store(&keeper->over, true);
    return NULL;
}

void keeper_count_use(struct keeper *keeper)
{
    if (atomic_load(&keeper->over)) count_use(keeper);
}

struct keeper *keeper_open(const struct keeper_settings *settings)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) return NULL;
    keeper->stop_fd = settings->stop_fd;
    keeper->reaper = (struct reaper){.process_id = settings->process_id, .longest_ms = settings->longest_answer_ms};
    if (stores_open(&keeper->stores, settings->base) && thread_start(&keeper->thread, keeper_main, keeper))
        return keeper;
    keeper_close(keeper);
    return NULL;
}

void keeper_join(struct keeper *keeper)
{
    if (keeper) pthread_join(keeper->thread, NULL);
}

void keeper_close(struct keeper *keeper)
{
    if (!keeper) return;
    stores_close(&keeper->stores);
    free(keeper);
}
