#include "domain/breaker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void change(struct breaker *self, enum breaker_state state, int64_t now_ms, int64_t until_ms)
{
    self->state = state;
    self->failures = 0;
    self->until_ms = until_ms;
    self->generation = now_ms > self->generation ? now_ms : self->generation + 1;
}

static int64_t seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

/* A clock that was set back must not keep it shut: what is further away than any end is over. */
static bool is_ahead(int64_t until_ms, int64_t now_ms, int64_t most_ms)
{
    return until_ms > now_ms && until_ms - now_ms <= most_ms;
}

int64_t breaker_rest_s(int64_t told_s)
{
    if (told_s < 1) return 1;
    return told_s < BREAKER_REST_MAX_S ? told_s : BREAKER_REST_MAX_S;
}

bool breaker_rests(const struct breaker *self, int64_t now_ms)
{
    return is_ahead(self->rest_until_ms, now_ms, BREAKER_REST_MAX_S * 1000);
}

bool breaker_at_rest(const struct breaker *self, int64_t now_ms)
{
    return self->state == BREAKER_CLOSED && !self->failures && !self->generation && !breaker_rests(self, now_ms);
}

enum breaker_state breaker_state_at(const struct breaker *self, int64_t now_ms)
{
    const bool over = self->state == BREAKER_OPEN && !is_ahead(self->until_ms, now_ms, BREAKER_TRIAL_MS);
    return over ? BREAKER_HALF_OPEN : self->state;
}

enum breaker_verdict breaker_allow(struct breaker *self, int64_t now_ms, int64_t *generation, int64_t *retry_after_s)
{
    if (self->state != BREAKER_CLOSED && is_ahead(self->until_ms, now_ms, BREAKER_TRIAL_MS)) {
        *retry_after_s = seconds(self->until_ms - now_ms);
        if (*retry_after_s > BREAKER_OPEN_MS / 1000) *retry_after_s = BREAKER_OPEN_MS / 1000;
        return BREAKER_IS_OPEN;
    }
    if (breaker_rests(self, now_ms)) {
        *retry_after_s = seconds(self->rest_until_ms - now_ms);
        return BREAKER_RESTS;
    }
    self->rest_until_ms = 0;
    if (self->state != BREAKER_CLOSED) change(self, BREAKER_HALF_OPEN, now_ms, now_ms + BREAKER_TRIAL_MS);
    *generation = self->generation;
    return BREAKER_ALLOWS;
}

/* Whenever it was let through: the provider has just said so. The later of two ends counts. */
static void rest(struct breaker *self, int64_t now_ms, int64_t rest_s)
{
    int64_t until_ms = now_ms + breaker_rest_s(rest_s) * 1000;
    if (!breaker_rests(self, now_ms) || self->rest_until_ms < until_ms) self->rest_until_ms = until_ms;
}

void breaker_report(struct breaker *self, int64_t now_ms, int64_t generation, enum breaker_outcome outcome,
                    int64_t rest_s)
{
    if (outcome == BREAKER_BUSY) rest(self, now_ms, rest_s);
    if (generation != self->generation) return;
    if (self->state == BREAKER_HALF_OPEN) {
        switch (outcome) {
        case BREAKER_SUCCESS: change(self, BREAKER_CLOSED, now_ms, 0); break;
        case BREAKER_FAILURE: change(self, BREAKER_OPEN, now_ms, now_ms + BREAKER_OPEN_MS); break;
        case BREAKER_NEITHER:
        case BREAKER_BUSY: self->until_ms = now_ms; break; /* the next one is the trial */
        }
        return;
    }
    if (outcome == BREAKER_SUCCESS) self->failures = 0;
    if (outcome == BREAKER_FAILURE && ++self->failures >= BREAKER_FAILURES)
        change(self, BREAKER_OPEN, now_ms, now_ms + BREAKER_OPEN_MS);
}

const char *breaker_state_name(enum breaker_state state)
{
    switch (state) {
    case BREAKER_OPEN: return "open";
    case BREAKER_HALF_OPEN: return "half_open";
    case BREAKER_CLOSED: break;
    }
    return "closed";
}

void breaker_write(const struct breaker *self, char out[BREAKER_TEXT_SIZE])
{
    snprintf(out, BREAKER_TEXT_SIZE, "%s %d %" PRId64 " %" PRId64 " %" PRId64, breaker_state_name(self->state),
             self->failures, self->until_ms, self->generation, self->rest_until_ms);
}

struct breaker breaker_read(const char *text, size_t len)
{
    struct breaker closed = {.state = BREAKER_CLOSED}, out = closed;
    char copy[BREAKER_TEXT_SIZE], name[16];
    if (len >= sizeof copy) return closed;
    memcpy(copy, text, len);
    copy[len] = 0;
    int end = -1;
    if (sscanf(copy, "%15s %d %" SCNd64 " %" SCNd64 " %" SCNd64 "%n", name, &out.failures, &out.until_ms,
               &out.generation, &out.rest_until_ms, &end) != 5 ||
        copy[end])
        return closed;
    if (out.failures < 0 || out.failures >= BREAKER_FAILURES) return closed;
    if (strcmp(name, "open") == 0)
        out.state = BREAKER_OPEN;
    else if (strcmp(name, "half_open") == 0)
        out.state = BREAKER_HALF_OPEN;
    else if (strcmp(name, "closed") != 0)
        return closed;
    return out;
}
