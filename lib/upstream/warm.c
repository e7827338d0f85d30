/*
 * One connection to the provider that is open before anybody asks: name looked up, TLS agreed on. `GET …/models` opens
 * it when the process starts and again in quiet times, before either side would close it; after a quarter of an hour
 * without a question it is left to close. A provider that is away is asked less and less often.
 */
#include "upstream/warm.h"

#include <stdlib.h>

#include "base/log.h"
#include "upstream/transfer.h"
#include "upstream/upstream.h"

enum {
    QUIET_MS = 60000,     /* common servers close an idle connection after 75 s, connections.c after 110 s */
    KEPT_FOR_MS = 900000, /* since the last question */
    RETRY_MIN_MS = 5000,  /* doubled each time */
    RETRY_MAX_MS = 600000,
    REFUSED_MAX_MS = 60000, /* the same while it is there, but refuses the key */
    TIMEOUT_MS = 10000,
    BODY_MAX_BYTES = 1 << 20, /* of the list of models; more isn't read, and the connection isn't kept then */
};

struct warm {
    struct upstream *upstream;
    struct timer timer;
    struct transfer transfer;
    size_t body_len;
    int64_t began_ms; /* this try */
    int64_t asked_ms; /* last question of a user, or the start */
    int64_t retry_ms;
    bool stopped; /* it stays until upstream_close: something of this turn may still point to it */
};

static enum piece on_body(void *owner, const char *bytes, size_t len)
{
    struct warm *warm = owner;
    (void)bytes;
    warm->body_len += len;
    return warm->body_len <= BODY_MAX_BYTES ? PIECE_TAKEN : PIECE_ENOUGH;
}

/* For the connection any answer will do. One that refuses the key is asked for again as one that is away: nobody need
 * send a question for it to be known that it takes the key again. */
static void end_with(struct warm *warm, CURLcode result)
{
    struct loop *loop = warm->upstream->settings.loop;
    bool refused = transfer_looked_at(&warm->transfer);
    timer_clear(&loop->timers, &warm->timer);
    transfer_close(&warm->transfer);
    if (result == CURLE_OK && refused) {
        timer_set(&loop->timers, &warm->timer, loop->now_ms + warm->retry_ms);
        warm->retry_ms = warm->retry_ms * 2 < REFUSED_MAX_MS ? warm->retry_ms * 2 : REFUSED_MAX_MS;
        return;
    }
    if (result == CURLE_OK) {
        warm->retry_ms = RETRY_MIN_MS;
        log_write(LOG_DEBUG, "provider_reached", LOG_INT("duration_ms", loop->now_ms - warm->began_ms));
        /* else the next question sets it */
        if (loop->now_ms + QUIET_MS < warm->asked_ms + KEPT_FOR_MS)
            timer_set(&loop->timers, &warm->timer, loop->now_ms + QUIET_MS);
        return;
    }
    log_write(LOG_WARN, "provider_not_reached", LOG_INT("curl", result), LOG_STR("reason", curl_easy_strerror(result)),
              LOG_INT("next_try_ms", warm->retry_ms));
    timer_set(&loop->timers, &warm->timer, loop->now_ms + warm->retry_ms);
    warm->retry_ms = warm->retry_ms * 2 < RETRY_MAX_MS ? warm->retry_ms * 2 : RETRY_MAX_MS;
}

static void on_over(void *owner)
{
    struct warm *warm = owner;
    end_with(warm, warm->transfer.result);
}

static void ask(struct warm *warm)
{
    static const struct trace none;
    struct upstream *upstream = warm->upstream;
    struct loop *loop = upstream->settings.loop;
    const struct transfer_spec spec = {.method = "GET",
                                       .target = upstream->models_target,
                                       .trace = &none,
                                       .owner = warm,
                                       .on_body = on_body,
                                       .on_over = on_over};
    warm->body_len = 0;
    warm->began_ms = loop->now_ms;
    bool asked = transfer_ask(upstream, &warm->transfer, &spec);
    timer_set(&loop->timers, &warm->timer, loop->now_ms + (asked ? TIMEOUT_MS : RETRY_MAX_MS));
}

static void on_timer(void *owner)
{
    struct warm *warm = owner;
    if (warm->transfer.phase == TRANSFER_CLOSED)
        ask(warm);
    else
        end_with(warm, CURLE_OPERATION_TIMEDOUT);
}

void upstream_warm_start(struct upstream *upstream)
{
    struct warm *warm = calloc(1, sizeof *warm);
    if (!warm) return;
    *warm = (struct warm){.upstream = upstream, .asked_ms = upstream->settings.loop->now_ms, .retry_ms = RETRY_MIN_MS};
    warm->timer = (struct timer){.owner = warm, .fire = on_timer};
    upstream->warm = warm;
    ask(warm);
}

void warm_asked(struct upstream *upstream)
{
    struct warm *warm = upstream->warm;
    struct loop *loop = upstream->settings.loop;
    if (!warm || warm->stopped) return;
    warm->asked_ms = loop->now_ms;
    if (warm->transfer.phase == TRANSFER_CLOSED) timer_set(&loop->timers, &warm->timer, loop->now_ms + QUIET_MS);
}

void upstream_warm_stop(struct upstream *upstream)
{
    struct warm *warm = upstream->warm;
    if (!warm) return;
    transfer_close(&warm->transfer);
    timer_clear(&upstream->settings.loop->timers, &warm->timer);
    warm->stopped = true;
}
