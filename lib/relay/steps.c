#include "relay/steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "domain/caller.h"
#include "relay/patience.h"
#include "usecases/ports.h"

/* A reply that is under way. While its step runs the reply, `result` and `wait_ms` are the job's, and the descriptor
 * isn't watched. All else is the loop's. */
struct visit {
    struct watch watch; /* first: a dead visit is freed as its watch */
    struct job job;
    struct post post;
    struct steps *steps;
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
    visit->result = stepped_step(visit->reply, ports, &visit->wait_ms);
}

/* Out of the list; its memory goes at the end of the turn. */
static void forget(struct visit *visit)
{
    struct steps *steps = visit->steps;
    timer_clear(&steps->ground->loop.timers, &visit->timer);
    if (visit->previous)
        visit->previous->next = visit->next;
    else
        steps->visits = visit->next;
    if (visit->next) visit->next->previous = visit->previous;
    loop_unwatch(&steps->ground->loop, &visit->watch);
}

static void end(struct visit *visit)
{
    struct ground *ground = visit->steps->ground;
    loop_rest(&ground->loop, &visit->watch); /* before its descriptor is closed */
    stepped_close(visit->reply);
    if (visit->is_long)
        places_give_long(&ground->places, visit->user_id);
    else
        places_give_reader(&ground->places, visit->user_id);
    forget(visit);
}

static void submit(struct visit *visit)
{
    struct steps *steps = visit->steps;
    loop_rest(&steps->ground->loop, &visit->watch);
    timer_clear(&steps->ground->loop.timers, &visit->timer);
    visit->running = true;
    visit->blocked = false;
    job_pool_submit(steps->jobs, &visit->job);
}

static void watch(struct visit *visit, uint32_t events, int64_t until_ms)
{
    if (!loop_watch(&visit->steps->ground->loop, &visit->watch, events) ||
        !timer_set(&visit->steps->ground->loop.timers, &visit->timer, until_ms))
        end(visit);
}

/* After a step, or when there is room: sends what waits, and then makes the next step, or ends the reply. */
static void send_on(struct visit *visit)
{
    int64_t now_ms = visit->steps->ground->loop.now_ms;
    enum listener_state state = stepped_writable(visit->reply);
    if (state == LISTENER_BLOCKED) {
        patience_begin(&visit->patience, now_ms);
        if (!visit->blocked) stepped_took(visit->reply);
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
    int64_t now_ms = visit->steps->ground->loop.now_ms;
    if (!visit->blocked)
        submit(visit);
    else if (patience_over(&visit->patience, stepped_took(visit->reply), now_ms))
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
        watch(visit, EPOLLRDHUP, visit->steps->ground->loop.now_ms + visit->wait_ms);
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
    struct steps *steps = visit->steps;
    visit->next = steps->visits;
    if (visit->next) visit->next->previous = visit;
    steps->visits = visit;
    stepped(&visit->job);
}

void steps_begin(struct steps *steps, const char *user_id, struct stepped *reply, int64_t wait_ms)
{
    struct visit *visit = must_calloc(1, sizeof *visit);
    visit->watch = (struct watch){.on_event = on_event, .fd = stepped_fd(reply)};
    visit->job = (struct job){.run = run_step, .done = stepped, .loop = &steps->ground->loop};
    visit->post.run = begin;
    visit->steps = steps;
    visit->reply = reply;
    visit->is_long = reply->is_long;
    visit->wait_ms = wait_ms;
    visit->result = STEP_LATER;
    visit->timer.owner = visit;
    visit->timer.fire = on_timer;
    snprintf(visit->user_id, sizeof visit->user_id, "%s", user_id);
    loop_post(&steps->ground->loop, &visit->post);
}

void steps_shut_down(struct steps *steps)
{
    struct visit *next;
    for (struct visit *visit = steps->visits; visit; visit = next) {
        next = visit->next;
        visit->unwanted = true;
        if (!visit->running) end(visit);
    }
}

void steps_close(struct steps *steps)
{
    while (steps->visits) {
        steps->visits->running = false;
        end(steps->visits);
    }
}
