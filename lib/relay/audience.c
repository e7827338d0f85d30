#include "relay/audience.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "relay/patience.h"

enum { PING_MS = 15000 /* of silence */ };

/* A listener in an audience. */
struct attached {
    struct watch watch; /* first: the loop frees all of it, after loop_unwatch */
    struct audience *audience;
    struct answer_listener *listener;
    struct attached *next;
    bool reader;              /* has a reader's place */
    bool blocked;             /* the client is behind: nothing is given until its descriptor is writable */
    bool ended;               /* has got its closing event */
    bool title_due;           /* the title came while it was blocked */
    struct patience patience; /* while blocked */
};

static void sooner(int64_t *at_ms, int64_t candidate_ms)
{
    if (candidate_ms < *at_ms) *at_ms = candidate_ms;
}

static void arm(struct audience *audience)
{
    int64_t at_ms = audience->first && !audience->final ? audience->shown_ms + PING_MS : INT64_MAX;
    for (const struct attached *attached = audience->first; attached; attached = attached->next)
        if (attached->blocked) sooner(&at_ms, patience_next_ms(&attached->patience));
    if (at_ms == INT64_MAX) return;
    if (audience->timer.slot && audience->timer.at_ms <= at_ms) return; /* looked at again when it fires */
    timer_set(&audience->ground->loop.timers, &audience->timer, at_ms);
}

static void let_go(struct attached *attached)
{
    struct audience *audience = attached->audience;
    struct attached **place = &audience->first;
    while (*place != attached) place = &(*place)->next;
    *place = attached->next;
    loop_unwatch(&audience->ground->loop, &attached->watch);
    listener_close(attached->listener);
    attached->listener = NULL;
    if (attached->reader) places_give_reader(&audience->ground->places, audience->user_id);
    if (!audience->first) audience->left(audience);
}

/* Does what the listener's state asks for. false: it was let go. */
static bool settle_state(struct attached *attached, enum listener_state state)
{
    struct loop *loop = &attached->audience->ground->loop;
    if (state == LISTENER_GONE || (state == LISTENER_READY && attached->ended)) {
        let_go(attached);
        return false;
    }
    if (state == LISTENER_BLOCKED && !attached->blocked) {
        patience_begin(&attached->patience, loop->now_ms);
        listener_took(attached->listener);
        attached->blocked = true;
        loop_watch(loop, &attached->watch, EPOLLRDHUP | EPOLLOUT);
        arm(attached->audience);
    } else if (state == LISTENER_READY && attached->blocked) {
        attached->blocked = false;
        loop_watch(loop, &attached->watch, EPOLLRDHUP);
    }
    return true;
}

/* ---- what they are given ---- */

static enum listener_state show_title(struct attached *attached)
{
    struct audience *audience = attached->audience;
    attached->title_due = false;
    return listener_title(attached->listener, audience->title, &audience->ground->scratch);
}

static void pump(struct attached *attached)
{
    const struct audience *audience = attached->audience;
    struct buf *scratch = &audience->ground->scratch;
    struct answer_text text = {audience->reasoning->data, audience->reasoning->len, audience->content->data,
                               audience->content->len};
    if (attached->ended || attached->blocked) return;
    enum listener_state state = LISTENER_READY;
    if (attached->title_due) state = show_title(attached);
    if (state == LISTENER_READY) state = listener_text(attached->listener, &text, scratch);
    if (state == LISTENER_READY && audience->final) {
        attached->ended = true;
        state = listener_end(attached->listener, audience->final, scratch);
    }
    settle_state(attached, state);
}

static void pump_all(struct audience *audience)
{
    struct attached *next;
    for (struct attached *attached = audience->first; attached; attached = next) {
        next = attached->next;
        pump(attached);
    }
}

static void show(struct turn_end *item)
{
    pump_all(LOOP_OWNER(item, struct audience, showing));
}

void audience_show(struct audience *audience)
{
    audience->shown_ms = audience->ground->loop.now_ms;
    loop_at_turn_end(&audience->ground->loop, LOOP_SHOW, &audience->showing);
}

void audience_title(struct audience *audience, const char *title)
{
    struct attached *next;
    audience->title = title;
    for (struct attached *attached = audience->first; attached; attached = next) {
        next = attached->next;
        attached->title_due = !attached->ended;
        if (attached->title_due && !attached->blocked) settle_state(attached, show_title(attached));
    }
}

void audience_tell(struct audience *audience, const struct answer_final *final)
{
    audience->final = final;
    pump_all(audience);
}

/* ---- while nothing comes ---- */

static void ping_all(struct audience *audience)
{
    struct attached *next;
    for (struct attached *attached = audience->first; attached; attached = next) {
        next = attached->next;
        if (attached->blocked) continue;
        settle_state(attached, listener_ping(attached->listener, &audience->ground->scratch));
    }
    audience->shown_ms = audience->ground->loop.now_ms;
}

static void drop_slow(struct audience *audience)
{
    int64_t now_ms = audience->ground->loop.now_ms;
    struct attached *next;
    for (struct attached *attached = audience->first; attached; attached = next) {
        next = attached->next;
        if (!attached->blocked || now_ms < patience_next_ms(&attached->patience)) continue;
        bool took = listener_took(attached->listener);
        if (patience_over(&attached->patience, took, now_ms)) let_go(attached);
    }
}

static void on_timer(void *owner)
{
    struct audience *audience = owner;
    if (!audience->final && audience->ground->loop.now_ms - audience->shown_ms >= PING_MS) ping_all(audience);
    drop_slow(audience);
    arm(audience);
}

/* ---- coming and going ---- */

static void on_listener(struct watch *watch, uint32_t events)
{
    struct attached *attached = (struct attached *)watch;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        let_go(attached);
        return;
    }
    if (!(events & EPOLLOUT)) return;
    enum listener_state state = listener_writable(attached->listener);
    patience_begin(&attached->patience, attached->audience->ground->loop.now_ms);
    if (settle_state(attached, state) && state == LISTENER_READY) pump(attached);
}

void audience_attach(struct audience *audience, struct answer_listener *listener, bool reader)
{
    struct loop *loop = &audience->ground->loop;
    struct attached *attached = must_calloc(1, sizeof *attached);
    attached->watch = (struct watch){.on_event = on_listener, .fd = listener_fd(listener)};
    attached->audience = audience;
    attached->listener = listener;
    attached->reader = reader;
    attached->next = audience->first;
    audience->first = attached;
    if (!attached->next) audience->shown_ms = loop->now_ms; /* others wait for their ping already */
    if (!loop_watch(loop, &attached->watch, EPOLLRDHUP)) {
        let_go(attached);
        return;
    }
    if (settle_state(attached, listener_open(listener, &audience->ground->scratch))) pump(attached);
    arm(audience);
}

void audience_let_all_go(struct audience *audience)
{
    while (audience->first) let_go(audience->first);
}

void audience_init(struct audience *audience)
{
    audience->showing.run = show;
    audience->timer = (struct timer){.owner = audience, .fire = on_timer};
}

void audience_fini(struct audience *audience)
{
    assert(!audience->showing.due);
    timer_clear(&audience->ground->loop.timers, &audience->timer);
}
