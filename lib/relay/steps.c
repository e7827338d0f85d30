/* Replies that jobs make step by step (usecases/stepped.h): what happens between the steps. */
#include "relay/loop.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* One of them. While its step runs nothing here is watched, and only `result` and `wait_ms` are the job's. */
struct visit {
    struct watch watch; /* first: a dead visit is freed as its watch */
    struct job job;
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

static struct visit *visit_of(struct job *job)
{
    return (struct visit *)((char *)job - offsetof(struct visit, job));
}

static void run_step(struct job *job, const struct chat_ports *ports)
{
    struct visit *visit = visit_of(job);
    visit->result = visit->reply->ops->step(visit->reply, ports, &visit->wait_ms);
    struct task *task = calloc(1, sizeof *task);
    if (!task) abort();
    task->kind = TASK_STEPPED;
    task->visit = visit;
    loop_post(visit->relay, task);
}

/* Out of the list; its memory goes at the end of the turn. */
static void forget(struct visit *visit)
{
    struct relay *relay = visit->relay;
    timer_clear(&relay->timers, &visit->timer);
    if (visit->previous)
        visit->previous->next = visit->next;
    else
        relay->visits = visit->next;
    if (visit->next) visit->next->previous = visit->previous;
    loop_unwatch(relay, &visit->watch);
}

static void end(struct visit *visit)
{
    loop_rest(visit->relay, &visit->watch); /* before its descriptor is closed */
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
    loop_rest(relay, &visit->watch);
    timer_clear(&relay->timers, &visit->timer);
    visit->running = true;
    visit->blocked = false;
    job_pool_submit(relay->settings.step_jobs ? relay->settings.step_jobs : relay->jobs, &visit->job);
}

static void watch(struct visit *visit, uint32_t events, int64_t until_ms)
{
    if (!loop_watch(visit->relay, &visit->watch, events) || !timer_set(&visit->relay->timers, &visit->timer, until_ms))
        end(visit);
}

/* After a step, or when there is room. */
static void send_on(struct visit *visit)
{
    int64_t now_ms = visit->relay->now_ms;
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
    int64_t now_ms = visit->relay->now_ms;
    if (!visit->blocked)
        submit(visit);
    else if (patience_over(&visit->patience, visit->reply->ops->took(visit->reply), now_ms))
        end(visit);
    else
        watch(visit, EPOLLRDHUP | EPOLLOUT, patience_next_ms(&visit->patience));
}

struct visit *steps_new(struct relay *relay, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    struct visit *visit = calloc(1, sizeof *visit);
    if (!visit) abort();
    visit->watch = (struct watch){.kind = WATCH_VISIT, .fd = reply->ops->fd(reply)};
    visit->job.run = run_step;
    visit->relay = relay;
    visit->reply = reply;
    visit->is_long = reply->is_long;
    visit->wait_ms = wait_ms;
    visit->result = STEP_LATER;
    visit->timer.owner = visit;
    visit->timer.fire = on_timer;
    snprintf(visit->user_id, sizeof visit->user_id, "%s", user_id);
    return visit;
}

void steps_begin(struct visit *visit)
{
    struct relay *relay = visit->relay;
    visit->next = relay->visits;
    if (visit->next) visit->next->previous = visit;
    relay->visits = visit;
    steps_stepped(visit);
}

void steps_stepped(struct visit *visit)
{
    visit->running = false;
    if (visit->result == STEP_HANDED_ON)
        forget(visit);
    else if (visit->unwanted)
        end(visit);
    else if (visit->result == STEP_LATER)
        watch(visit, EPOLLRDHUP, visit->relay->now_ms + visit->wait_ms);
    else
        send_on(visit);
}

void steps_event(struct watch *watched, uint32_t events)
{
    struct visit *visit = (struct visit *)watched;
    if (visit->running) return; /* of this turn, before its step began */
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        end(visit);
    else if ((events & EPOLLOUT) && visit->blocked)
        send_on(visit);
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
