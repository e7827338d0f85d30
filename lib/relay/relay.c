/* The relay as others see it: the port of the use cases, and its beginning and end. */
#include "relay/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"

enum {
    SCRATCH_MAX_BYTES = 16 << 20,
    SETTLE_AFTER_DRAIN_MS = 5000,
};

static struct relay *relay_at(struct answers *self)
{
    return (struct relay *)self;
}

static enum chat_error port_reserve(struct answers *self)
{
    return places_take(&relay_at(self)->ground.places);
}

static void port_unreserve(struct answers *self)
{
    places_give(&relay_at(self)->ground.places);
}

static enum chat_error port_reserve_reader(struct answers *self, const char *user_id)
{
    return places_take_reader(&relay_at(self)->ground.places, user_id);
}

static void port_unreserve_reader(struct answers *self, const char *user_id)
{
    places_give_reader(&relay_at(self)->ground.places, user_id);
}

static void port_step(struct answers *self, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    steps_begin(&relay_at(self)->steps, user_id, reply, wait_ms);
}

static enum chat_error port_reserve_long(struct answers *self, const char *user_id)
{
    return places_take_long(&relay_at(self)->ground.places, user_id);
}

static void port_unreserve_long(struct answers *self, const char *user_id)
{
    places_give_long(&relay_at(self)->ground.places, user_id);
}

static void start(struct post *post)
{
    struct live *live = LOOP_OWNER(post, struct live, post);
    live_start(live);
    live_attach(live, live->came, false);
}

static void port_start(struct answers *self, const struct answer_spec *spec, struct answer_listener *listener)
{
    struct relay *relay = relay_at(self);
    struct live *live = live_new(relay, spec);
    live->came = listener;
    live->post.run = start;
    loop_post(&relay->ground.loop, &live->post);
    title_start(relay, spec);
}

static void port_complete(struct answers *self, const struct completion_spec *spec, struct completion_client *client)
{
    completion_begin(&relay_at(self)->completions, spec, client);
}

/* To the answer itself, or to its mirror, which may be there already; a replay is its reader's own. */
static void attach(struct post *post)
{
    struct live *came = LOOP_OWNER(post, struct live, post);
    struct relay *relay = came->relay;
    struct live *live = came->replay ? NULL : live_find(relay, came->message.id);
    if (live)
        loop_at_turn_end(&relay->ground.loop, LOOP_FREE, &came->burial); /* not needed */
    else {
        live = came;
        live_link(live);
        live->started_ms = live->shown_ms = relay->ground.loop.now_ms;
    }
    live_attach(live, came->came, true);
    if (relay->shut && live->mirror) live_let_all_go(live); /* handed on by a step that was under way */
}

static void port_attach(struct answers *self, const struct answer_attach *how, struct answer_listener *listener)
{
    struct relay *relay = relay_at(self);
    struct live *live = mirror_new(relay, how);
    live->came = listener;
    live->post.run = attach;
    loop_post(&relay->ground.loop, &live->post);
}

/* On the stack of the thread that calls the loop. */
struct stop_call {
    struct post post;
    struct relay *relay;
    const char *answer_id;
    bool found;
};

static void stop(struct post *post)
{
    struct stop_call *call = LOOP_OWNER(post, struct stop_call, post);
    struct live *live = live_find(call->relay, call->answer_id);
    call->found = live && !live->mirror;
    if (call->found) live_end(live, ANSWER_STOPPED, CHAT_OK);
}

static enum answer_stop_result port_stop(struct answers *self, const char *answer_id)
{
    struct relay *relay = relay_at(self);
    struct stop_call call = {.post.run = stop, .relay = relay, .answer_id = answer_id};
    loop_call(&relay->ground.loop, &call.post);
    return call.found ? STOP_REQUESTED : STOP_NOT_HERE;
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

/* ---- what others ask the loop for, and wait ---- */

/* On the stack of the thread that calls the loop. */
struct relay_call {
    struct post post;
    struct relay *relay;
};

static void call_loop(struct relay *relay, void (*run)(struct post *))
{
    struct relay_call call = {.post.run = run, .relay = relay};
    loop_call(&relay->ground.loop, &call.post);
}

static struct relay *relay_of(struct post *post)
{
    return LOOP_OWNER(post, struct relay_call, post)->relay;
}

struct tickets_call {
    struct post post;
    const struct relay *relay;
    struct admission_ticket *items; /* malloc'ed */
    size_t count;
};

static void copy_tickets(struct post *post)
{
    struct tickets_call *out = LOOP_OWNER(post, struct tickets_call, post);
    const struct relay *relay = out->relay;
    size_t count = 0;
    for (const struct live *live = relay->lives; live; live = live->next) count++;
    const struct completion *at = NULL;
    while (completions_ticket(&relay->completions, &at)) count++;
    out->items = calloc(count ? count : 1, sizeof *out->items);
    if (!out->items) return;
    for (const struct live *live = relay->lives; live; live = live->next)
        if (!live->mirror && live->ticket.leased) out->items[out->count++] = live->ticket;
    const struct admission_ticket *ticket;
    while ((ticket = completions_ticket(&relay->completions, &at))) out->items[out->count++] = *ticket;
}

size_t relay_tickets(struct relay *relay, struct admission_ticket **out)
{
    struct tickets_call call = {.post.run = copy_tickets, .relay = relay};
    loop_call(&relay->ground.loop, &call.post);
    *out = call.items;
    return call.count;
}

static void forget_log(struct post *post)
{
    beat_write_all_anew(relay_of(post));
}

void relay_log_forgotten(struct relay *relay)
{
    call_loop(relay, forget_log);
}

/* Mirrors say nothing at a shut-down: their answers go on elsewhere, and clients come again. */
static void shut_down(struct post *post)
{
    struct relay *relay = relay_of(post);
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
    steps_shut_down(&relay->steps);
    completions_shut_down(&relay->completions);
}

/* ---- its life ---- */

static void begin_warm(struct post *post)
{
    upstream_warm_start(relay_of(post)->ground.upstream);
}

static void end_warm(struct post *post)
{
    upstream_warm_stop(relay_of(post)->ground.upstream);
}

static void relay_free(struct relay *relay)
{
    upstream_close(relay->ground.upstream);
    beat_free(relay->beat);
    while (relay->ended_ids) {
        struct ended_id *ended = relay->ended_ids;
        relay->ended_ids = ended->next;
        free(ended);
    }
    buf_fini(&relay->ground.scratch);
    loop_close(&relay->ground.loop);
    places_close(&relay->ground.places);
    free(relay);
}

static void count_jobs(int by)
{
    metrics_move(&metrics->gauges.jobs_queued, by);
}

struct job_pool *relay_jobs_open(const struct chat_ports *const *ports, int threads)
{
    return job_pool_open((const void *const *)ports, threads, count_jobs);
}

static bool open_upstream(struct relay *relay)
{
    const struct upstream_settings settings = {.provider = relay->settings.provider,
                                               .clock = relay->settings.clock,
                                               .loop = &relay->ground.loop,
                                               .jobs = relay->ground.jobs,
                                               .max_transfers = relay->settings.max_streams,
                                               .ca_file = relay->settings.ca_file,
                                               .fallback_model = relay->settings.fallback_model};
    relay->ground.upstream = upstream_open(&settings);
    return relay->ground.upstream != NULL;
}

struct relay *relay_open(const struct relay_settings *settings, struct job_pool *jobs)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay) return NULL;
    relay->answers.ops = &relay_port;
    relay->settings = *settings;
    relay->ground.jobs = jobs;
    places_open(&relay->ground.places, settings->max_streams, settings->max_readers_per_user);
    completions_open(&relay->completions, &relay->ground);
    relay->steps = (struct steps){.ground = &relay->ground, .jobs = settings->step_jobs ? settings->step_jobs : jobs};
    uuid_v7(clock_wall_ms(settings->clock), relay->process_id);
    beat_init(relay);
    buf_init(&relay->ground.scratch, SCRATCH_MAX_BYTES);
    if (loop_open(&relay->ground.loop, settings->clock) && open_upstream(relay) && loop_start(&relay->ground.loop)) {
        if (settings->keep_warm) call_loop(relay, begin_warm);
        return relay;
    }
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
    return places_taken(&relay->ground.places);
}

void relay_refuse(struct relay *relay)
{
    if (places_refuse(&relay->ground.places)) call_loop(relay, end_warm);
}

void relay_drain(struct relay *relay)
{
    relay_refuse(relay);
    if (relay_live(relay) == 0) return;
    log_write(LOG_WARN, "answers_cut_off", LOG_INT("live", relay_live(relay)));
    call_loop(relay, shut_down);
    if (!places_wait_empty(&relay->ground.places, SETTLE_AFTER_DRAIN_MS))
        log_write(LOG_ERROR, "drain_incomplete", LOG_INT("live", relay_live(relay)));
}

void relay_close(struct relay *relay)
{
    if (!relay) return;
    if (relay->settings.titles) job_pool_stop(relay->settings.titles);
    if (relay->settings.log_jobs) job_pool_stop(relay->settings.log_jobs);
    if (relay->settings.step_jobs) job_pool_stop(relay->settings.step_jobs);
    job_pool_stop(relay->ground.jobs);
    call_loop(relay, end_warm);
    loop_stop(&relay->ground.loop);
    steps_close(&relay->steps);
    completions_close(&relay->completions);
    struct live **left[] = {&relay->lives, &relay->replays}; /* only where the drain was incomplete */
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        while (*left[i]) {
            struct live *live = *left[i];
            *left[i] = live->next;
            live_free(live);
        }
    relay_free(relay);
}
