#include "fcgi/upkeep.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/log.h"
#include "fcgi/renewal.h"
#include "usecases/use_ledger.h"

enum {
    ALIVE_MS = 2000,
    MEMORY_LOOK_MS = 500,
    RENEWAL_STEP_MS = 50, /* all leases within a second */
    TRIM_AFTER_STREAMS = 64,
};

struct upkeep {
    struct relay *relay;
    struct stores stores;
    struct renewal renewal;
    int64_t alive_at_ms, memory_at_ms; /* when it is due */
    int live_peak;                     /* most streams at once since memory was last given back */
};

static void say_alive(struct upkeep *upkeep)
{
    struct processes *processes = upkeep->stores.ports.processes;
    bool forgotten;
    if (processes_say_alive(processes, relay_process_id(upkeep->relay), &forgotten) != CHAT_OK)
        log_write(LOG_DEBUG, "alive_not_told");
    if (forgotten) relay_log_forgotten(upkeep->relay);
}

static void take_leases(struct upkeep *upkeep)
{
    struct admission_ticket *tickets = NULL;
    size_t count = relay_tickets(upkeep->relay, &tickets);
    renewal_begin(&upkeep->renewal, tickets, count);
}

static void renew_leases(struct upkeep *upkeep, bool rest)
{
    renewal_step(&upkeep->renewal, upkeep->stores.ports.admission, rest);
}

/* Many streams have ended, and none is live: the allocator keeps their memory until it is told. While streams live,
 * their memory lies scattered between. To give back the rest takes long then, and the loop waits at each malloc. */
static void give_memory_back(struct upkeep *upkeep)
{
    int live = relay_live(upkeep->relay), *peak = &upkeep->live_peak;
    if (live > *peak) *peak = live;
    int ended = *peak - live;
    if (live > 0 || ended < TRIM_AFTER_STREAMS) return;
    *peak = live;
    int64_t began_ms = clock_mono_ms(clock_system());
    malloc_trim(0);
    log_write(LOG_DEBUG, "memory_given_back", LOG_INT("ended", ended),
              LOG_INT("duration_ms", clock_mono_ms(clock_system()) - began_ms));
}

int upkeep_turn(struct upkeep *upkeep)
{
    int64_t now_ms = clock_mono_ms(clock_system());
    if (now_ms >= upkeep->alive_at_ms) {
        upkeep->alive_at_ms = now_ms + ALIVE_MS;
        say_alive(upkeep);
        take_leases(upkeep);
    }
    if (now_ms >= upkeep->memory_at_ms) {
        upkeep->memory_at_ms = now_ms + MEMORY_LOOK_MS;
        give_memory_back(upkeep);
    }
    renew_leases(upkeep, false);
    if (!renewal_is_over(&upkeep->renewal)) return RENEWAL_STEP_MS;
    int64_t next_ms = upkeep->alive_at_ms < upkeep->memory_at_ms ? upkeep->alive_at_ms : upkeep->memory_at_ms;
    int64_t left_ms = next_ms - clock_mono_ms(clock_system());
    return left_ms > 0 ? (int)left_ms : 0;
}

void upkeep_turn_now(struct upkeep *upkeep)
{
    upkeep->alive_at_ms = 0;
    upkeep_turn(upkeep);
    renew_leases(upkeep, true);
}

/* What was gathered last, and where that failed what is left: one batch each. */
void upkeep_count_use(struct upkeep *upkeep)
{
    enum { TRIES = 5, PAUSE_MS = 1000 };
    if (!upkeep) return;
    const struct chat_ports *ports = &upkeep->stores.ports;
    for (int batch = 0; batch < 2; batch++)
        for (int i = 0; !use_ledger_flush(ports->ledger, ports->usage); i++) {
            if (i == TRIES) {
                log_write(LOG_ERROR, "use_not_counted", LOG_STR("hint", "Postgres is away; see completion_ended"));
                return;
            }
            clock_sleep_ms(clock_system(), PAUSE_MS);
        }
}

struct upkeep *upkeep_open(const struct stores_base *base, struct relay *relay)
{
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (!upkeep) return NULL;
    upkeep->relay = relay;
    if (stores_open(&upkeep->stores, base)) return upkeep;
    upkeep_close(upkeep);
    return NULL;
}

void upkeep_close(struct upkeep *upkeep)
{
    if (!upkeep) return;
    renewal_end(&upkeep->renewal);
    stores_close(&upkeep->stores);
    free(upkeep);
}
