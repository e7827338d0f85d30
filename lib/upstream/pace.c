#include "upstream/pace.h"

#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"

enum {
    QUIET_MS = 32,   /* text that comes later than this after the last comes after quiet */
    FLOWS_AFTER = 3, /* readings */
    TICK_MS = 4,     /* those that are due within one are read in one turn */
    TURN_MAX = 64,   /* readings a turn, as of events (TURN_MAX_EVENTS) */
    MEASURE_MS = 100,
    UNPACED_ENOUGH = 16, /* readings, to tell what one brings that waits for nothing */
    IDLE_PERMILLE = 100, /* a loop that would be busy for less isn't paced */
    BUSY_PERMILLE = 300, /* for more, as much as may be */
};

int pace_for(int busy_permille, int gathered_percent, int max_ms)
{
    int64_t gathered = gathered_percent > 100 ? gathered_percent : 100;
    int64_t unpaced = busy_permille * gathered / 100; /* without a pace it would be busy for so much */
    if (unpaced <= IDLE_PERMILLE) return 0;
    if (unpaced >= BUSY_PERMILLE) return max_ms;
    return (int)((unpaced - IDLE_PERMILLE) * max_ms / (BUSY_PERMILLE - IDLE_PERMILLE));
}

static void set_pace(struct pace *pace, int pace_ms)
{
    metrics_move(&metrics->gauges.pace_ms, pace_ms - pace->now_ms);
    pace->now_ms = pace_ms;
}

static void measure(struct pace *pace)
{
    int64_t elapsed_ms = pace->loop->now_ms - pace->measured_ms;
    if (elapsed_ms < MEASURE_MS) return;
    int busy_permille = (int)((pace->loop->busy_us - pace->busy_us) / elapsed_ms);
    if (pace->unpaced_reads >= UNPACED_ENOUGH) {
        pace->unpaced_percent = (int)(100LL * pace->unpaced_chunks / pace->unpaced_reads);
        pace->unpaced_reads = pace->unpaced_chunks = 0;
    }
    int64_t percent = 100LL * pace->chunks / pace->reads;
    set_pace(pace, pace_for(busy_permille, (int)(100 * percent / pace->unpaced_percent), pace->max_ms));
    pace->measured_ms = pace->loop->now_ms;
    pace->busy_us = pace->loop->busy_us;
    pace->reads = pace->chunks = 0;
}

/* ---- those that are paced, by when they are due ---- */

static void arm(struct pace *pace)
{
    if (pace->running || !pace->first || pace->timer.slot) return;
    if (!timer_set(&pace->loop->timers, &pace->timer, pace->first->due_ms)) abort();
}

static void append(struct pace *pace, struct paced *paced)
{
    int64_t now_ms = pace->loop->now_ms, due_ms = (now_ms + pace->now_ms) / TICK_MS * TICK_MS;
    if (due_ms <= now_ms) due_ms = now_ms + pace->now_ms; /* a pace of less than a tick */
    /* where the pace has just fallen, not before those of the higher one: the list stays in order */
    paced->due_ms = pace->last && pace->last->due_ms > due_ms ? pace->last->due_ms : due_ms;
    paced->next = NULL;
    paced->previous = pace->last;
    if (pace->last)
        pace->last->next = paced;
    else
        pace->first = paced;
    pace->last = paced;
    paced->on = true;
    arm(pace);
}

void pace_leave(struct pace *pace, struct paced *paced)
{
    if (!paced->on) return;
    if (paced->previous)
        paced->previous->next = paced->next;
    else
        pace->first = paced->next;
    if (paced->next)
        paced->next->previous = paced->previous;
    else
        pace->last = paced->previous;
    paced->next = paced->previous = NULL;
    paced->on = false;
    paced->soon = 0;
}

static bool is_due(const struct pace *pace)
{
    return pace->first && pace->first->due_ms <= pace->loop->now_ms;
}

static void on_timer(void *owner)
{
    struct pace *pace = owner;
    pace->running = true;
    for (int i = 0; i < TURN_MAX && is_due(pace); i++) pace->first->read(pace->first); /* takes it to the end, or out */
    pace->running = false;
    if (!pace->first) set_pace(pace, 0); /* nobody is paced: there is no pace to show */
    if (is_due(pace))
        loop_at_turn_end(pace->loop, LOOP_FREE, &pace->more);
    else
        arm(pace);
}

/* At the turn's end: the timer fires in the next one. */
static void go_on(struct turn_end *item)
{
    arm(LOOP_OWNER(item, struct pace, more));
}

/* ---- a reading ---- */

/* Whether one that waits for events is to be paced. */
static bool flows(const struct pace *pace, const struct paced *paced)
{
    return pace->now_ms > 0 && paced->soon >= FLOWS_AFTER;
}

/* Whether one that is paced is to wait for events again. */
static bool is_quiet(const struct pace *pace, const struct paced *paced, unsigned chunks)
{
    return pace->now_ms == 0 || (!chunks && pace->loop->now_ms - paced->read_ms >= QUIET_MS);
}

static void note(struct pace *pace, struct paced *paced, unsigned chunks)
{
    int64_t now_ms = pace->loop->now_ms;
    if (!chunks) return;
    bool soon = paced->read_ms && now_ms - paced->read_ms < QUIET_MS;
    paced->soon = !soon ? 0 : paced->soon < FLOWS_AFTER ? (unsigned char)(paced->soon + 1) : paced->soon;
    paced->read_ms = now_ms;
    pace->reads++;
    pace->chunks += chunks;
    if (!paced->on) {
        pace->unpaced_reads++;
        pace->unpaced_chunks += chunks;
    }
    measure(pace);
}

bool pace_took(struct pace *pace, struct paced *paced, unsigned chunks)
{
    if (!pace->max_ms) return false;
    note(pace, paced, chunks);
    bool stays = paced->on ? !is_quiet(pace, paced, chunks) : flows(pace, paced);
    unsigned char soon = paced->soon;
    pace_leave(pace, paced);
    if (!stays) return false;
    append(pace, paced);
    paced->soon = soon;
    return true;
}

/* ---- its life ---- */

void pace_open(struct pace *pace, struct loop *loop, int max_ms)
{
    *pace = (struct pace){.loop = loop, .max_ms = max_ms, .measured_ms = loop->now_ms, .unpaced_percent = 100};
    pace->timer = (struct timer){.owner = pace, .fire = on_timer};
    pace->more.run = go_on;
}

void pace_close(struct pace *pace)
{
    set_pace(pace, 0);
    timer_clear(&pace->loop->timers, &pace->timer);
}
