/* The relay's one thread: what it waits for, and the order of a turn. */
#include "relay/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
    LOOP_STACK_BYTES = 512 << 10,
    SCRATCH_MAX_BYTES = 16 << 20,
    SETTLE_AFTER_DRAIN_MS = 5000,
    PATIENCE_MS = 30000,
    PATIENCE_LOOK_MS = 5000,
};

/* ---- other threads: the inbox ---- */

void loop_post(struct relay *relay, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&relay->lock);
    bool was_empty = !relay->inbox_first;
    if (relay->inbox_last)
        relay->inbox_last->next = task;
    else
        relay->inbox_first = task;
    relay->inbox_last = task;
    pthread_mutex_unlock(&relay->lock);
    if (was_empty) {
        uint64_t one = 1;
        while (write(relay->wake.fd, &one, sizeof one) < 0 && errno == EINTR) {}
    }
}

static struct task *task_new(enum task_kind kind)
{
    struct task *task = calloc(1, sizeof *task);
    if (!task) abort();
    task->kind = kind;
    return task;
}

static enum chat_error port_reserve(struct answers *self)
{
    struct relay *relay = (struct relay *)self;
    if (atomic_load(&relay->draining)) return CHAT_ERR_SHUTTING_DOWN;
    if (atomic_fetch_add(&relay->places, 1) < relay->settings.max_streams) return CHAT_OK;
    atomic_fetch_sub(&relay->places, 1);
    return CHAT_ERR_OVERLOADED;
}

void loop_give_place(struct relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    atomic_fetch_sub(&relay->places, 1);
    pthread_cond_broadcast(&relay->idle);
    pthread_mutex_unlock(&relay->lock);
}

static void port_unreserve(struct answers *self)
{
    loop_give_place((struct relay *)self);
}

static enum chat_error port_reserve_reader(struct answers *self, const char *user_id)
{
    return readers_take((struct relay *)self, user_id);
}

static void port_unreserve_reader(struct answers *self, const char *user_id)
{
    readers_give((struct relay *)self, user_id);
}

static void port_step(struct answers *self, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    struct relay *relay = (struct relay *)self;
    struct task *task = task_new(TASK_STEP);
    task->visit = steps_new(relay, user_id, reply, wait_ms);
    loop_post(relay, task);
}

static enum chat_error port_reserve_long(struct answers *self, const char *user_id)
{
    return readers_take_long((struct relay *)self, user_id);
}

static void port_unreserve_long(struct answers *self, const char *user_id)
{
    readers_give_long((struct relay *)self, user_id);
}

static void port_start(struct answers *self, const struct answer_spec *spec, struct answer_listener *listener)
{
    struct relay *relay = (struct relay *)self;
    struct task *task = task_new(TASK_START);
    task->live = live_new(relay, spec);
    task->listener = listener;
    loop_post(relay, task);
    title_start(relay, spec);
}

static void port_complete(struct answers *self, const struct completion_spec *spec, struct completion_client *client)
{
    struct relay *relay = (struct relay *)self;
    struct task *task = task_new(TASK_PASS);
    task->pass = pass_new(relay, spec, client);
    loop_post(relay, task);
}

void loop_post_title(struct relay *relay, const char *answer_id, const char *title)
{
    struct task *task = task_new(TASK_TITLE);
    memcpy(task->answer_id, answer_id, UUID_TEXT_SIZE);
    task->title = strdup(title);
    if (!task->title) abort();
    loop_post(relay, task);
}

void loop_post_changed(struct relay *relay, struct change_job *change)
{
    struct task *task = task_new(TASK_CHANGED);
    task->change = change;
    loop_post(relay, task);
}

static struct waiter *waiter_new(void)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter) abort();
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->done_changed, NULL);
    waiter->references = 2; /* who waits, and the loop */
    return waiter;
}

static void waiter_release(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    bool last = --waiter->references == 0;
    pthread_mutex_unlock(&waiter->lock);
    if (!last) return;
    pthread_cond_destroy(&waiter->done_changed);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter);
}

/* The loop's word; releases it. */
static void waiter_finish(struct waiter *waiter, bool found)
{
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->found = found;
    pthread_cond_signal(&waiter->done_changed);
    pthread_mutex_unlock(&waiter->lock);
    waiter_release(waiter);
}

static bool waiter_wait(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->done) pthread_cond_wait(&waiter->done_changed, &waiter->lock);
    bool found = waiter->found;
    pthread_mutex_unlock(&waiter->lock);
    waiter_release(waiter);
    return found;
}

static void port_attach(struct answers *self, const struct answer_attach *attach, struct answer_listener *listener)
{
    struct relay *relay = (struct relay *)self;
    struct task *task = task_new(TASK_ATTACH);
    task->live = mirror_new(relay, attach);
    task->listener = listener;
    loop_post(relay, task);
}

static enum answer_stop_result port_stop(struct answers *self, const char *answer_id)
{
    struct relay *relay = (struct relay *)self;
    struct task *task = task_new(TASK_STOP);
    struct waiter *waiter = waiter_new();
    task->waiter = waiter;
    memcpy(task->answer_id, answer_id, UUID_TEXT_SIZE);
    loop_post(relay, task);
    return waiter_wait(waiter) ? STOP_REQUESTED : STOP_NOT_HERE;
}

static const struct answers_ops relay_port = {
    .reserve = port_reserve,
    .unreserve = port_unreserve,
    .reserve_reader = port_reserve_reader,
    .unreserve_reader = port_unreserve_reader,
    .reserve_long = port_reserve_long,
    .unreserve_long = port_unreserve_long,
    .start = port_start,
    .attach = port_attach,
    .step = port_step,
    .complete = port_complete,
    .stop = port_stop,
};

/* ---- the loop thread ---- */

bool loop_watch(struct relay *relay, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (watch->events == events) return true;
    int op = watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(relay->epoll_fd, op, watch->fd, &event) < 0) return false;
    watch->events = events;
    return true;
}

void loop_rest(struct relay *relay, struct watch *watch)
{
    if (watch->events) epoll_ctl(relay->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->events = 0;
}

void loop_unwatch(struct relay *relay, struct watch *watch)
{
    if (watch->dead) return;
    if (watch->events) epoll_ctl(relay->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->dead = true;
    watch->next_dead = relay->dead_watches;
    relay->dead_watches = watch;
}

void patience_begin(struct patience *patience, int64_t now_ms)
{
    *patience = (struct patience){.since_ms = now_ms, .looked_ms = now_ms};
}

int64_t patience_next_ms(const struct patience *patience)
{
    return patience->looked_ms + PATIENCE_LOOK_MS;
}

bool patience_over(struct patience *patience, bool took, int64_t now_ms)
{
    if (took) patience->since_ms = now_ms;
    patience->looked_ms = now_ms;
    return now_ms - patience->since_ms >= PATIENCE_MS;
}

void loop_mark_dirty(struct live *live)
{
    if (live->dirty) return;
    live->dirty = true;
    live->dirty_next = live->relay->dirty_first;
    live->relay->dirty_first = live;
}

static void copy_tickets(const struct relay *relay, struct ticket_list *out)
{
    size_t count = 0;
    for (const struct live *live = relay->lives; live; live = live->next) count++;
    const struct pass *at = NULL;
    while (pass_ticket(relay, &at)) count++;
    out->items = calloc(count ? count : 1, sizeof *out->items);
    if (!out->items) return;
    for (const struct live *live = relay->lives; live; live = live->next)
        if (!live->mirror && live->ticket.leased) out->items[out->count++] = live->ticket;
    const struct admission_ticket *ticket;
    while ((ticket = pass_ticket(relay, &at))) out->items[out->count++] = *ticket;
}

/* To the answer itself, or to its mirror, which may be there already; a replay is its reader's own. */
static void attach(struct relay *relay, struct task *task)
{
    struct live *live = task->live->replay ? NULL : live_find(relay, task->live->message.id);
    if (live) {
        task->live->next = relay->buried; /* not needed */
        relay->buried = task->live;
    } else {
        live = task->live;
        live_link(live);
        live->started_ms = live->shown_ms = relay->now_ms;
    }
    live_attach(live, task->listener, true);
    if (relay->shut && live->mirror) live_let_all_go(live); /* handed on by a step that was under way */
}

/* Mirrors say nothing at a shut-down: their answers go on elsewhere, and clients come again. */
static void shut_down(struct relay *relay)
{
    struct live *next;
    relay->shut = true;
    for (struct live *live = relay->lives; live; live = next) {
        next = live->next;
        if (live->mirror)
            live_let_all_go(live);
        else
            live_end(live, ANSWER_LOST, CHAT_ERR_SHUTTING_DOWN);
    }
    while (relay->replays) live_let_all_go(relay->replays);
    steps_shut_down(relay);
    pass_shut_down(relay);
}

static void run_task(struct relay *relay, struct task *task)
{
    struct live *live;
    switch (task->kind) {
    case TASK_START:
        live_start(task->live);
        live_attach(task->live, task->listener, false);
        break;
    case TASK_PASS: pass_start(task->pass); break;
    case TASK_PASS_SETTLED: pass_settled(task->pass); break;
    case TASK_ATTACH: attach(relay, task); break;
    case TASK_STOP:
        live = live_find(relay, task->answer_id);
        if (live && live->mirror) live = NULL;
        waiter_finish(task->waiter, live != NULL);
        if (live) live_end(live, ANSWER_STOPPED, CHAT_OK);
        break;
    case TASK_STEP: steps_begin(task->visit); break;
    case TASK_STEPPED: steps_stepped(task->visit); break;
    case TASK_FINISHED: live_finished(task->live); break;
    case TASK_LOADED: mirror_loaded(task->live); break;
    case TASK_BEAT: beat_over(relay, task->beat); break;
    case TASK_TITLE:
        title_written(relay, task->answer_id, task->title);
        free(task->title);
        break;
    case TASK_CHANGED: upstream_changed(relay, task->change); break;
    case TASK_TICKETS:
        copy_tickets(relay, task->tickets);
        waiter_finish(task->waiter, true);
        break;
    case TASK_LOG_FORGOTTEN: beat_write_all_anew(relay); break;
    case TASK_SHUT_DOWN: shut_down(relay); break;
    case TASK_QUIT: relay->quit = true; break;
    }
    free(task);
}

static void run_inbox(struct relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    struct task *task = relay->inbox_first;
    relay->inbox_first = relay->inbox_last = NULL;
    pthread_mutex_unlock(&relay->lock);
    while (task) {
        struct task *next = task->next;
        run_task(relay, task);
        task = next;
    }
}

static void run_event(struct relay *relay, const struct epoll_event *event)
{
    struct watch *watch = event->data.ptr;
    if (watch->dead) return;
    switch (watch->kind) {
    case WATCH_WAKE: run_inbox(relay); break;
    case WATCH_CURL: pools_socket_event(watch, event->events); break;
    case WATCH_LISTENER: live_listener_event((struct attached *)watch, event->events); break;
    case WATCH_CLIENT: pass_client_event(watch, event->events); break;
    case WATCH_VISIT: steps_event(watch, event->events); break;
    }
}

static int wait_ms(const struct relay *relay)
{
    int64_t wait = timers_wait_ms(&relay->timers, relay->now_ms);
    if (relay->curl_at_ms >= 0) {
        int64_t curl_wait = relay->curl_at_ms > relay->now_ms ? relay->curl_at_ms - relay->now_ms : 0;
        if (wait < 0 || curl_wait < wait) wait = curl_wait;
    }
    if (relay->beat_at_ms >= 0) {
        int64_t beat_wait = relay->beat_at_ms > relay->now_ms ? relay->beat_at_ms - relay->now_ms : 0;
        if (wait < 0 || beat_wait < wait) wait = beat_wait;
    }
    return wait > 60000 ? 60000 : (int)wait;
}

/* What is free to go when nothing of this turn can point to it any more. */
static void bury(struct relay *relay)
{
    pass_bury(relay);
    struct watch *watch = relay->dead_watches;
    relay->dead_watches = NULL;
    while (watch) {
        struct watch *next = watch->next_dead;
        free(watch);
        watch = next;
    }
    struct live *live = relay->buried;
    relay->buried = NULL;
    while (live) {
        struct live *next = live->next;
        if (!live->mirror) loop_give_place(relay);
        live_free(live);
        live = next;
    }
}

static void turn(struct relay *relay)
{
    struct epoll_event *events = relay->events;
    int count = epoll_wait(relay->epoll_fd, events, TURN_MAX_EVENTS, wait_ms(relay));
    relay->now_ms = clock_mono_ms(relay->settings.clock);
    for (int i = 0; i < count; i++) run_event(relay, &events[i]);
    pools_timer(relay);
    struct timer *due;
    while ((due = timers_take_due(&relay->timers, relay->now_ms))) due->fire(due->owner);
    while (relay->dirty_first) {
        struct live *live = relay->dirty_first;
        relay->dirty_first = live->dirty_next;
        live->dirty = false;
        live_pump(live);
    }
    pass_end_broken(relay);
    beat_due(relay);
    pools_tidy(relay);
    bury(relay);
}

static void *loop_main(void *argument)
{
    struct relay *relay = argument;
    pthread_setname_np(pthread_self(), "loop");
    warm_start(relay);
    while (!relay->quit) turn(relay);
    warm_stop(relay);
    return NULL;
}

static void relay_free(struct relay *relay)
{
    upstream_fini(relay);
    bury(relay);
    beat_free(relay->beat);
    while (relay->ended_ids) {
        struct ended_id *ended = relay->ended_ids;
        relay->ended_ids = ended->next;
        free(ended);
    }
    timers_fini(&relay->timers);
    buf_fini(&relay->scratch);
    buf_fini(&relay->shown);
    if (relay->epoll_fd >= 0) close(relay->epoll_fd);
    if (relay->wake.fd >= 0) close(relay->wake.fd);
    pthread_cond_destroy(&relay->idle);
    pthread_mutex_destroy(&relay->lock);
    free(relay);
}

static bool start_thread(struct relay *relay)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, LOOP_STACK_BYTES);
    bool started = pthread_create(&relay->thread, &attributes, loop_main, relay) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

struct relay *relay_open(const struct relay_settings *settings, struct job_pool *jobs)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay) return NULL;
    relay->answers.ops = &relay_port;
    relay->settings = *settings;
    relay->jobs = jobs;
    relay->curl_at_ms = relay->beat_at_ms = -1;
    uuid_v7(clock_wall_ms(settings->clock), relay->process_id);
    relay->now_ms = clock_mono_ms(settings->clock);
    buf_init(&relay->scratch, SCRATCH_MAX_BYTES);
    buf_init(&relay->shown, SCRATCH_MAX_BYTES);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    relay->wake = (struct watch){.kind = WATCH_WAKE, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (relay->epoll_fd >= 0 && relay->wake.fd >= 0 && loop_watch(relay, &relay->wake, EPOLLIN | EPOLLET) &&
        upstream_init(relay) && start_thread(relay))
        return relay;
    relay_free(relay);
    return NULL;
}

struct answers *relay_answers(struct relay *relay)
{
    return &relay->answers;
}

const char *relay_process_id(const struct relay *relay)
{
    return relay->process_id;
}

int relay_live(const struct relay *relay)
{
    return atomic_load(&relay->places) + atomic_load(&relay->readers);
}

void relay_log_forgotten(struct relay *relay)
{
    loop_post(relay, task_new(TASK_LOG_FORGOTTEN));
}

/* Until no place is taken, at most timeout_ms. */
static bool wait_idle(struct relay *relay, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    pthread_mutex_lock(&relay->lock);
    int waited = 0;
    while (relay_live(relay) > 0 && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&relay->idle, &relay->lock, &until);
    bool idle = relay_live(relay) == 0;
    pthread_mutex_unlock(&relay->lock);
    return idle;
}

void relay_refuse(struct relay *relay)
{
    atomic_store(&relay->draining, true);
}

void relay_drain(struct relay *relay)
{
    relay_refuse(relay);
    if (relay_live(relay) == 0) return;
    log_write(LOG_WARN, "answers_cut_off", LOG_INT("live", relay_live(relay)));
    loop_post(relay, task_new(TASK_SHUT_DOWN));
    if (!wait_idle(relay, SETTLE_AFTER_DRAIN_MS))
        log_write(LOG_ERROR, "drain_incomplete", LOG_INT("live", relay_live(relay)));
}

size_t relay_tickets(struct relay *relay, struct admission_ticket **out)
{
    struct ticket_list list = {0};
    struct task *task = task_new(TASK_TICKETS);
    struct waiter *waiter = waiter_new();
    task->waiter = waiter;
    task->tickets = &list;
    loop_post(relay, task);
    waiter_wait(waiter);
    *out = list.items;
    return list.count;
}

void relay_close(struct relay *relay)
{
    if (!relay) return;
    if (relay->settings.titles) job_pool_stop(relay->settings.titles);
    if (relay->settings.log_jobs) job_pool_stop(relay->settings.log_jobs);
    if (relay->settings.step_jobs) job_pool_stop(relay->settings.step_jobs);
    job_pool_stop(relay->jobs);
    loop_post(relay, task_new(TASK_QUIT));
    pthread_join(relay->thread, NULL);
    steps_free(relay);
    pass_close_left(relay);
    struct live **left[] = {&relay->lives, &relay->replays}; /* only where the drain was incomplete */
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        while (*left[i]) {
            struct live *live = *left[i];
            *left[i] = live->next;
            live_free(live);
        }
    relay_free(relay);
}
