/* Replies that jobs make step by step (usecases/stepped.h): what happens between the steps. */
#include "relay/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* One of them. While its step runs nothing here is watched, and only `result` and `wait_ms` are the job's. */
struct visit {
    struct watch watch; /* first: a dead visit is freed as its watch */
    struct job job;
    struct post post;
    struct relay *relay;
    struct stepped *reply;
    struct visit *previous, *next;
    struct timer timer;
    struct patience patience; /* while blocked */
    enum step_next result;
    int64_t wait_ms;
    bool running, blocked;
    bool unwanted; /* to be closed after the step that runs */
    bool is_long;
    char user_id[USER_ID_SIZE];
};

static void run_step(struct job *job, const void *context)
{
    const struct chat_ports *ports = context;
    struct visit *visit = LOOP_OWNER(job, struct visit, job);
    visit->result = visit->reply->ops->step(visit->reply, ports, &visit->wait_ms);
}

/* Out of the list; its memory goes at the end of the turn. */
static void forget(struct visit *visit)
{
    struct relay *relay = visit->relay;
    timer_clear(&relay->loop.timers, &visit->timer);
    if (visit->previous)
        visit->previous->next = visit->next;
    else
        relay->visits = visit->next;
    if (visit->next) visit->next->previous = visit->previous;
    loop_unwatch(&relay->loop, &visit->watch);
}

static void end(struct visit *visit)
{
    loop_rest(&visit->relay->loop, &visit->watch); /* before its descriptor is closed */
    visit->reply->ops->close(visit->reply);
    if (visit->is_long)
        readers_give_long(visit->relay, visit->user_id);
    else
        readers_give(visit->relay, visit->user_id);
    forget(visit);
}

static void submit(struct visit *visit)
{
    struct relay *relay = visit->relay;
    loop_rest(&relay->loop, &visit->watch);
    timer_clear(&relay->loop.timers, &visit->timer);
    visit->running = true;
    visit->blocked = false;
    job_pool_submit(relay->settings.step_jobs ? relay->settings.step_jobs : relay->jobs, &visit->job);
}

static void watch(struct visit *visit, uint32_t events, int64_t until_ms)
{
    if (!loop_watch(&visit->relay->loop, &visit->watch, events) ||
        !timer_set(&visit->relay->loop.timers, &visit->timer, until_ms))
        end(visit);
}

/* After a step, or when there is room. */
static void send_on(struct visit *visit)
{
    int64_t now_ms = visit->relay->loop.now_ms;
    enum listener_state state = visit->reply->ops->writable(visit->reply);
    if (state == LISTENER_BLOCKED) {
        patience_begin(&visit->patience, now_ms);
        if (!visit->blocked) visit->reply->ops->took(visit->reply);
        visit->blocked = true;
        watch(visit, EPOLLRDHUP | EPOLLOUT, patience_next_ms(&visit->patience));
    } else if (state == LISTENER_READY && visit->result == STEP_ON)
        submit(visit);
    else
        end(visit);
}

static void on_timer(void *owner)
{
    struct visit *visit = owner;
    int64_t now_ms = visit->relay->loop.now_ms;
    if (!visit->blocked)
        submit(visit);
    else if (patience_over(&visit->patience, visit->reply->ops->took(visit->reply), now_ms))
        end(visit);
    else
        watch(visit, EPOLLRDHUP | EPOLLOUT, patience_next_ms(&visit->patience));
}

static void stepped(struct job *job)
{
    struct visit *visit = LOOP_OWNER(job, struct visit, job);
    visit->running = false;
    if (visit->result == STEP_HANDED_ON)
        forget(visit);
    else if (visit->unwanted)
        end(visit);
    else if (visit->result == STEP_LATER)
        watch(visit, EPOLLRDHUP, visit->relay->loop.now_ms + visit->wait_ms);
    else
        send_on(visit);
}

static void on_event(struct watch *watched, uint32_t events)
{
    struct visit *visit = (struct visit *)watched;
    if (visit->running) return; /* of this turn, before its step began */
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        end(visit);
    else if ((events & EPOLLOUT) && visit->blocked)
        send_on(visit);
}

static void begin(struct post *post)
{
    struct visit *visit = LOOP_OWNER(post, struct visit, post);
    struct relay *relay = visit->relay;
    visit->next = relay->visits;
    if (visit->next) visit->next->previous = visit;
    relay->visits = visit;
    stepped(&visit->job);
}

void steps_begin(struct relay *relay, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    struct visit *visit = calloc(1, sizeof *visit);
    if (!visit) abort();
    visit->watch = (struct watch){.on_event = on_event, .fd = reply->ops->fd(reply)};
    visit->job = (struct job){.run = run_step, .done = stepped, .loop = &relay->loop};
    visit->post.run = begin;
    visit->relay = relay;
    visit->reply = reply;
    visit->is_long = reply->is_long;
    visit->wait_ms = wait_ms;
    visit->result = STEP_LATER;
    visit->timer.owner = visit;
    visit->timer.fire = on_timer;
    snprintf(visit->user_id, sizeof visit->user_id, "%s", user_id);
    loop_post(&relay->loop, &visit->post);
}

void steps_shut_down(struct relay *relay)
{
    struct visit *next;
    for (struct visit *visit = relay->visits; visit; visit = next) {
        next = visit->next;
        visit->unwanted = true;
        if (!visit->running) end(visit);
    }
}

void steps_free(struct relay *relay)
{
    while (relay->visits) {
        relay->visits->running = false;
        end(relay->visits);
    }
}
