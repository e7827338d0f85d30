#include "usecases/purge_sessions.h"

#include "base/log.h"

enum { DAY_MS = 24 * 3600 * 1000 };

int64_t purge_sessions(const struct chat_ports *ports)
{
    int64_t before_ms = clock_wall_ms(ports->clock) - (int64_t)ports->policy->retention_days * DAY_MS;
    int purged = 0;
    enum chat_error error = session_repo_purge(ports->sessions, before_ms, PURGE_BATCH, &purged);
    if (error != CHAT_OK) {
        log_write(LOG_WARN, "purge_failed", LOG_STR("code", error_code(error)));
        return PURGE_PAUSE_MS;
    }
    if (purged) log_write(LOG_INFO, "sessions_purged", LOG_INT("count", purged));
    return purged < PURGE_BATCH ? PURGE_PAUSE_MS : 0;
}
