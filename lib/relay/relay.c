/* The port of the use cases, and the relay's beginning and end. */
#include "relay/relay.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "relay/answer.h"
#include "relay/completion.h"
#include "relay/follower.h"
#include "relay/steps.h"
#include "relay/title.h"
#include "upstream/upstream.h"

enum { SCRATCH_MAX_BYTES = 16 << 20, SETTLE_AFTER_DRAIN_MS = 5000 };

struct relay {
    struct answers answers; /* first: the port */
    struct relay_settings settings;
    struct ground ground;
    struct exchanges exchanges;
    struct followers followers;
    struct completions completions;
    struct steps steps;
    struct titles titles;
    bool shut; /* readers who come now are let go at once */
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

static void port_start(struct answers *self, const struct answer_spec *spec, struct answer_listener *listener)
{
    struct relay *relay = relay_at(self);
    answer_begin(&relay->ground, &relay->exchanges, relay->settings.detach_grace_ms, spec, listener);
    title_start(&relay->titles, spec);
}

static void port_complete(struct answers *self, const struct completion_spec *spec, struct completion_client *client)
{
    completion_begin(&relay_at(self)->completions, spec, client);
}

/* A client that is to be attached to an answer, on its way from its request thread to the loop. */
struct arrival {
    struct post post;
    struct relay *relay;
    struct follower *follower; /* made ahead, for the case that this process neither writes nor follows the answer */
    struct answer_listener *listener;
};

/* Attaches it to the answer, if this process writes it; to its follower, if it is followed already; otherwise to the
 * follower that came along. A replay is never shared. */
static void attach(struct arrival *arrival)
{
    struct relay *relay = arrival->relay;
    struct follower *follower = arrival->follower;
    struct registered *found =
        follower_is_replay(follower) ? NULL : registry_find(&relay->exchanges.registry, follower_answer_id(follower));
    if (found)
        follower_free(follower);
    else
        follower_start(follower);
    if (found && found->kind == REGISTERED_ANSWER) {
        answer_attach(answer_of(found), arrival->listener);
        return;
    }
    if (found) follower = follower_of(found);
    follower_attach(follower, arrival->listener);
    if (relay->shut) follower_let_all_go(follower); /* a step that ran at the shut-down handed it on */
}

static void arrive(struct post *post)
{
    struct arrival *arrival = LOOP_OWNER(post, struct arrival, post);
    attach(arrival);
    free(arrival);
}

static void port_attach(struct answers *self, const struct answer_attach *how, struct answer_listener *listener)
{
    struct relay *relay = relay_at(self);
    struct arrival *arrival = must_calloc(1, sizeof *arrival);
    *arrival = (struct arrival){
        .post.run = arrive, .relay = relay, .follower = follower_new(&relay->followers, how), .listener = listener};
    loop_post(&relay->ground.loop, &arrival->post);
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
    struct registered *found = registry_find(&call->relay->exchanges.registry, call->answer_id);
    call->found = found && found->kind == REGISTERED_ANSWER;
    if (call->found) answer_end(answer_of(found), ANSWER_STOPPED, CHAT_OK);
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

/* ---- what other threads ask the loop for, and wait until it is done ---- */

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

/* All at once would stop every stream for some milliseconds where there are thousands. */
enum { TICKETS_A_TURN = 256 };

struct tickets_call {
    struct post post;
    struct relay *relay;
    bool goes_on;                   /* in: the walk has begun; out: it isn't over */
    struct admission_ticket *items; /* room for as many as a turn takes */
    size_t count;
};

/* Returns whether there was a next; its ticket is NULL where it holds no lease. */
static bool next_ticket(struct relay *relay, const struct admission_ticket **ticket)
{
    struct registered *one = registry_walk(&relay->exchanges.registry);
    if (!one)
        *ticket = completions_walk(&relay->completions);
    else
        *ticket = one->kind == REGISTERED_ANSWER ? answer_ticket(answer_of(one)) : NULL;
    bool found = one || *ticket;
    if (*ticket && !(*ticket)->leased) *ticket = NULL;
    return found;
}

static void copy_tickets(struct post *post)
{
    struct tickets_call *out = LOOP_OWNER(post, struct tickets_call, post);
    if (!out->goes_on) {
        registry_walk_begin(&out->relay->exchanges.registry);
        completions_walk_begin(&out->relay->completions);
    }
    out->goes_on = true;
    for (int i = 0; i < TICKETS_A_TURN && out->goes_on; i++) {
        const struct admission_ticket *ticket;
        out->goes_on = next_ticket(out->relay, &ticket);
        if (ticket) out->items[out->count++] = *ticket;
    }
}

size_t relay_tickets(struct relay *relay, struct admission_ticket **out)
{
    struct tickets_call call = {.post.run = copy_tickets, .relay = relay};
    size_t count = 0;
    *out = NULL;
    do {
        struct admission_ticket *grown = realloc(*out, (count + TICKETS_A_TURN) * sizeof *grown);
        if (!grown) break;
        *out = grown;
        call.items = grown + count;
        call.count = 0;
        loop_call(&relay->ground.loop, &call.post);
        count += call.count;
    } while (call.goes_on);
    return count;
}

static void forget_log(struct post *post)
{
    exchanges_write_all_anew(&relay_of(post)->exchanges);
}

void relay_log_forgotten(struct relay *relay)
{
    call_loop(relay, forget_log);
}

/* Readers of followers and replays get no closing event: their answers go on elsewhere or are over, and clients come
 * again. */
static void shut_down(struct post *post)
{
    struct relay *relay = relay_of(post);
    struct registered *next;
    relay->shut = true;
    for (struct registered *one = relay->exchanges.registry.first; one; one = next) {
        next = one->next;
        if (one->kind == REGISTERED_FOLLOWER)
            follower_let_all_go(follower_of(one));
        else
            answer_end(answer_of(one), ANSWER_LOST, CHAT_ERR_SHUTTING_DOWN);
    }
    followers_let_replays_go(&relay->followers);
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
    exchanges_close(&relay->exchanges);
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
                                               .pace_ms = relay->settings.pace_ms,
                                               .ca_file = relay->settings.ca_file,
                                               .fallback_model = relay->settings.fallback_model};
    relay->ground.upstream = upstream_open(&settings);
    relay->titles.upstream = relay->ground.upstream;
    return relay->ground.upstream != NULL;
}

/* All parts but loop and upstream. A pool that isn't given is the ground's. */
static void open_rooms(struct relay *relay)
{
    const struct relay_settings *settings = &relay->settings;
    struct ground *ground = &relay->ground;
    buf_init(&ground->scratch, SCRATCH_MAX_BYTES);
    places_open(&ground->places, settings->max_streams, settings->max_readers_per_user);
    exchanges_open(&relay->exchanges, ground, settings->log_jobs ? settings->log_jobs : ground->jobs);
    uuid_v7(clock_wall_ms(settings->clock), relay->exchanges.process_id);
    relay->followers = (struct followers){.ground = ground, .exchanges = &relay->exchanges};
    completions_open(&relay->completions, ground);
    relay->steps = (struct steps){.ground = ground, .jobs = settings->step_jobs ? settings->step_jobs : ground->jobs};
    relay->titles =
        (struct titles){.jobs = settings->titles, .loop = &ground->loop, .registry = &relay->exchanges.registry};
}

struct relay *relay_open(const struct relay_settings *settings, struct job_pool *jobs)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay) return NULL;
    relay->answers.ops = &relay_port;
    relay->settings = *settings;
    relay->ground.jobs = jobs;
    open_rooms(relay);
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
    return relay->exchanges.process_id;
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

/* What is left if the drain was incomplete. */
static void free_left(struct relay *relay)
{
    struct registered *next;
    for (struct registered *one = relay->exchanges.registry.first; one; one = next) {
        next = one->next;
        if (one->kind == REGISTERED_ANSWER)
            answer_free(answer_of(one));
        else
            follower_free(follower_of(one));
    }
    followers_close(&relay->followers);
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
    free_left(relay);
    relay_free(relay);
}
