#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 512 << 10, WAIT_MAX_MS = 60000 };

/* ---- posts ---- */

void loop_post(struct loop *loop, struct post *post)
{
    post->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool was_empty = !loop->first_post;
    if (loop->last_post)
        loop->last_post->next = post;
    else
        loop->first_post = post;
    loop->last_post = post;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty) {
        uint64_t one = 1;
        while (write(loop->wake.fd, &one, sizeof one) < 0 && errno == EINTR) {}
    }
}

static void run_posts(struct watch *wake, uint32_t events)
{
    (void)events;
    struct loop *loop = LOOP_OWNER(wake, struct loop, wake);
    pthread_mutex_lock(&loop->lock);
    struct post *post = loop->first_post;
    loop->first_post = loop->last_post = NULL;
    pthread_mutex_unlock(&loop->lock);
    while (post) {
        struct post *next = post->next;
        post->run(post);
        post = next;
    }
}

/* On the stack of the one who waits. */
struct call {
    struct post post;
    struct loop *loop;
    struct post *asked;
    bool done; /* under the loop's lock */
};

static void run_call(struct post *post)
{
    struct call *call = LOOP_OWNER(post, struct call, post);
    struct loop *loop = call->loop;
    call->asked->run(call->asked);
    pthread_mutex_lock(&loop->lock);
    call->done = true; /* from the unlocking on it may be gone */
    pthread_cond_broadcast(&loop->called);
    pthread_mutex_unlock(&loop->lock);
}

void loop_call(struct loop *loop, struct post *post)
{
    struct call call = {.post.run = run_call, .loop = loop, .asked = post};
    loop_post(loop, &call.post);
    pthread_mutex_lock(&loop->lock);
    while (!call.done) pthread_cond_wait(&loop->called, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}

/* ---- watches ---- */

bool loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (watch->events == events) return true;
    int op = watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(loop->epoll_fd, op, watch->fd, &event) < 0) return false;
    watch->events = events;
    return true;
}

void loop_rest(struct loop *loop, struct watch *watch)
{
    if (watch->events) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->events = 0;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    if (watch->dead) return;
    if (watch->events) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->dead = true;
    watch->next_dead = loop->dead_watches;
    loop->dead_watches = watch;
}

static void free_dead_watches(struct loop *loop)
{
    struct watch *watch = loop->dead_watches;
    loop->dead_watches = NULL;
    while (watch) {
        struct watch *next = watch->next_dead;
        free(watch);
        watch = next;
    }
}

/* ---- a turn ---- */

static void run_event(const struct epoll_event *event)
{
    struct watch *watch = event->data.ptr;
    if (!watch->dead) watch->on_event(watch, event->events);
}

static void run_phase(struct loop *loop, enum loop_phase phase)
{
    struct turn_end *item;
    while ((item = loop->at_end[phase])) {
        loop->at_end[phase] = item->next;
        item->due = false;
        item->run(item);
    }
}

static int wait_ms(const struct loop *loop)
{
    for (int phase = 0; phase < LOOP_PHASES; phase++)
        if (loop->at_end[phase]) return 0;
    int64_t wait = timers_wait_ms(&loop->timers, loop->now_ms);
    return wait > WAIT_MAX_MS ? WAIT_MAX_MS : (int)wait;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void turn(struct loop *loop)
{
    int count = epoll_wait(loop->epoll_fd, loop->events, TURN_MAX_EVENTS, wait_ms(loop));
    int64_t began_us = now_us();
    loop->now_ms = clock_mono_ms(loop->clock);
    for (int i = 0; i < count; i++) run_event(&loop->events[i]);
    struct timer *due;
    while ((due = timers_take_due(&loop->timers, loop->now_ms))) due->fire(due->owner);
    for (int phase = 0; phase < LOOP_PHASES; phase++) run_phase(loop, (enum loop_phase)phase);
    free_dead_watches(loop);
    loop->busy_us += now_us() - began_us;
}

static void *loop_main(void *argument)
{
    struct loop *loop = argument;
    pthread_setname_np(pthread_self(), "loop");
    while (!loop->stopping) turn(loop);
    return NULL;
}

/* ---- its life ---- */

bool loop_open(struct loop *loop, const struct clock *clock)
{
    loop->clock = clock;
    loop->now_ms = clock_mono_ms(clock);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = (struct watch){.on_event = run_posts, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (loop->epoll_fd >= 0 && loop->wake.fd >= 0 && loop_watch(loop, &loop->wake, EPOLLIN | EPOLLET)) {
        pthread_mutex_init(&loop->lock, NULL);
        pthread_cond_init(&loop->called, NULL);
        return true;
    }
    if (loop->epoll_fd >= 0) close(loop->epoll_fd);
    if (loop->wake.fd >= 0) close(loop->wake.fd);
    *loop = (struct loop){0};
    return false;
}

bool loop_start(struct loop *loop)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(&loop->thread, &attributes, loop_main, loop) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

struct stop {
    struct post post;
    struct loop *loop;
};

static void run_stop(struct post *post)
{
    LOOP_OWNER(post, struct stop, post)->loop->stopping = true;
}

void loop_stop(struct loop *loop)
{
    struct stop stop = {.post.run = run_stop, .loop = loop};
    loop_post(loop, &stop.post);
    pthread_join(loop->thread, NULL);
}

void loop_close(struct loop *loop)
{
    if (!loop->clock) return;
    free_dead_watches(loop);
    timers_fini(&loop->timers);
    close(loop->epoll_fd);
    close(loop->wake.fd);
    pthread_cond_destroy(&loop->called);
    pthread_mutex_destroy(&loop->lock);
    *loop = (struct loop){0};
}
