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

bool breaker_allow(struct breaker *self, int64_t now_ms, int64_t *generation, int64_t *retry_after_s)
{
    if (self->state != BREAKER_CLOSED) {
        /* a clock that was set back must not keep it shut */
        int64_t left_ms = self->until_ms - now_ms;
        if (left_ms > 0 && left_ms <= BREAKER_TRIAL_MS) {
            *retry_after_s = (left_ms + 999) / 1000;
            if (*retry_after_s > BREAKER_OPEN_MS / 1000) *retry_after_s = BREAKER_OPEN_MS / 1000;
            return false;
        }
        change(self, BREAKER_HALF_OPEN, now_ms, now_ms + BREAKER_TRIAL_MS);
    }
    *generation = self->generation;
    return true;
}

void breaker_report(struct breaker *self, int64_t now_ms, int64_t generation, enum breaker_outcome outcome)
{
    if (generation != self->generation) return;
    if (self->state == BREAKER_HALF_OPEN) {
        switch (outcome) {
        case BREAKER_SUCCESS: change(self, BREAKER_CLOSED, now_ms, 0); break;
        case BREAKER_FAILURE: change(self, BREAKER_OPEN, now_ms, now_ms + BREAKER_OPEN_MS); break;
        case BREAKER_NEITHER: self->until_ms = now_ms; break; /* the next one is the trial */
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
    snprintf(out, BREAKER_TEXT_SIZE, "%s %d %" PRId64 " %" PRId64, breaker_state_name(self->state), self->failures,
             self->until_ms, self->generation);
}

struct breaker breaker_read(const char *text, size_t len)
{
    struct breaker closed = {.state = BREAKER_CLOSED}, out = closed;
    char copy[BREAKER_TEXT_SIZE], name[16];
    if (len >= sizeof copy) return closed;
    memcpy(copy, text, len);
    copy[len] = 0;
    int end = -1;
    if (sscanf(copy, "%15s %d %" SCNd64 " %" SCNd64 "%n", name, &out.failures, &out.until_ms, &out.generation, &end) !=
            4 ||
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
